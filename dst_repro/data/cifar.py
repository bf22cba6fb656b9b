"""CIFAR-10 and CIFAR-100, fetched by torchvision and read without trusting their pickles.

A folder without PROVENANCE.json is the original, and every file must have torchvision's MD5 sum. A folder with one is a
copy made of other sources: its files and its pixels must have the sums of a copy in `known.py`, whose note every record
then carries.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from dst_repro.data.base import Images, Source
from dst_repro.data.batches import Array, read_batch
from dst_repro.data.fetch import data_root, fetch
from dst_repro.data.known import KNOWN_FILES
from dst_repro.errors import ConfigError
from dst_repro.machine.vision import torchvision_datasets
from dst_repro.registry import Params, datasets

Statistics = tuple[tuple[float, ...], tuple[float, ...]]

PER_IMAGE: Statistics = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
PER_PIXEL: dict[str, Statistics] = {
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
}


SIZES = {"train": 50_000, "test": 10_000, "shape": [3, 32, 32]}


class CIFARParams(Params):
    normalise: Literal["per-image-std", "per-pixel-std", "none"] = "per-image-std"
    """Each channel minus its mean, over its standard deviation. `per-image-std`: CIFAR-10's means, and the mean over
    its training images of each one's own deviation, .2023 .1994 .2010: the released codes of Liu et al. (2020), Nowak
    et al. (2023) and, on CIFAR-100 too, Jaiswal et al. (2022). `per-pixel-std`: means and deviations of all training
    pixels of the set itself."""
    train: Annotated[int, Field(ge=1)] | None = None
    """Only so many training images, the first ones; None is all. For experiments that say that they are reduced."""
    test: Annotated[int, Field(ge=1)] | None = None
    """Only so many test images, the first ones."""


def _reader(name: str, kind: type[Any], rebuilt: bool) -> type[Any]:
    """torchvision's data set, which knows where its files come from and their sums, but with a reader of ours."""

    class Reader(kind):  # type: ignore[misc]
        def __init__(self, root: str, train: bool, download: bool) -> None:
            self.root, self.folder = root, Path(root, kind.base_folder)
            if download:
                self.download()
            if not self._check_integrity():
                raise RuntimeError("a file is missing or has another sum")
            read = [read_batch(self.folder / file) for file, _ in (self.train_list if train else self.test_list)]
            self.pixels = np.concatenate([pixels for pixels, _ in read]).reshape(-1, 3, 32, 32)
            self.labels = [label for _, labels in read for label in labels]

        def _check_integrity(self) -> bool:
            if not rebuilt:
                return bool(super()._check_integrity())
            files = [file for file, _ in self.train_list + self.test_list]
            found = {file: hashlib.sha256((self.folder / file).read_bytes()).hexdigest() for file in files}
            return found in KNOWN_FILES[name]

    return Reader


def _channels_last(pixels: Array) -> Tensor:
    """As batches are laid out."""
    return torch.from_numpy(pixels).contiguous(memory_format=torch.channels_last)


def _read(name: str, kind: type[Any], classes: int, params: CIFARParams) -> Source:
    """Both parts. Raises `DataError`, one line."""
    rebuilt = (data_root() / kind.base_folder / "PROVENANCE.json").is_file()
    parts = fetch(name, _reader(name, kind, rebuilt), kind.base_folder, "its batch files")
    train, test = (Images(_channels_last(p.pixels), torch.tensor(p.labels)) for p in parts)
    known = {"per-image-std": PER_IMAGE, "per-pixel-std": PER_PIXEL[name], "none": ((), ())}
    mean, std = known[params.normalise]
    source = Source(name, train, test, classes, divisor=255, mean=mean, std=std)
    source = source.checked() if rebuilt else source
    return replace(source, train=_first(train, params.train, "train"), test=_first(test, params.test, "test"))


def _first(part: Images, number: int | None, key: str) -> Images:
    """The first `number` images. `ConfigError` if there are fewer."""
    if number is None:
        return part
    if number > len(part):
        raise ConfigError(f"{number} images are asked for, but there are {len(part)}", "dataset_params", key)
    return part.take(torch.arange(number))


@datasets.register("cifar10", CIFARParams, **SIZES, classes=10)
def cifar10(params: CIFARParams) -> Source:
    """CIFAR-10: 50,000 photographs of 10 classes for training, 10,000 for the test, 32x32 in colour."""
    return _read("cifar10", torchvision_datasets().CIFAR10, 10, params)


@datasets.register("cifar100", CIFARParams, **SIZES, classes=100)
def cifar100(params: CIFARParams) -> Source:
    """CIFAR-100: 50,000 photographs of 100 classes for training, 10,000 for the test, 32x32 in colour."""
    return _read("cifar100", torchvision_datasets().CIFAR100, 100, params)
