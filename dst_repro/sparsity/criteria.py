"""What is dropped: scores of a layer's weights, as pure functions of a `View`, and which of the weights go by them.

A new criterion is a function with `@drop("slug")`; whatever names criteria finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from dst_repro.registry import drops
from dst_repro.sparsity.selection import (
    Select,
    lowest_of_all,
    nearest_zero_of_both_signs,
    nearest_zero_of_each_sign,
    negatives_but_the_largest,
)
from dst_repro.sparsity.view import Named, View

DropBy = Annotated[str, Named(drops)]

Score = Callable[[View], Tensor]
EPS = 1e-8
"""Keeps a quotient finite."""


@dataclass(eq=False)
class Drop:
    """A prune criterion: a score, the lowest of which go, and what the engine must know of it."""

    score: Score
    select: Select = lowest_of_all
    """Which of the candidates go by their scores."""
    reads_gradient: bool = False
    smoothed: bool = False
    """Whether the score is averaged over the steps since the previous update."""
    reads_signs: bool = False
    released: Score | None = None
    """The score as the code of Nowak et al. (2023) computes it, where float32 orders it differently."""

    def __post_init__(self) -> None:
        self.__doc__, self.__module__ = self.score.__doc__, self.score.__module__  # as registries show it


def drop(
    slug: str,
    *,
    select: Select = lowest_of_all,
    reads_gradient: bool = False,
    smoothed: bool = False,
    reads_signs: bool = False,
    released: Score | None = None,
) -> Callable[[Score], Score]:
    """Decorator of a score (the fields of `Drop` as keywords). The first line of its docstring is its title."""

    def add(score: Score) -> Score:
        drops.register(slug)(Drop(score, select, reads_gradient, smoothed, reads_signs, released))
        return score

    return add


def criterion(slug: str) -> Drop:
    """The registered criterion; `ConfigError` names the near misses."""
    found: Drop = drops[slug].object
    return found


@drop("magnitude")
def magnitude(layer: View) -> Tensor:
    """magnitude: abs(w)"""
    return layer.weight.abs()


@drop("each-sign", select=nearest_zero_of_each_sign)
def each_sign(layer: View) -> Tensor:
    """SET: nearest zero among the positive and among the negative, each sign by its own count"""
    return layer.weight


@drop("each-sign-equal", select=nearest_zero_of_both_signs)
def each_sign_equal(layer: View) -> Tensor:
    """SET (equal counts): nearest zero of either sign, as many positive as negative ones (Nowak et al. 2023)"""
    return layer.weight


@drop("each-sign-released", select=negatives_but_the_largest)
def each_sign_released(layer: View) -> Tensor:
    """SET (as released): positive nearest zero, and nearly all negative whatever the rate (Nowak et al. 2023)"""
    return layer.weight


@drop("mest", reads_gradient=True)
def mest(layer: View) -> Tensor:
    """MEST: abs(w) + gamma * abs(g)"""
    return layer.weight.abs() + layer.gamma * layer.gradient.abs()


@drop("snip", reads_gradient=True, released=lambda layer: snip(layer) + 1e-5)
def snip(layer: View) -> Tensor:
    """SNIP: abs(w * g)"""
    return (layer.weight * layer.gradient).abs()


@drop("taylor", reads_gradient=True)
def taylor(layer: View) -> Tensor:
    """Taylor: (w * g)^2, a weight's share in the loss, to first order"""
    return (layer.weight * layer.gradient).square()


@drop("sensitivity", reads_gradient=True, released=lambda layer: sensitivity(layer) + 1)
def sensitivity(layer: View) -> Tensor:
    """sensitivity: abs(g) / (abs(w) + 1e-8)"""
    return layer.gradient.abs() / (layer.weight.abs() + EPS)


@drop("reciprocal-sensitivity", reads_gradient=True, released=lambda layer: reciprocal_sensitivity(layer) + 1)
def reciprocal_sensitivity(layer: View) -> Tensor:
    """reciprocal sensitivity: abs(w) / (abs(g) + 1e-8)"""
    return layer.weight.abs() / (layer.gradient.abs() + EPS)


@drop("gradient-step", reads_gradient=True, released=lambda layer: (layer.weight - layer.gradient).abs())
def gradient_step(layer: View) -> Tensor:
    """gradient step: abs(w - gamma * g), the magnitude after a step"""
    return (layer.weight - layer.gamma * layer.gradient).abs()


@drop("running-magnitude", smoothed=True)
def running_magnitude(layer: View) -> Tensor:
    """running magnitude: abs(w), averaged over the steps since the previous update"""
    return layer.weight.abs()


@drop("running-snip", reads_gradient=True, smoothed=True)
def running_snip(layer: View) -> Tensor:
    """running SNIP: abs(w * g), averaged over the steps since the previous update"""
    return (layer.weight * layer.gradient).abs()


@drop("sign-flip", reads_signs=True)
def sign_flip(layer: View) -> Tensor:
    """sign flip: abs(w), but first those whose sign is another than after the previous update

    Deep R's rule as a score. A weight that was zero then, as a grown one is, has flipped to neither sign. Of the
    flipped, too, the smallest go first: -1 / abs(w) is negative, and rises with abs(w).
    """
    size = layer.weight.abs()
    return torch.where(layer.weight.sign() * layer.signs < 0, -1 / size, size)


@drop("random")
def random(layer: View) -> Tensor:
    """random: uniform in [0, 1), in double precision: without ties, and comparable between layers"""
    numbers = torch.rand(layer.weight.shape, generator=layer.rng, dtype=torch.float64)
    return numbers.to(layer.weight.device)


def pooled(
    select: Callable[[Tensor, Tensor], Tensor], scores: Mapping[str, Tensor], among: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Layer -> boolean mask: `select(score, candidates)` with the weights of all these layers in one competition."""
    chosen = select(
        torch.cat([score.flatten() for score in scores.values()]), torch.cat([among[name].flatten() for name in scores])
    )
    parts = chosen.split([score.numel() for score in scores.values()])
    return {name: part.view(score.shape) for (name, score), part in zip(scores.items(), parts, strict=True)}
