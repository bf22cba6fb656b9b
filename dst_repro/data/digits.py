"""scikit-learn's 1,797 handwritten digits (8x8, 16 grey levels): real images that come with a dependency."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from dst_repro.data.base import Images, Source
from dst_repro.registry import Params, datasets


class DigitsParams(Params):
    size: Literal[8, 28] = 28
    """Edge of the images: 8 as they are, 28 upsampled (bilinear) for the LeNets."""


@datasets.register("digits", DigitsParams)
def digits(params: DigitsParams) -> Source:
    """Handwritten digits of scikit-learn: 1,437 for training, a fixed stratified fifth (360) for the test."""
    pixels, labels = load_digits(return_X_y=True)
    index = range(len(labels))
    train, test = train_test_split(index, test_size=0.2, stratify=labels, random_state=0)
    images = torch.from_numpy(pixels).to(torch.uint8).reshape(-1, 1, 8, 8)
    targets = torch.from_numpy(labels).long()
    parts = Images(images[train], targets[train]), Images(images[test], targets[test])
    source = Source("digits", parts[0], parts[1], classes=10, divisor=16).checked()
    if params.size == 8:
        return source
    return replace(source, train=_upsample(source.train, params.size), test=_upsample(source.test, params.size))


def _upsample(part: Images, size: int) -> Images:
    images = part.images.float()
    larger = torch.nn.functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    return Images(larger, part.labels)
