"""GraNet: gradual magnitude pruning while RigL's updates rewire what is left."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import torch
from pydantic import Field

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.methods.drop_and_grow import DropAndGrowParams, Period, Rate, TrainingShare
from dst_repro.methods.sparse_learning import SparseLearning
from dst_repro.registry import methods
from dst_repro.sparsity.criteria import pooled
from dst_repro.sparsity.growth import GrowBy
from dst_repro.sparsity.masks import highest
from dst_repro.sparsity.schedule import Decay, cubic_sparsity


class GraNetParams(DropAndGrowParams):
    initial_density: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The density at the start; 1 prunes a dense network."""
    begin: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the training before the first pruning."""
    end: TrainingShare = 0.5
    """Share of the training after which the network has its final density."""
    update_period: Period = 1000
    update_end: TrainingShare = 1.0
    prune_rate: Rate = 0.5
    decay: Decay = "cosine-floor"
    grow: GrowBy = "gradient"


@methods.register("granet", GraNetParams, density=True)
class GraNet(SparseLearning):
    """GraNet, gradual pruning with zero-cost neuroregeneration (Liu et al. 2021, arXiv 2106.10404)

    Every update up to `end` first prunes the smallest magnitudes of all layers together to the density
    d_f + (d_i - d_f) * (1 - (i - i_0) / n)^3, i counted in updates; the last of them, and if none falls before `end`
    the first after it, reaches the target exactly. Then, to the end of the training, each layer drops its smallest
    magnitudes at rate rho_t and grows as many where gradients are largest. A network that starts sparse starts as ERK.

    `fidelity: released`: the initial mask (and growth, if random) by chance, numbers to regenerate rounded up, an
    update after the last step, too, and a weight that is dropped and grown again keeps its value.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        if params.initial_density < context.density:
            raise ConfigError(f"must be the density, {context.density}, or more", "method_params.initial_density")
        self.first, self.last = (context.fraction(share) // self.period for share in (params.begin, params.end))

    @property
    def initial_density(self) -> float:
        return float(self.params.initial_density)

    def density(self, steps_done: int) -> float:
        """What a pruning after so many steps leaves."""
        number = steps_done // self.period
        if number >= self.last:
            return self.context.density  # not 1 - sparsity, whose rounding can cost a weight
        return 1 - cubic_sparsity(1 - self.context.density, number, self.first, self.last, 1 - self.initial_density)

    @torch.no_grad()
    def update(self, steps_done: int) -> None:
        total = round(self.density(steps_done) * sum(mask.numel() for mask in self._masks.values()))
        if sum(int(mask.sum()) for mask in self._masks.values()) > total:
            sizes = {name: self.modules[name].weight.abs() for name in self._masks}
            self.set_masks(pooled(functools.partial(highest, n=total), sizes, self._masks))
        super().update(steps_done)
