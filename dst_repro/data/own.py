"""Data of one's own: images in a folder for each class, or arrays in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from dst_repro.data.base import Images, Source
from dst_repro.data.fetch import DAMAGED, data_root
from dst_repro.data.folder import read_folder
from dst_repro.errors import DataError
from dst_repro.registry import Params, datasets

KEYS = ("train", "train_labels", "test", "test_labels")
SUFFIXES = (".npz", ".pt")
Numbers = Annotated[tuple[float, ...], Field(strict=False)]


class OwnParams(Params):
    path: Annotated[str, Field(min_length=1)]
    """In the data root (`DST_DATA`, else `./data`), or absolute."""
    mean: Numbers = ()
    """Of each channel, in units of `divisor`; subtracted, then comes the division by `std`. By default neither."""
    std: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(strict=False)] = ()
    """Of each channel, in the units of `mean`."""


class FolderParams(OwnParams):
    size: Annotated[int, Field(ge=1)] = 224
    """Edge of the images that the network sees. For evaluation, the centre of an image made 8/7 as large."""


class ArraysParams(OwnParams):
    divisor: Annotated[float, Field(gt=0)] | None = None
    """Of the numbers, before anything else. By default 255 for bytes and 1 for others."""


class Arrays(Images):
    """Images in memory of any number of classes."""

    def sha256(self) -> str:
        """Of the numbers, then of the labels, as bytes; of labels beyond 255 as eight bytes each."""
        if not len(self.labels) or int(self.labels.max()) < 256:
            return super().sha256()
        digest = hashlib.sha256(self.images.contiguous().numpy().data)
        digest.update(self.labels.numpy().data)
        return digest.hexdigest()


class Rows(Arrays):
    """(n, numbers): there is nothing to augment."""

    augmentations: ClassVar[frozenset[str]] = frozenset({"none"})


@datasets.register("folder", FolderParams)
def folder(params: FolderParams) -> Source:
    """folder: one's own images, `train/<class>/<image>` and `val/<class>/<image>` below `path`; val is the test

    Decoded as they are needed, so that they may be more than fit into memory; in colour, of any size.
    """
    train, test, classes = read_folder(params.path, params.size)
    return _checked(Source("folder", train, test, classes, divisor=255, mean=params.mean, std=params.std), params)


@datasets.register("arrays", ArraysParams)
def arrays(params: ArraysParams) -> Source:
    """arrays: one's own numbers, in a file `.npz` or `.pt` with `train`, `train_labels`, `test` and `test_labels`

    Images are (n, channels, height, width) or (n, height, width), uint8 or float32, rows of numbers (n, numbers);
    labels (n,) are whole numbers from 0 to one less than the number of classes. A `.pt` holds a dictionary of tensors.
    """
    path = data_root() / params.path
    found = {name: _tensor(path, name, value) for name, value in _read(path).items()}
    classes = _classes(path, found)
    train, test = (_part(path, found, name) for name in ("train", "test"))
    if train.shape != test.shape:
        raise _wrong(path, f"train has {train.shape}, test {test.shape}; both must be alike")
    if found["train"].dtype != found["test"].dtype:
        raise _wrong(path, "one of train and test has bytes, the other floats; both must have the same")
    divisor = params.divisor or (255 if found["train"].dtype == torch.uint8 else 1)
    return _checked(Source("arrays", train, test, classes, divisor, mean=params.mean, std=params.std), params)


def _wrong(path: Path, what: str) -> DataError:
    return DataError(f"arrays: {path}: {what}")


def _checked(made: Source, params: OwnParams) -> Source:
    shape, given = made.train.shape, (len(params.mean), len(params.std))
    if any(given) and (len(shape) != 3 or given != (shape[0], shape[0])):
        what = f"mean and std have {given[0]} and {given[1]} numbers, where a channel has one of each"
        raise DataError(f"{made.name}: {what}; an image here is {shape}")
    return made


def _read(path: Path) -> Mapping[str, Any]:
    """The four arrays. Nothing in a file is run: neither pickled objects nor code are taken."""
    if path.suffix not in SUFFIXES:
        raise _wrong(path, f"must be a file that ends in {' or '.join(SUFFIXES)}")
    if not path.is_file():
        raise _wrong(path, "there is no such file; put it there, or set DST_DATA to the folder that has it")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as saved:
                loaded: Any = {name: saved[name] for name in KEYS if name in saved}
        else:
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        raise _wrong(path, f"can't be read ({' '.join(str(error).split()) or type(error).__name__})") from None
    missing = [name for name in KEYS if not isinstance(loaded, dict) or name not in loaded]
    if missing:
        raise _wrong(path, f"has no `{missing[0]}`; it must have {', '.join(KEYS)}")
    return {name: loaded[name] for name in KEYS}


def _tensor(path: Path, name: str, value: Any) -> Tensor:
    try:
        tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _wrong(path, f"`{name}` is no array of numbers ({error})") from None
    if name.endswith("_labels"):
        if tensor.dim() != 1 or tensor.is_floating_point() or tensor.is_complex():
            raise _wrong(path, f"`{name}` must be whole numbers (n,), not {tensor.dtype} {tuple(tensor.shape)}")
        return tensor.long()
    if tensor.dim() not in (2, 3, 4) or not tensor.numel():
        raise _wrong(
            path, f"`{name}` must be (n, channels, height, width), (n, height, width) or (n, numbers), not empty"
        )
    tensor = tensor if tensor.dtype == torch.uint8 else tensor.float()
    if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
        raise _wrong(path, f"`{name}` has numbers that are not finite")
    return tensor.unsqueeze(1) if tensor.dim() == 3 else tensor


def _classes(path: Path, found: Mapping[str, Tensor]) -> int:
    train, test = found["train_labels"], found["test_labels"]
    if min(len(train), len(test)) == 0 or min(int(train.min()), int(test.min())) < 0:
        raise _wrong(path, "labels must be whole numbers from 0 on, in both parts")
    classes = int(train.max()) + 1
    if int(test.max()) >= classes:
        raise _wrong(path, f"the test has label {int(test.max())}, of which there is no training image")
    if classes < 2:
        raise _wrong(path, "has one class; at least two are needed")
    return classes


def _part(path: Path, found: Mapping[str, Tensor], name: str) -> Images:
    numbers, labels = found[name], found[f"{name}_labels"]
    if len(numbers) != len(labels):
        raise _wrong(path, f"`{name}` has {len(numbers)} entries and {len(labels)} labels")
    return (Rows if numbers.dim() == 2 else Arrays)(numbers, labels)
