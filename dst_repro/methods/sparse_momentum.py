"""Sparse momentum: drop by magnitude, redistribute among layers and grow by the optimiser's momentum."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dst_repro.methods.base import Context
from dst_repro.methods.drop_and_grow import DropAndGrow, DropAndGrowParams, Momentum, Period, Rate, TrainingShare
from dst_repro.registry import methods
from dst_repro.sparsity.apportion import Excess
from dst_repro.sparsity.distribution import Distribution
from dst_repro.sparsity.growth import GrowBy
from dst_repro.sparsity.redistribution import Redistribution
from dst_repro.sparsity.schedule import DECAYS

NEARLY_FULL = 0.2  # sparsity below which a layer with more than its share of the momentum is spared


class SparseMomentumParams(DropAndGrowParams):
    distribution: Distribution = "uniform"
    update_period: Period = "epoch"
    update_end: TrainingShare = 1.0
    prune_rate: Rate = 0.5
    grow: GrowBy = "momentum"
    redistribution: Redistribution = "momentum"
    momentum: Momentum = "dense"


@methods.register("sparse-momentum", SparseMomentumParams, density=True)
class SparseMomentum(DropAndGrow):
    """Sparse momentum (Dettmers and Zettlemoyer 2019, algorithm 1)

    After every epoch but the last, each layer drops ceil(p * active) of its smallest magnitudes. All layers together
    regrow as many, each in proportion to the mean size of the momentum of its weights before the drop, where the
    momentum of its missing weights is largest: gradients are never masked, weights after every step. What a full layer
    cannot take goes to the others in equal parts. A layer with sparsity s < 0.2 and more than its share of the momentum
    drops at rate min(p, s). p falls to zero on a cosine.

    The bound of 0.2, the rounding and p = 0.5 are taken from the authors' code. A regrown weight starts at zero and
    keeps its momentum. `fidelity: released` follows that code where it differs from the above: p ends at 0.005; numbers
    to grow are rounded up, bounded by 99 % of a layer's room, the excess spread over full layers too, then rounded
    down, so that the total strays by some weights, which later updates make up for; a weight that is grown as soon as
    dropped goes on; Adam's first moment is divided by the root of the second. Its initial masks, drawn weight by
    weight, have exact counts here.
    """

    excess: Excess = "equal"

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self.released = context.config.fidelity == "released"
        self._shares: dict[str, float] = {}
        self._adjustment = 0.0
        self._residuals: list[float] = []

    def rate(self, steps_done: int) -> float:
        if self.released and self.params.decay == "cosine":
            end = max(1, self.context.fraction(self.params.update_end))
            return DECAYS["cosine-floor"](self.params.prune_rate, steps_done, end)
        return super().rate(steps_done)

    def rounded(self, number: float) -> int:
        return math.ceil(number)

    def layer_rate(self, name: str, rate: float) -> float:
        mask, shares = self._masks[name], self._shares
        sparsity = int((~mask).sum()) / mask.numel()
        spared = sparsity < NEARLY_FULL and bool(shares) and shares[name] > sum(shares.values()) / len(shares)
        return min(rate, sparsity) if spared else rate

    def momentum(self, name: str) -> Tensor:
        found = super().momentum(name)
        state = self._optimizer.state[self.modules[name].weight] if self._optimizer else {}
        return found / (state["exp_avg_sq"].sqrt() + 1e-8) if self.released and "exp_avg_sq" in state else found

    def drop(self, rate: float, step: int) -> dict[str, Tensor]:
        if self.params.redistribution != "none":
            self._shares = {name: self.share(name, mask, step) for name, mask in self._masks.items()}
        return super().drop(rate, step)

    def regrowth(self, dropped: dict[str, Tensor], free: dict[str, Tensor], step: int) -> dict[str, int]:
        if not self.released or self.params.redistribution == "none":
            return super().regrowth(dropped, free, step)
        total = sum(int(mask.sum()) for mask in dropped.values()) + self._adjustment
        room = {name: int(mask.sum()) for name, mask in free.items()}
        numbers = released_regrowth(total, self._shares, room)
        size = sum(mask.numel() for mask in free.values())
        residual = self.context.density * size - (size - sum(room.values()) + sum(numbers.values()))
        self._residuals.append(residual)
        self._adjustment = 0.25 * self._adjustment + 0.75 * residual + statistics.fmean(self._residuals)
        return numbers

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"adjustment": self._adjustment, "residuals": list(self._residuals)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._adjustment, self._residuals = state["adjustment"], list(state["residuals"])


def released_regrowth(total: float, shares: Mapping[str, float], room: Mapping[str, int]) -> dict[str, int]:
    """Layer -> how many weights the authors' code grows there; about `total` in all (calc_growth_redistribution)."""
    scale = sum(shares.values()) or 1.0
    wanted: dict[str, float] = {name: math.ceil(shares[name] / scale * total) for name in room}
    for _ in range(1000):
        granted = {name: min(wanted[name], 0.99 * room[name]) for name in room}
        excess = sum(wanted.values()) - sum(granted.values())
        if excess <= 0:
            break
        wanted = {name: granted[name] + excess / len(room) for name in room}
    return {name: max(0, math.floor(granted[name])) for name in room}
