"""Pruning and splicing between two thresholds (Guo, Yao and Chen 2016)."""

from __future__ import annotations

import torch
from torch import Tensor

BELOW, ABOVE = 0.9, 1.1
"""The two thresholds as multiples of a layer's threshold t, in the authors' code."""


def threshold(weight: Tensor, c: float, bias: Tensor | None = None) -> Tensor:
    """t = max(mu + c * sigma, 0), 0-dimensional, in the weight's dtype.

    mu and sigma are mean and standard deviation (divided by n) of the magnitudes of all non-zero values of `weight`
    and, if given, `bias`; 0 where there are none. Computed in float64.
    """
    values = weight.flatten() if bias is None else torch.cat([weight.flatten(), bias.detach().flatten()])
    size = values[values != 0].abs().double()
    if not len(size):
        return weight.new_zeros(())
    return (size.mean() + c * size.std(correction=0)).clamp(min=0).to(weight.dtype)


def operate(mask: Tensor, weight: Tensor, t: Tensor, closed: bool) -> Tensor:
    """The boolean mask after an update: 0 below 0.9 t, 1 above 1.1 t, as in `mask` between.

    `closed` says which side a weight at a threshold is on: above, as in the paper, or below.
    """
    size, low, high = weight.abs(), BELOW * t, ABOVE * t
    if closed:
        return (mask & (size >= low)) | (size >= high)
    return (mask & (size > low)) | (size > high)
