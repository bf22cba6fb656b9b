"""Where data sets lie, `DST_DATA` or `./data`, and how torchvision's small ones come from there, or are downloaded."""

from __future__ import annotations

import os
import pickle
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from filelock import FileLock

from dst_repro.errors import DataError

DAMAGED = (
    *(OSError, RuntimeError, ValueError, LookupError, AssertionError, EOFError),
    *(pickle.UnpicklingError, TypeError, AttributeError, ImportError, MemoryError),
)
"""What torchvision's readers raise when a file is not what it should be."""


def data_root() -> Path:
    """`DST_DATA` if it is set, else `./data`."""
    return Path(os.environ.get("DST_DATA") or "data")


def fetch(name: str, kind: type[Any], folder: str, files: str) -> tuple[Any, Any]:
    """The training and the test part of a set of torchvision's, downloaded first where `folder` has nothing.

    `files` says what belongs there. Raises `DataError`, one line.
    """
    root = data_root()
    place = root / folder
    here = place.is_dir() and any(place.iterdir())
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{name}.lock") if os.access(root, os.W_OK) else nullcontext():  # e.g. a shared folder
            train, test = (kind(str(root), train=train, download=not here) for train in (True, False))
    except DAMAGED as error:
        what = " ".join(str(error).split()) or type(error).__name__
        if here:
            raise DataError(f"{name}: {place} holds no whole copy ({what}); delete it and fetch it again") from None
        raise DataError(
            f"{name}: not found in {place} and the download failed ({what}); put {files} there, "
            "or set DST_DATA to a folder that has them"
        ) from None
    return train, test
