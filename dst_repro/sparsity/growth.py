"""What is grown: (layer, boolean mask of the free positions, n) -> boolean mask of n of them.

A new criterion is a function with `@grow("slug")`; whatever names criteria finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor

from dst_repro.registry import grows
from dst_repro.sparsity.masks import highest, random_among
from dst_repro.sparsity.view import Named, View

GrowBy = Annotated[str, Named(grows)]

Grow = Callable[[View, Tensor, int], Tensor]


def grow(slug: str) -> Callable[[Grow], Grow]:
    """Decorator. The first line of the docstring is the title."""
    return grows.register(slug)


def growth(slug: str) -> Grow:
    """The registered criterion; `ConfigError` names the near misses."""
    found: Grow = grows[slug].object
    return found


@grow("random")
def anywhere(layer: View, free: Tensor, n: int) -> Tensor:
    """random: anywhere, each position as likely"""
    return random_among(free, n, layer.rng)


@grow("random-unfired")
def never_active(layer: View, free: Tensor, n: int) -> Tensor:
    """random, unfired: where no weight has been active so far; where these are too few, anywhere (ITOP)"""
    fresh, rng = free & ~layer.ever, layer.rng
    chosen = random_among(fresh, n, rng)
    return chosen | random_among(free & ~fresh, n - int(chosen.sum()), rng)


@grow("gradient")
def largest_gradients(layer: View, free: Tensor, n: int) -> Tensor:
    """gradient: where abs(g) is largest (RigL)"""
    return highest(layer.gradient.abs(), free, n)


@grow("momentum")
def largest_momenta(layer: View, free: Tensor, n: int) -> Tensor:
    """momentum: where the smoothed gradient is largest (sparse momentum)"""
    return highest(layer.momentum.abs(), free, n)


def by_chance(free: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Each free position by itself, such that `n` of them are expected: as released codes grow at random."""
    share = n / max(1, int(free.sum()))
    return free & (torch.rand(free.shape, generator=rng) < share).to(free.device)
