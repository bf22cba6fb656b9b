"""Gradual magnitude pruning on a cubic schedule."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.methods.masked import Masked
from dst_repro.registry import methods
from dst_repro.sparsity.pruning import PruneParams, keep_highest, prunable
from dst_repro.sparsity.schedule import cubic_sparsity


class GMPParams(PruneParams):
    begin: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the training before the first pruning."""
    end: Annotated[float, Field(gt=0, le=1)] = 0.75
    """Share of the training after which the network has its final density."""
    update_period: Annotated[int, Field(ge=1)] = 100
    """Steps between two prunings."""


@methods.register("gmp", GMPParams, density=True)
class GMP(Masked):
    """GMP: gradual magnitude pruning (Zhu and Gupta 2017)

    Starts dense. Every `update_period` steps the smallest magnitudes are pruned to the sparsity
    s_f - s_f * (1 - (t - t_0) / (t_1 - t_0))^3; the last pruning, at `end` but before the training's last
    step if it has several, reaches the density exactly. Where `begin` is `end`, it is the only one.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self.begin = context.fraction(params.begin)
        self.end = max(1, min(context.fraction(params.end), context.total_steps - 1))
        if params.begin > params.end:
            raise ConfigError(f"must be `end`, {params.end:g}, or less, not {params.begin:g}", "method_params.begin")
        moment = context.config.begin_at or {}
        first = moment.get("step", moment.get("epoch", 0) * context.steps_per_epoch)
        if first >= self.end:
            last = f"the last pruning comes after step {self.end}, see `method_params.end`"
            raise ConfigError(f"{last}; the training must begin before, not at step {first}", "begin_at")

    def initial_masks(self) -> dict[str, Tensor]:
        return self.full_masks()

    def after_step(self, step: int) -> None:
        done = step + 1
        if done == self.end:
            self.prune(self.context.density)  # not 1 - sparsity, whose rounding can cost a weight
        elif self.begin <= done < self.end and (done - self.begin) % self.params.update_period == 0:
            density = 1 - cubic_sparsity(1 - self.context.density, done, self.begin, self.end)
            self.prune(max(density, self.context.density))  # rounding can take it below

    @torch.no_grad()
    def prune(self, density: float) -> None:
        """Keep the largest magnitudes among the weights that are still active."""
        size = {name: self.modules[name].weight.abs() for name in prunable(self.modules, self.params)}
        kept = keep_highest(size, self._masks, density, self.params.scope, final=self.context.density)
        self.set_masks(self._masks | kept)
