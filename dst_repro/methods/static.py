"""A random mask that never changes."""

from __future__ import annotations

from torch import Tensor

from dst_repro.methods.masked import Masked
from dst_repro.registry import Params, methods
from dst_repro.sparsity.distribution import Distribution


class StaticParams(Params):
    distribution: Distribution = "erk"
    """How the density is shared among layers."""


@methods.register("static", StaticParams, density=True)
class Static(Masked):
    """Static random mask with exact counts (Liu et al. 2022, "The unreasonable effectiveness of random pruning")"""

    def initial_masks(self) -> dict[str, Tensor]:
        return self.random_masks(self.context.density, self.params.distribution)
