"""Which layers get the weights that an update has freed: each layer's share, from what it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from dst_repro.sparsity.view import View

Redistribution = Literal["none", "nonzeros", "survivors", "magnitude", "gradient", "momentum"]

Share = Callable[[View, Tensor, Tensor], float]
"""(layer, mask before the drop, mask after it) -> the layer's share, not normalised."""


def nonzeros(layer: View, active: Tensor, kept: Tensor) -> float:
    """How many weights were active before the drop."""
    return float(active.sum())


def survivors(layer: View, active: Tensor, kept: Tensor) -> float:
    """How many weights the drop has left (Mostafa and Wang 2019)."""
    return float(kept.sum())


def mean(size: Callable[[View], Tensor]) -> Share:
    """The mean size of the weights that were active before the drop; 0 if there were none."""

    def share(layer: View, active: Tensor, kept: Tensor) -> float:
        return float(size(layer).mul(active).sum(dtype=torch.float64)) / max(1, int(active.sum()))

    return share


SHARES: dict[str, Share] = {
    "nonzeros": nonzeros,
    "survivors": survivors,
    "magnitude": mean(lambda layer: layer.weight.abs()),
    "gradient": mean(lambda layer: layer.gradient.abs()),
    "momentum": mean(lambda layer: layer.momentum.abs()),
}
"""By name. "none" is missing here: each layer regrows what it lost."""
