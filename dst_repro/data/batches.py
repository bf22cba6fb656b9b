"""CIFAR's batch files: pickles, of which nothing is built but arrays, text, numbers, lists and dictionaries.

Pickle runs whatever a file asks for, and a checksum that lies beside a file vouches for nothing.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

PIXELS = 3 * 32 * 32


def _bytes(text: str, encoding: str) -> bytes:
    """As pickles of bytes in old protocols spell them, and no other codec."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the codec {encoding}")
    return text.encode(encoding)


ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("_codecs", "encode"): _bytes,
}
"""What makes an array; by the names of numpy 1 and 2."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, encoding="latin1")  # the original files are Python 2's

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ALLOWED[module, name]


def read_batch(path: Path) -> tuple[Array, list[int]]:
    """Pixels (n, 3072), uint8, red plane first, and labels. Raises UnpicklingError or ValueError for anything else."""
    with path.open("rb") as stream:
        entry = _Unpickler(stream).load()
    if not isinstance(entry, dict):
        raise ValueError(f"{path.name} holds no dictionary")
    pixels, labels = entry.get("data"), entry.get("labels", entry.get("fine_labels"))
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,):
        raise ValueError(f"{path.name} holds no images of {PIXELS} bytes")
    if not isinstance(labels, list) or [type(label) for label in labels] != [int] * len(pixels):
        raise ValueError(f"{path.name} holds no label for each image")
    return pixels, labels
