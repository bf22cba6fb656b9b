"""GraNet: gradual magnitude pruning while RigL's updates rewire what is left."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.methods.drop_and_grow import DropAndGrowParams, Period, Rate, TrainingShare
from dst_repro.methods.sparse_learning import SparseLearning
from dst_repro.registry import methods
from dst_repro.sparsity.growth import GrowBy
from dst_repro.sparsity.pruning import keep_highest
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
    """GraNet: gradual pruning with zero-cost neuroregeneration (Liu et al. 2021, arXiv 2106.10404)

    Every update up to `end` first prunes the smallest magnitudes of all layers together to the density
    d_f + (d_i - d_f) * (1 - (i - i_0) / n)^3, i counted in updates; the last of them, and if none falls before `end`
    the first after it, reaches the target exactly; where there is neither, the run is refused. Then, to the end of the
    training, each layer drops its smallest magnitudes at rate rho_t and grows as many where gradients are largest. A
    network that starts sparse starts as ERK. A weight that is dropped and grown again keeps its value, as in the
    authors' code, which applies masks after drop and growth; one that was pruned in the same update starts at zero.

    `fidelity: released`: the initial mask (and growth, if random) by chance, numbers to regenerate rounded up, and an
    update after the last step, too. That code leaves out the last pruning, a fraction n^-3 of the whole, which is here.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        if params.initial_density < context.density:
            raise ConfigError(f"must be the density, {context.density}, or more", "method_params.initial_density")
        if params.begin > params.end:
            raise ConfigError(f"must not come after `end`, {params.end}", "method_params.begin")
        self.first, self.last = (context.fraction(share) // self.period for share in (params.begin, params.end))
        reaching = (done for done in self.updates() if done // self.period >= self.last)
        self.last_pruning = next(reaching, 0)
        """The number of steps after which the target is reached."""
        if not self.last_pruning:
            message = f"no update for the last pruning, at step {self.last * self.period} or later: {self.rhythm}"
            raise ConfigError(message, "method_params.update_period")

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
        if steps_done <= self.last_pruning:
            self._prune(self.density(steps_done))
        super().update(steps_done)

    def _prune(self, density: float) -> None:
        """All layers together, unless the network is as sparse already."""
        layers = self.layers().values()
        if sum(layer.kept for layer in layers) > round(density * sum(layer.numel for layer in layers)):
            sizes = {name: self.modules[name].weight.abs() for name in self._masks}
            self.set_masks(keep_highest(sizes, self._masks, density, "global"))
            self._variance = 0.0
