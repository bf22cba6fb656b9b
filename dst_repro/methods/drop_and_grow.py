"""Drop-and-grow training: every `update_period` steps some active weights are dropped and as many are grown.

A method is a point in the space of `DropAndGrowParams`: when, how much, by which score, among which weights, and which
layers get what was freed.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.methods.masked import Masked
from dst_repro.registry import Params
from dst_repro.sparsity.apportion import Excess, apportion
from dst_repro.sparsity.criteria import DROP, GROW, Count, DropBy, GrowBy, pooled
from dst_repro.sparsity.distribution import Distribution
from dst_repro.sparsity.redistribution import SHARES, Redistribution
from dst_repro.sparsity.schedule import DECAYS, Decay

Period = Annotated[int, Field(ge=1)] | Literal["epoch"]
Timing = Literal["before-step", "instead-of-step", "after-step"]
TrainingShare = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(ge=0, le=1)]
Momentum = Literal["masked", "dense"]


class DropAndGrowParams(Params):
    distribution: Distribution = "erk"
    """How the density is shared among layers."""
    update_period: Period = 100
    """Steps between updates of the mask."""
    update_end: TrainingShare = 0.75
    """Share of the training after which the mask is final."""
    timing: Timing = "after-step"
    """Where in a training step an update comes: before or after the weight step, or in its place."""
    prune_rate: Rate = 0.3
    """Share of the active weights that the first update drops."""
    decay: Decay = "cosine"
    drop: DropBy = "magnitude"
    """By which score weights are dropped, the lowest first."""
    scope: Literal["layer", "global"] = "layer"
    """Whether the weights of a layer compete for being dropped, or those of the whole network."""
    grow: GrowBy = "random"
    """Where weights are grown: anywhere, or where a score is highest."""
    redistribution: Redistribution = "none"
    """Which layers regrow what was dropped: each its own, or all by a share."""
    momentum: Momentum = "masked"
    """Whether pruned weights have momentum: none, or that of their dense gradients."""


class LayerView:
    """A layer as the criteria of an update read it (`sparsity.criteria.View`)."""

    def __init__(self, method: DropAndGrow, name: str, use: str, step: int) -> None:
        self._method, self._name, self._use, self._step = method, name, use, step

    @property
    def weight(self) -> Tensor:
        return self._method.modules[self._name].weight

    @property
    def gradient(self) -> Tensor:
        return self._method.gradient(self._name)

    @property
    def momentum(self) -> Tensor:
        return self._method.momentum(self._name)

    @property
    def rng(self) -> torch.Generator:
        return self._method.context.rng(self._use, self._step, self._name)


class DropAndGrow(Masked):
    """What drop-and-grow methods share. The number of active weights never changes."""

    excess: Excess = "proportional"  # who gets what a full layer cannot take

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self._dense: dict[str, Tensor] = {}  # gradients as they were before they were masked
        if params.grow == "momentum" and params.momentum == "masked":
            raise ConfigError("growth by momentum needs `momentum: dense`", "method_params.momentum")

    def bind(self, optimizer: torch.optim.Optimizer) -> None:
        super().bind(optimizer)
        used = "momentum" in (self.params.grow, self.params.redistribution)
        if used and any(group.get("momentum") == 0 for group in optimizer.param_groups):
            raise ConfigError(f"{self.context.config.method} needs a momentum above 0", "optimizer_params.momentum")

    def initial_masks(self) -> dict[str, Tensor]:
        return self.random_masks(self.context.density, self.params.distribution)

    # When

    @property
    def period(self) -> int:
        given = self.params.update_period
        return self.context.steps_per_epoch if given == "epoch" else int(given)

    def due(self, steps_done: int) -> bool:
        """Whether the mask is updated once `steps_done` steps have been taken: at no step before the first or after the
        last, and while t < T_end (Evci et al. 2020, algorithm 1).
        """
        return 0 < steps_done < self.context.fraction(self.params.update_end) and steps_done % self.period == 0

    def after_backward(self, step: int) -> bool:
        timing, dense = self.params.timing, {}
        if timing == "instead-of-step" and self.due(step):
            self.update(step)
            return True
        if timing == "before-step" and self.due(step + 1):
            self.update(step + 1)
        if timing == "after-step" and self.due(step + 1):
            dense = {name: self.gradient(name).clone() for name in self._masks}
        if self.params.momentum == "masked":
            self.mask_gradients()
        self._dense = dense
        return False

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        if self.params.momentum == "dense":
            torch._foreach_mul_([self.modules[name].weight for name in self._masks], self._factors)
        if self.params.timing == "after-step" and self.due(step + 1):
            self.update(step + 1)
        self._dense = {}

    # How much

    def rate(self, steps_done: int) -> float:
        """The prune rate rho_t."""
        end = max(1, self.context.fraction(self.params.update_end))
        return DECAYS[self.params.decay](self.params.prune_rate, steps_done, end)

    def layer_rate(self, name: str, rate: float) -> float:
        """The prune rate of a layer whose weights compete among themselves."""
        return rate

    def rounded(self, number: float) -> int:
        """How many weights to drop."""
        return math.floor(number)

    def _count(self, rate: float) -> Count:
        return lambda active: self.rounded(rate * active)

    # Which

    def gradient(self, name: str) -> Tensor:
        """The dense gradient of a layer's weight, whenever an update reads it."""
        return self._dense[name] if name in self._dense else super().gradient(name)

    def momentum(self, name: str) -> Tensor:
        """The smoothed gradient of a layer's weight: of SGD the momentum buffer, of Adam the first moment."""
        state = self._optimizer.state[self.modules[name].weight] if self._optimizer else {}
        found = state.get("momentum_buffer", state.get("exp_avg"))
        if not isinstance(found, Tensor):
            raise RuntimeError(f"layer '{name}' has no momentum before the first step")
        return found

    def drop_score(self, name: str, step: int) -> Tensor:
        """The lowest are dropped."""
        return DROP[self.params.drop].score(LayerView(self, name, "drop", step))

    def drop(self, rate: float, step: int) -> dict[str, Tensor]:
        """Layer -> boolean mask of the active weights to drop, for every layer that takes part."""
        # a dense layer has nowhere to grow, unless it may give its weights away
        names = [n for n, mask in self._masks.items() if self.params.redistribution != "none" or not mask.all()]
        select = DROP[self.params.drop].select
        scores = {name: self.drop_score(name, step) for name in names}
        if self.params.scope == "global" and names:
            return pooled(lambda score, among: select(score, among, self._count(rate)), scores, self._masks)
        counts = {name: self._count(self.layer_rate(name, rate)) for name in names}
        return {name: select(scores[name], self._masks[name], counts[name]) for name in names}

    def grow(self, name: str, free: Tensor, n: int, step: int) -> Tensor:
        """Boolean mask of `n` of the free positions to activate."""
        return GROW[self.params.grow](LayerView(self, name, "grow", step), free, n)

    def share(self, name: str, kept: Tensor, step: int) -> float:
        """A layer's share of what is redistributed, not normalised; `kept` is its mask after the drop."""
        return SHARES[self.params.redistribution](LayerView(self, name, "share", step), self._masks[name], kept)

    def free(self, dropped: dict[str, Tensor]) -> dict[str, Tensor]:
        """Layer -> boolean mask of the positions that may be grown: the inactive ones, just dropped ones among them."""
        return {name: ~self._masks[name] | mask for name, mask in dropped.items()}

    def regrowth(self, dropped: dict[str, Tensor], free: dict[str, Tensor], step: int) -> dict[str, int]:
        """Layer -> how many weights to grow where it is `free`. They add up to the number of dropped ones."""
        numbers = {name: int(mask.sum()) for name, mask in dropped.items()}
        if self.params.redistribution == "none":
            return numbers
        shares = {name: self.share(name, self._masks[name] & ~mask, step) for name, mask in dropped.items()}
        room = {name: int(mask.sum()) for name, mask in free.items()}
        return apportion(sum(numbers.values()), shares, room, self.excess)

    @torch.no_grad()
    def update(self, steps_done: int) -> None:
        """Drop and grow; grown weights start at zero.

        `fidelity: released` lets a weight that is dropped and grown in the same update keep its value and its state.
        """
        dropped = self.drop(self.rate(steps_done), steps_done)
        free = self.free(dropped)
        numbers = self.regrowth(dropped, free, steps_done)
        masks, restart = dict(self._masks), {n: torch.zeros_like(m) for n, m in self._masks.items()}
        for name, n in numbers.items():
            grown = self.grow(name, free[name], n, steps_done)
            masks[name] = self._masks[name] & ~dropped[name] | grown
            restart[name] = grown & ~dropped[name] if self.context.config.fidelity == "released" else grown
        self.set_masks(masks, restart)

    def _clear_state(self, weight: Tensor, keep: Tensor) -> None:
        if self.params.momentum == "masked":
            super()._clear_state(weight, keep)
