"""Weights under a soft threshold (Kusupati et al. 2020): S(W, g) = sign(W) * ReLU(|W| - g), one g a layer."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def shrink_weights(weights: Sequence[Tensor], limits: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Write S(W, g) of every layer into `out`. A NaN stays one, so that the run is seen to diverge."""
    for weight, limit, used in zip(weights, limits, out, strict=True):
        used.copy_(weight.sign() * (weight.abs() - limit).relu())


def differentiate_shrinking(
    weights: Sequence[Tensor], limits: Sequence[Tensor], gradients: Sequence[Tensor]
) -> list[Tensor]:
    """Turn G, the gradient of S(W, g(s)), into that of W, in place; return the gradients of s, each 0-dimensional.

    With g the sigmoid of s and M = [|W| > g]: G*M for W, and -g*(1 - g) * sum G*M*sign(W) for s.
    """
    found = []
    for weight, limit, gradient in zip(weights, limits, gradients, strict=True):
        gradient.mul_(weight.abs() > limit)
        found.append(-(gradient * weight.sign()).sum() * limit * (1 - limit))
    return found
