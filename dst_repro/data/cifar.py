"""CIFAR-10 and CIFAR-100, read by torchvision.

A folder without PROVENANCE.json is the original, and every file must have torchvision's MD5 sum. A folder with one,
`{"sha256": {file: sum}}`, is a copy made of other sources: its files must have those sums, and its pixels must be those
of a copy in `known.py`, whose note every record then carries.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from dst_repro.data.base import Images, Source
from dst_repro.data.fetch import data_root, fetch
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


def _own_sums(copy: Any) -> bool:
    """Whether the files of a copy have the sums that its PROVENANCE.json states."""
    folder = Path(copy.root) / copy.base_folder
    sums = json.loads((folder / "PROVENANCE.json").read_text())["sha256"]
    names = [name for name, _ in copy.train_list + copy.test_list]
    return all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == sums[name] for name in names)


def _read(name: str, kind: type[Any], classes: int, params: CIFARParams) -> Source:
    """Both parts. Raises `DataError`, one line."""
    rebuilt = (data_root() / kind.base_folder / "PROVENANCE.json").is_file()
    if rebuilt:  # the names of the classes are not needed
        kind = type(kind.__name__, (kind,), {"_check_integrity": _own_sums, "_load_meta": lambda _: None})
    parts = fetch(name, kind, kind.base_folder, "its batch files")
    train, test = (Images(torch.from_numpy(p.data).permute(0, 3, 1, 2), torch.tensor(p.targets)) for p in parts)
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
