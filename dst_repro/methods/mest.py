"""MEST: drop by magnitude and gradient, from an elastic number of weights."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.methods.drop_and_grow import DropAndGrow, DropAndGrowParams, Period, Rate, TrainingShare
from dst_repro.registry import methods
from dst_repro.sparsity.axes import Regrown
from dst_repro.sparsity.criteria import DropBy, criterion
from dst_repro.sparsity.distribution import Distribution, counts
from dst_repro.sparsity.masks import highest
from dst_repro.sparsity.selection import lowest_of_all


class MESTParams(DropAndGrowParams):
    distribution: Distribution = "uniform"
    update_period: Period = "epoch"
    epochs_between: Annotated[int, Field(ge=1)] = 5
    """Epochs between updates, where `update_period` counts in epochs."""
    update_end: TrainingShare = 1.0
    prune_rate: Rate = 0.2
    """How far below its target density the first updates prune, as a share of it."""
    excess_rate: Annotated[float, Field(ge=0)] = 0.0
    """How far above its target density the first updates grow, as a share of it (the soft memory bound)."""
    stages: Annotated[tuple[TrainingShare, ...], Field(strict=False, min_length=1)] = (0.5625, 0.75)
    """Shares of the training from which on both rates are smaller, in equal parts; from the last one on they are 0."""
    decay: Literal["stages"] = "stages"  # type: ignore[assignment]  # the one thing that it can be here
    drop: DropBy = "mest"
    scope: Literal["layer"] = "layer"
    redistribution: Literal["none"] = "none"
    regrown: Regrown = "zero"


@methods.register("mest", MESTParams, density=True)
class MEST(DropAndGrow):
    """MEST: memory-economic sparse training (Yuan et al. 2021)

    Every five epochs each layer is pruned by abs(w) + gamma * abs(g) and grows at random, from zero, also where one was
    just dropped: the paper is silent on it, and the authors' code zeroes what it prunes before it grows. Elastic
    mutation (EM): pruned below the target density by 20, then 10, then 0 % of it, and grown back to it. With the soft
    memory bound (EM&S, `prune_rate: 0.0, excess_rate: 0.5`): pruned to the target density, and grown above it by 50,
    then 25, then 0 %, with which the last updates end at it; without an update in the last stage it is refused. Stages
    and rates are those of the authors' scripts for 90 %, there given as sparsities; EM&S starts at the target density
    here. Weights are masked one by one: their patterns, blocks and channels are not here, nor is training on less data.

    `fidelity: released` is their code as its scripts run it: gamma is 0, so that the score is the magnitude, and the
    initial mask keeps each layer's largest initial weights.
    """

    def __init__(self, params: Any, context: Context) -> None:
        released = context.config.fidelity == "released"
        super().__init__(params.model_copy(update={"gamma": 0.0}) if released else params, context)
        self._target: dict[str, int] = {}
        if params.excess_rate > 0:
            self._check_end()

    def _check_end(self) -> None:
        """An excess has an end: an update of the last stage, by a criterion that drops as many as it is told."""
        if criterion(self.params.drop).select is not lowest_of_all:
            raise ConfigError("counts each sign by itself, which ends no excess exactly", "method_params.drop")
        if all(self._left(done) > 0 for done in self.updates()):
            last = self.context.fraction(max(self.params.stages))
            message = f"no update ends the excess at the last stage, from step {last}: {self.rhythm}"
            raise ConfigError(message, "method_params.update_period")

    def initial_masks(self) -> dict[str, Tensor]:
        weights = {name: module.weight.detach() for name, module in self.modules.items()}
        shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
        self._target = counts(shapes, self.context.density, self.params.distribution)
        if not self.released:
            return super().initial_masks()
        everywhere = {name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()}
        return {name: highest(w.abs(), everywhere[name], self._target[name]) for name, w in weights.items()}

    @property
    def period(self) -> int:
        return super().period * (self.params.epochs_between if self.params.update_period == "epoch" else 1)

    def rate(self, steps_done: int) -> float:
        return float(self.params.prune_rate) * self._left(steps_done)

    def _left(self, steps_done: int) -> float:
        """1 in the first stage, falling to 0 in the last one."""
        stages = self.params.stages
        return 1 - sum(steps_done >= self.context.fraction(share) for share in stages) / len(stages)

    def layer_rate(self, name: str, rate: float) -> float:
        active = int(self._masks[name].sum())
        return max(0.0, 1 - (1 - rate) * self._target[name] / max(1, active))

    def rounded(self, number: float) -> int:
        return round(number)

    def takes_part(self, name: str) -> bool:
        return self._target[name] < self._masks[name].numel()

    def regrowth(self, dropped: dict[str, Tensor], free: dict[str, Tensor], step: int) -> dict[str, int]:
        more = 1 + self.params.excess_rate * self._left(step)
        kept = {name: int((self._masks[name] & ~mask).sum()) for name, mask in dropped.items()}
        wanted = {name: min(round(more * self._target[name]), mask.numel()) for name, mask in dropped.items()}
        return {name: max(0, wanted[name] - kept[name]) for name in dropped}
