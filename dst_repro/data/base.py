"""What a data set is, how a run splits it, and which copies of it are known."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dst_repro.config import RunConfig
from dst_repro.data.known import KNOWN_COPIES
from dst_repro.errors import ConfigError, DataError
from dst_repro.registry import datasets
from dst_repro.seeding import generator


@dataclass(frozen=True)
class Images:
    """`images` (n, channels, height, width), uint8 or float32; `labels` (n,), int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> Images:
        return Images(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> Images:
        return Images(self.images.to(device), self.labels.to(device))

    def sha256(self) -> str:
        """Of the pixels, then the labels, as bytes."""
        digest = hashlib.sha256(self.images.contiguous().numpy().tobytes())
        digest.update(self.labels.to(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """A data set as its loader returns it. `divisor` turns pixels into [0, 1]."""

    name: str
    train: Images
    test: Images
    classes: int
    divisor: float
    note: str = ""

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
    """The parts that a run uses. `validation` is None where the run holds nothing out."""

    name: str
    train: Images
    validation: Images | None
    test: Images
    classes: int
    divisor: float
    note: str
    sha256: dict[str, str]

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width)"""
        return tuple(self.train.images.shape[1:])

    def to(self, device: torch.device) -> Data:
        held_out = self.validation and self.validation.to(device)
        return replace(self, train=self.train.to(device), validation=held_out, test=self.test.to(device))

    def batch(self, images: Tensor) -> Tensor:
        """Pixels as float32 in [0, 1], the papers' only preparation of MNIST (Liu et al. 2020, released code)."""
        return images.float().div_(self.divisor) if images.dtype == torch.uint8 else images / self.divisor


def source(name: str, params: dict[str, object]) -> Source:
    """The whole data set from its registered loader."""
    entry = datasets[name]
    loaded: Source = entry.object(entry.params(**params))
    return loaded


def load(config: RunConfig) -> Data:
    """The data of a run, split by the run's own stream: `validation` is a share of the training images."""
    whole = source(config.dataset, config.dataset_params)
    held_out = round(config.validation * len(whole.train))
    train, validation = whole.train, None
    if config.validation > 0:
        if held_out == 0:
            raise ConfigError(f"{config.validation} of {len(whole.train)} images is less than one image", "validation")
        if held_out == len(whole.train):
            raise ConfigError(f"{config.validation} of {held_out} images leaves none to train on", "validation")
        order = torch.randperm(len(whole.train), generator=generator(config.seed, "split"))
        validation, train = train.take(order[:held_out]), train.take(order[held_out:])
    sha256 = {"train": whole.train.sha256(), "test": whole.test.sha256()}
    return Data(whole.name, train, validation, whole.test, whole.classes, whole.divisor, whole.note, sha256)
