"""scikit-learn's 1,797 handwritten digits (8x8, 16 grey levels): real images that come with a dependency."""

from __future__ import annotations

import contextlib
import zipfile
from dataclasses import replace
from typing import Literal

import numpy as np
import torch

from dst_repro.data.base import Images, Source
from dst_repro.files import cache_folder, write_with
from dst_repro.registry import Params, datasets

Arrays = dict[str, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]
SHAPES = {
    name + what: ((images, *shape), "uint8")
    for name, images in (("train", 1_437), ("test", 360))
    for what, shape in (("", (1, 8, 8)), ("_labels", ()))
}
"""Of what is cached; anything else under its name is made anew."""


class DigitsParams(Params):
    size: Literal[8, 28] = 28
    """Edge of the images: 8 as they are, 28 upsampled (bilinear) for the LeNets."""


@datasets.register("digits", DigitsParams, train=1_437, test=360, shape=[1, 28, 28], classes=10)
def digits(params: DigitsParams) -> Source:
    """Digits: handwritten, of scikit-learn, 1,437 for training, a fixed stratified fifth (360) for the test"""
    arrays = {name: torch.from_numpy(array) for name, array in _arrays().items()}
    train, test = (Images(arrays[part], arrays[f"{part}_labels"].long()) for part in ("train", "test"))
    source = Source("digits", train, test, classes=10, divisor=16).checked()
    if params.size == 8:
        return source
    return replace(source, train=_upsample(train, params.size), test=_upsample(test, params.size))


def _arrays() -> Arrays:
    """Both parts as uint8, cached, since importing scikit-learn takes longer than many a run. Their hash is checked."""
    path = cache_folder() / "digits.npz"
    with contextlib.suppress(OSError, ValueError, EOFError, zipfile.BadZipFile), np.load(path) as saved:
        cached = dict(saved)
        if _shapes(cached) == SHAPES:
            return cached
    arrays = _from_sklearn()
    with contextlib.suppress(OSError):
        write_with(path, lambda stream: np.savez(stream, **arrays))  # type: ignore[arg-type]
    return arrays


def _shapes(arrays: Arrays) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (array.shape, array.dtype.name) for name, array in arrays.items()}


def _from_sklearn() -> Arrays:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    images, labels = pixels.astype(np.uint8).reshape(-1, 1, 8, 8), labels.astype(np.uint8)
    train, test = train_test_split(range(len(labels)), test_size=0.2, stratify=labels, random_state=0)
    parts = {"train": train, "test": test}
    return {name: images[i] for name, i in parts.items()} | {f"{n}_labels": labels[i] for n, i in parts.items()}


def _upsample(part: Images, size: int) -> Images:
    images = part.images.float()
    larger = torch.nn.functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    return Images(larger, part.labels)
