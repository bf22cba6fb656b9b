"""What is dropped and what is grown: scores of a layer's weights, as pure functions, and how many of them go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from dst_repro.sparsity.masks import highest, lowest, random_among

DropBy = Literal["magnitude", "each-sign", "random"]
GrowBy = Literal["random", "gradient", "momentum"]


class View(Protocol):
    """What a criterion may read of one layer. Tensors have the weight's shape."""

    @property
    def weight(self) -> Tensor: ...

    @property
    def gradient(self) -> Tensor:
        """The dense gradient of the current batch."""

    @property
    def momentum(self) -> Tensor:
        """The optimiser's smoothed gradient."""

    @property
    def rng(self) -> torch.Generator:
        """A CPU generator for this layer, this update and this use."""


Score = Callable[[View], Tensor]
Count = Callable[[int], int]
"""Of so many weights, how many go."""


def value(layer: View) -> Tensor:
    return layer.weight


def magnitude(layer: View) -> Tensor:
    return layer.weight.abs()


def gradient(layer: View) -> Tensor:
    """|dL/dw| (Evci et al. 2020, algorithm 1)."""
    return layer.gradient.abs()


def momentum(layer: View) -> Tensor:
    """The size of the smoothed gradient (Dettmers and Zettlemoyer 2019)."""
    return layer.momentum.abs()


def random(layer: View) -> Tensor:
    """Uniform in [0, 1), in double precision: without ties, and comparable between layers."""
    numbers = torch.rand(layer.weight.shape, generator=layer.rng, dtype=torch.float64)
    return numbers.to(layer.weight.device)


def lowest_of_all(score: Tensor, among: Tensor, count: Count) -> Tensor:
    """Boolean mask of the lowest scores among the candidates."""
    return lowest(score, among, count(int(among.sum())))


def nearest_zero_of_each_sign(weight: Tensor, among: Tensor, count: Count) -> Tensor:
    """Boolean mask of the positive weights nearest zero, the negative ones nearest zero, each sign by its own count,
    and all that are exactly zero (Mocanu et al. 2018, algorithm 1).
    """
    chosen = among & (weight == 0)
    for sign in (among & (weight > 0), among & (weight < 0)):
        chosen |= lowest(weight.abs(), sign, count(int(sign.sum())))
    return chosen


class Drop(NamedTuple):
    """A prune criterion: a score, and which of the candidates go by it."""

    score: Score
    select: Callable[[Tensor, Tensor, Count], Tensor] = lowest_of_all


DROP: dict[str, Drop] = {
    "magnitude": Drop(magnitude),
    "each-sign": Drop(value, nearest_zero_of_each_sign),
    "random": Drop(random),
}


Grow = Callable[[View, Tensor, int], Tensor]
"""A growth criterion: (layer, free positions, n) -> boolean mask of n of them."""


def highest_by(score: Score) -> Grow:
    return lambda layer, free, n: highest(score(layer), free, n)


def anywhere(layer: View, free: Tensor, n: int) -> Tensor:
    return random_among(free, n, layer.rng)


GROW: dict[str, Grow] = {
    "random": anywhere,
    "gradient": highest_by(gradient),
    "momentum": highest_by(momentum),
}


def pooled(
    select: Callable[[Tensor, Tensor], Tensor], scores: Mapping[str, Tensor], among: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Layer -> boolean mask: `select(score, candidates)` with the weights of all these layers in one competition."""
    chosen = select(
        torch.cat([score.flatten() for score in scores.values()]), torch.cat([among[name].flatten() for name in scores])
    )
    parts = chosen.split([score.numel() for score in scores.values()])
    return {name: part.view(score.shape) for (name, score), part in zip(scores.items(), parts, strict=True)}
