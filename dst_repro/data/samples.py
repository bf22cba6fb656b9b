"""Training images that a method reads before the first step, without augmentation."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError

READ = 256
"""Images looked through at a time."""


def at_random(data: Data, batches: int, size: int, rng: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """So many mini-batches as `Data.batches` gives them, drawn without replacement: all images if there are fewer."""
    order = torch.randperm(len(data.train), generator=rng)[: batches * size]
    for pixels, labels in data.train.batches(size, order):
        yield data.batch(pixels), labels


def of_each_class(data: Data, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """One batch of `n` images of each class, the classes one after the other. `ConfigError` if one has fewer."""
    found: list[list[Tensor]] = [[] for _ in range(data.classes)]
    for pixels, labels in data.train.batches(READ, torch.randperm(len(data.train), generator=rng)):
        for image, label in zip(pixels, labels.tolist(), strict=True):
            if len(found[label]) < n:
                found[label].append(image)
        if all(len(images) == n for images in found):
            break
    fewest = min(range(data.classes), key=lambda label: len(found[label]))
    if len(found[fewest]) < n:
        there = f"of class {fewest} there are {len(found[fewest])} training images"
        raise ConfigError(f"{there}, not {n}; take at most that many", "method_params.per_class")
    batch = data.batch(torch.stack([image for images in found for image in images]))
    return batch, torch.arange(data.classes, device=batch.device).repeat_interleave(n)
