"""MNIST and Fashion-MNIST, read by torchvision: from `DST_DATA` or `./data`, else downloaded, checksums verified."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from dst_repro.data.base import Images, Source
from dst_repro.errors import DataError
from dst_repro.registry import datasets
from dst_repro.vision import torchvision_datasets


def data_root() -> Path:
    """`DST_DATA` if it is set, else `./data`."""
    return Path(os.environ.get("DST_DATA") or "data")


def _read(kind: type[Any], root: Path, folder: str, name: str) -> Source:
    """Both parts of an MNIST-like set, downloaded first where they are missing. Raises `DataError`, one line."""
    raw = root / folder / "raw"
    here = raw.is_dir() and any(raw.iterdir())
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock") if os.access(root, os.W_OK) else nullcontext():  # e.g. a shared folder
            parts = [kind(str(root), train=train, download=not here) for train in (True, False)]
    except (OSError, RuntimeError, ValueError, LookupError, AssertionError, EOFError) as error:
        what = " ".join(str(error).split()) or type(error).__name__
        if here:
            raise DataError(f"{name}: {raw} holds no whole copy ({what}); delete it and fetch it again") from None
        raise DataError(
            f"{name}: not found in {raw} and the download failed ({what}); put the four idx files there, "
            "or set DST_DATA to a folder that has them"
        ) from None
    train, test = (Images(part.data.unsqueeze(1), part.targets.to(torch.int64)) for part in parts)
    return Source(name, train, test, classes=10, divisor=255).checked()


@datasets.register("mnist")
def mnist(_: object) -> Source:
    """MNIST: 60,000 handwritten digits for training, 10,000 for the test, 28x28."""
    return _read(torchvision_datasets().MNIST, data_root(), "MNIST", "mnist")


@datasets.register("fashion-mnist")
def fashion_mnist(_: object) -> Source:
    """Fashion-MNIST: 60,000 articles of clothing for training, 10,000 for the test, 28x28."""
    return _read(torchvision_datasets().FashionMNIST, data_root(), "FashionMNIST", "fashion-mnist")
