"""A random mask that never changes."""

from __future__ import annotations

from torch import Tensor

from dst_repro.methods.masked import Masked
from dst_repro.registry import methods
from dst_repro.sparsity.criteria import pooled
from dst_repro.sparsity.masks import random_among
from dst_repro.sparsity.pruning import LayerParams, Scope, prunable


class StaticParams(LayerParams):
    distribution: Scope = "erk"
    """How the density is shared among layers; `global` draws from all weights of the network at once."""


@methods.register("static", StaticParams, density=True)
class Static(Masked):
    """static: a random mask with exact counts (Liu et al. 2022, "The unreasonable effectiveness of random pruning")"""

    def initial_masks(self) -> dict[str, Tensor]:
        masks, names = self.full_masks(), prunable(self.modules, self.params)
        if self.params.distribution != "global":
            return masks | self.random_masks(self.context.density, self.params.distribution, names)
        part = {name: masks[name] for name in names}
        kept = round(self.context.density * sum(mask.numel() for mask in part.values()))
        rng = self.context.rng("initial")
        return masks | pooled(lambda _, among: random_among(among, kept, rng), part, part)
