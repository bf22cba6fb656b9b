"""Drop-and-grow training: every `update_period` steps some active weights are dropped and as many are grown.

A method is a point in the space of `DropAndGrowParams`: when, how much, by which score, among which weights, and which
layers get what was freed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.methods.scored import LayerView, Scored
from dst_repro.sparsity.apportion import Excess, apportion
from dst_repro.sparsity.axes import DropAndGrowParams, Momentum, Period, Rate, Timing, TrainingShare
from dst_repro.sparsity.growth import growth
from dst_repro.sparsity.redistribution import SHARES
from dst_repro.sparsity.schedule import DECAYS
from dst_repro.sparsity.zeroing import zero_pruned

__all__ = ["DropAndGrow", "DropAndGrowParams", "Momentum", "Period", "Rate", "Timing", "TrainingShare"]


class DropAndGrow(Scored):
    """What drop-and-grow methods share. The number of active weights never changes.

    Raises ConfigError for a training without any update, which would be that of a static mask.
    """

    excess: Excess = "proportional"  # who gets what a full layer cannot take

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self.released = context.config.fidelity == "released"
        if params.grow == "momentum" and params.momentum == "masked":
            raise ConfigError("growth by momentum needs `momentum: dense`", "method_params.momentum")
        if params.gradient_batches > self.period:
            raise ConfigError(f"an update comes every {self.period} steps", "method_params.gradient_batches")
        first = next(self.updates(), None)
        if first is None:
            raise ConfigError(f"leaves no update: {self.rhythm}", "method_params.update_period")
        early = params.timing != "after-step" and first == self.steps[0]
        if early and "momentum" in (params.grow, params.redistribution):
            message = f"the first update comes before the first step, when there is no momentum: {self.rhythm}"
            raise ConfigError(message, "method_params.update_period")

    @property
    def initial_density(self) -> float:
        return self.context.density

    def initial_masks(self) -> dict[str, Tensor]:
        return self.random_masks(self.initial_density, self.params.distribution)

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

    @property
    def steps(self) -> range:
        """By the steps taken, when the training could have an update."""
        begin_at = self.context.config.begin_at or {}
        begin = begin_at.get("step", begin_at.get("epoch", 0) * self.context.steps_per_epoch)
        late = self.params.timing != "instead-of-step"
        return range(begin + late, self.context.total_steps + late)

    def updates(self) -> Iterator[int]:
        """By the steps taken, when the training has an update, in turn."""
        return filter(self.due, self.steps)

    @property
    def rhythm(self) -> str:
        """When updates come, for messages."""
        end = self.context.fraction(self.params.update_end)
        return f"the period is {self.period} of {self.context.total_steps} steps, and updates end at step {end}"

    @torch.no_grad()
    def after_backward(self, step: int) -> bool:
        timing = self.params.timing
        done = step if timing == "instead-of-step" else step + 1
        due = self.due(done)
        self._observe(done)
        dense: dict[str, Tensor] = {}
        if due and self.params.gradient_batches > 1:
            dense = self.memory.mean_gradients()
        elif due and timing == "after-step":
            dense = {name: self.gradient(name).clone() for name in self._masks}
        if due and timing != "after-step":
            self._dense = dense
            self.update(done)
            self._dense = dense = {}
            if timing == "instead-of-step":
                return True
        if self.params.momentum == "masked":
            self.mask_gradients()
        self._dense = dense
        return False

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        if self.params.momentum == "dense":
            zero_pruned([self.modules[name].weight for name in self._masks], self._bits)
        if self.params.timing == "after-step" and self.due(step + 1):
            self.update(step + 1)
        self._dense = {}

    def _observe(self, done: int) -> None:
        """What criteria will ask about this step; nothing for most of them, and at most steps."""
        for slug in self.memory.smoothed:
            for name in self._masks:
                self.memory.average(slug, name, self.instant_score(slug, LayerView(self, name, slug, done)))
        batches = self.params.gradient_batches
        if batches > 1 and any(self.due(done + later) for later in range(batches)):
            self.memory.add(self._masks, self.gradient)

    # How much

    def rate(self, steps_done: int) -> float:
        """The prune rate rho_t."""
        end = max(1, self.context.fraction(self.params.update_end))
        return DECAYS[self.params.decay](self.params.prune_rate, steps_done, end)

    # Which

    def drop_score(self, name: str, step: int) -> Tensor:
        """The lowest are dropped."""
        return self.score(self.params.drop, name, "drop", step)

    def takes_part(self, name: str) -> bool:
        """A dense layer has nowhere to grow, unless it may give its weights away."""
        return self.params.redistribution != "none" or not bool(self._masks[name].all())

    def drop(self, rate: float, step: int) -> dict[str, Tensor]:
        """Layer -> boolean mask of the active weights to drop, for every layer that takes part."""
        scores = {name: self.drop_score(name, step) for name in self._masks if self.takes_part(name)}
        return self.select(self.params.drop, scores, rate)

    def grow(self, name: str, free: Tensor, n: int, step: int) -> Tensor:
        """Boolean mask of `n` of the free positions to activate."""
        return growth(self.params.grow)(LayerView(self, name, "grow", step), free, n)

    def share(self, name: str, kept: Tensor, step: int) -> float:
        """A layer's share of what is redistributed, not normalised; `kept` is its mask after the drop."""
        return SHARES[self.params.redistribution](LayerView(self, name, "share", step), self._masks[name], kept)

    def shares(self, kept: Mapping[str, Tensor], step: int) -> dict[str, float]:
        """Layer -> its share. Raises FloatingPointError where one is infinite or not a number."""
        found = {name: self.share(name, mask, step) for name, mask in kept.items()}
        broken = [name for name, share in found.items() if not math.isfinite(share)]
        if broken:
            message = f"shares of what is grown are not finite: {', '.join(broken)}"
            raise FloatingPointError(f"{message} (redistribution by {self.params.redistribution}, step {step})")
        return found

    def free(self, dropped: dict[str, Tensor]) -> dict[str, Tensor]:
        """Layer -> boolean mask of the positions that may be grown: the inactive ones, just dropped ones among them."""
        return {name: ~self._masks[name] | mask for name, mask in dropped.items()}

    def regrowth(self, dropped: dict[str, Tensor], free: dict[str, Tensor], step: int) -> dict[str, int]:
        """Layer -> how many weights to grow where it is `free`. They add up to the number of dropped ones."""
        numbers = {name: int(mask.sum()) for name, mask in dropped.items()}
        if self.params.redistribution == "none":
            return numbers
        shares = self.shares({name: self._masks[name] & ~mask for name, mask in dropped.items()}, step)
        room = {name: int(mask.sum()) for name, mask in free.items()}
        return apportion(sum(numbers.values()), shares, room, self.excess)

    def restarted(self, name: str, dropped: Tensor, grown: Tensor) -> Tensor:
        """Boolean mask of the grown weights that start at zero: all but those that were dropped and go on."""
        return grown & ~dropped if self.params.regrown == "keep" else grown

    @torch.no_grad()
    def update(self, steps_done: int) -> None:
        """Drop and grow; grown weights start at zero, but for those just dropped if `regrown` says so."""
        rate = self.rate(steps_done)
        self.compare(rate, steps_done)
        dropped = self.drop(rate, steps_done)
        free = self.free(dropped)
        numbers = self.regrowth(dropped, free, steps_done)
        masks, restart = dict(self._masks), {n: torch.zeros_like(m) for n, m in self._masks.items()}
        for name, n in numbers.items():
            grown = self.grow(name, free[name], n, steps_done)
            masks[name] = self._masks[name] & ~dropped[name] | grown
            restart[name] = self.restarted(name, dropped[name], grown)
        self.set_masks(masks, restart)
        self.exploration.add(masks)
        self._remember()

    def _clear_state(self, weight: Tensor, keep: Tensor) -> None:
        if self.params.momentum == "masked":
            super()._clear_state(weight, keep)
