"""What a data set is, how a run splits it, and which copies of it are known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from dst_repro.data.augment import Augmentation
from dst_repro.data.known import KNOWN_COPIES
from dst_repro.data.parts import Images, Part
from dst_repro.errors import ConfigError, DataError
from dst_repro.plan.config import RunConfig
from dst_repro.registry import datasets
from dst_repro.seeding import generator

__all__ = ["Data", "Images", "Part", "Source", "load", "source"]


@dataclass(frozen=True)
class Source:
    """A data set as its loader returns it. `divisor` turns pixels into [0, 1]; then each channel is normalised."""

    name: str
    train: Part
    test: Part
    classes: int
    divisor: float
    note: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def checked(self) -> Source:
        """The same, with the note of the copy at hand. `DataError` if its pixels are of no known copy."""
        found = (self.train.sha256(), self.test.sha256())
        notes = KNOWN_COPIES.get(self.name, {})
        if found not in notes:
            raise DataError(
                f"{self.name}: the images found are no known copy (SHA-256 {found[0][:12]}… / {found[1][:12]}…): "
                "the files are damaged or altered; delete them and fetch the data set again"
            )
        return replace(self, note=notes[found])


@dataclass(frozen=True)
class Data:
    """The parts that a run uses, and its batches. `validation` is None where the run holds nothing out."""

    name: str
    train: Part
    validation: Part | None
    test: Part
    classes: int
    divisor: float
    note: str
    sha256: dict[str, str]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    augmentation: str = "none"

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width)"""
        return self.train.shape

    def to(self, device: torch.device) -> Data:
        held_out = None if self.validation is None else self.validation.to(device)
        return replace(self, train=self.train.to(device), validation=held_out, test=self.test.to(device))

    def train_batches(self, size: int, seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """One pass over the training images, in the order and with the augmentation of that epoch of that seed.

        Images are (b, channels, height, width), float32 and channels-last, labels (b,), both on the device of the data.
        The last batch may be smaller.
        """
        order = torch.randperm(len(self.train), generator=generator(seed, "order", epoch))
        for pixels, labels in self.train.batches(size, order, Augmentation(self.augmentation, seed, epoch)):
            yield self.batch(pixels), labels

    def batches(self, part: Part, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images of a part in order, as `train_batches` gives them but for augmentation."""
        for pixels, labels in part.batches(size):
            yield self.batch(pixels), labels

    def batch(self, pixels: Tensor) -> Tensor:
        """Pixels as float32 in [0, 1], normalised where the data set says so, channels-last.

        [0, 1] is the papers' only preparation of MNIST (Liu et al. 2020, released code).
        """
        if pixels.dim() == 4:
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        floats = pixels.float().div_(self.divisor) if pixels.dtype == torch.uint8 else pixels / self.divisor
        if self.mean:
            mean, std = self._mean_and_std
            floats.sub_(mean).div_(std)
        return floats

    @cached_property
    def _mean_and_std(self) -> tuple[Tensor, Tensor]:
        """Each as a whole image, laid out like the batches: five times as fast on a CPU as one value a channel."""
        channels, height, width = self.shape
        mean, std = (
            torch.tensor(value, device=self.train.device).expand(height, width, channels).contiguous().permute(2, 0, 1)
            for value in (self.mean, self.std)
        )
        return mean, std


def source(name: str, params: dict[str, object]) -> Source:
    """The whole data set from its registered loader."""
    entry = datasets[name]
    loaded: Source = entry.object(entry.params(**params))
    return loaded


def load(config: RunConfig) -> Data:
    """The data of a run, split by the run's own stream: `validation` is a share of the training images."""
    whole = source(config.dataset, config.dataset_params)
    if config.augmentation not in whole.train.augmentations:
        *most, last = sorted(whole.train.augmentations)
        choice = " or ".join(filter(None, [", ".join(most), last]))
        raise ConfigError(f"'{config.augmentation}' can't be had of {whole.name}; take {choice}", "augmentation")
    held_out = round(config.validation * len(whole.train))
    train, validation = whole.train, None
    if config.validation > 0:
        if held_out == 0:
            raise ConfigError(f"{config.validation} of {len(whole.train)} images is less than one image", "validation")
        if held_out == len(whole.train):
            raise ConfigError(f"{config.validation} of {held_out} images leaves none to train on", "validation")
        order = torch.randperm(len(whole.train), generator=generator(config.seed, "split"))
        validation, train = train.take(order[:held_out]), train.take(order[held_out:])
    return Data(
        name=whole.name,
        train=train,
        validation=validation,
        test=whole.test,
        classes=whole.classes,
        divisor=whole.divisor,
        note=whole.note,
        sha256={"train": whole.train.sha256(), "test": whole.test.sha256()},
        mean=whole.mean,
        std=whole.std,
        augmentation=config.augmentation,
    )
