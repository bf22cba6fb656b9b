"""MNIST and Fashion-MNIST, read by torchvision; their pixels are checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from dst_repro.data.base import Images, Source
from dst_repro.data.fetch import fetch
from dst_repro.machine.vision import torchvision_datasets
from dst_repro.registry import Params, datasets

SIZES = {"train": 60_000, "test": 10_000, "shape": [1, 28, 28], "classes": 10}


class MNISTParams(Params):
    normalise: bool = False
    """Off: pixels in [0, 1] (Liu et al. 2020, released code). On: minus mean, over standard deviation; the released
    code of Nowak et al. (2023) has .1307 and .3081 for MNIST, .5 and .5 for Fashion-MNIST; that of Dettmers and
    Zettlemoyer (2019) the same for MNIST."""


def _read(name: str, kind: type[Any], mean: float, std: float, params: MNISTParams) -> Source:
    """Both parts of an MNIST-like set. Raises `DataError`, one line."""
    parts = fetch(name, kind, f"{kind.__name__}/raw", "the four idx files")
    train, test = (Images(part.data.unsqueeze(1), part.targets.to(torch.int64)) for part in parts)
    source = Source(name, train, test, classes=10, divisor=255).checked()
    return replace(source, mean=(mean,), std=(std,)) if params.normalise else source


@datasets.register("mnist", MNISTParams, **SIZES)
def mnist(params: MNISTParams) -> Source:
    """MNIST: 60,000 handwritten digits for training, 10,000 for the test, 28x28."""
    return _read("mnist", torchvision_datasets().MNIST, 0.1307, 0.3081, params)


@datasets.register("fashion-mnist", MNISTParams, **SIZES)
def fashion_mnist(params: MNISTParams) -> Source:
    """Fashion-MNIST: 60,000 articles of clothing for training, 10,000 for the test, 28x28."""
    return _read("fashion-mnist", torchvision_datasets().FashionMNIST, 0.5, 0.5, params)
