"""The training, validation or test images of a run: what every kind of them can do, and those held in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Protocol, Self

import torch
from torch import Tensor

from dst_repro.data.augment import Augmentation, Padded, draw_crop_flip


class Part(Protocol):
    """Training, validation or test images, wherever they are kept."""

    augmentations: ClassVar[frozenset[str]]
    """Which of `RunConfig.augmentation` can be had."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width) of an image in a batch."""

    @property
    def device(self) -> torch.device:
        """Where batches are."""

    def __len__(self) -> int: ...

    def take(self, index: Tensor) -> Self:
        """The images `index` (m,), in that order."""

    def to(self, device: torch.device) -> Self:
        """The same, with batches on `device`."""

    def sha256(self) -> str: ...

    def batches(
        self, size: int, order: Tensor | None = None, augmentation: Augmentation | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels (b, channels, height, width), not yet normalised, and labels (b,): all once, in `order` if given."""


@dataclass(frozen=True)
class Images:
    """In memory: `images` (n, channels, height, width), uint8 or float32; `labels` (n,), int64."""

    images: Tensor
    labels: Tensor

    augmentations: ClassVar[frozenset[str]] = frozenset({"none", "crop-flip", "reflect-crop-flip"})

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.images.shape[1:])

    @property
    def device(self) -> torch.device:
        return self.labels.device

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> Self:
        return replace(self, images=self.images[index], labels=self.labels[index])

    def to(self, device: torch.device) -> Self:
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def sha256(self) -> str:
        """Of the pixels, then the labels, as bytes."""
        digest = hashlib.sha256(self.images.contiguous().numpy().data)
        digest.update(self.labels.to(torch.uint8).numpy().data)
        return digest.hexdigest()

    @cached_property
    def _blackened(self) -> Padded:
        return Padded(self.images)

    @cached_property
    def _reflected(self) -> Padded:
        return Padded(self.images, reflect=True)

    def batches(
        self, size: int, order: Tensor | None = None, augmentation: Augmentation | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        if order is None:
            yield from zip(self.images.split(size), self.labels.split(size), strict=True)
            return
        if augmentation is None or augmentation.kind == "none":
            for index in order.to(self.device).split(size):
                yield self.images[index], self.labels[index]
            return
        padded = self._reflected if augmentation.kind == "reflect-crop-flip" else self._blackened
        drawn = draw_crop_flip(len(order), augmentation.rng())
        for index, *how in zip(*(each.to(self.device).split(size) for each in (order, *drawn)), strict=True):
            yield padded.crop(index, *how), self.labels[index]
