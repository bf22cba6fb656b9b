"""Sparse momentum: drop by magnitude, redistribute among layers and grow by the optimiser's momentum."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.methods.drop_and_grow import DropAndGrowParams, Momentum, Period, Rate, TrainingShare
from dst_repro.methods.sparse_learning import LibraryMomentum
from dst_repro.registry import methods
from dst_repro.sparsity.apportion import Excess
from dst_repro.sparsity.distribution import Distribution
from dst_repro.sparsity.growth import GrowBy
from dst_repro.sparsity.redistribution import Redistribution
from dst_repro.sparsity.schedule import DECAYS

NEARLY_FULL = 0.2  # sparsity below which a layer with more than its share of the momentum is spared
MOST = 0.99
"""Density up to which the released numbers can end near what is asked for."""
STRAY = 2.2  # weights a layer by which the released numbers may miss, see `SparseMomentum.wanted`


class SparseMomentumParams(DropAndGrowParams):
    distribution: Distribution = "uniform"
    update_period: Period = "epoch"
    update_end: TrainingShare = 1.0
    prune_rate: Rate = 0.5
    grow: GrowBy = "momentum"
    redistribution: Redistribution = "momentum"
    momentum: Momentum = "dense"


@methods.register("sparse-momentum", SparseMomentumParams, density=True)
class SparseMomentum(LibraryMomentum):
    """sparse momentum: grows where the smoothed gradient is largest (Dettmers and Zettlemoyer 2019, algorithm 1)

    After every epoch but the last, each layer drops ceil(p * active) of its smallest magnitudes. All layers together
    regrow as many, each in proportion to the mean size of the momentum of its weights before the drop, where the
    momentum of its missing weights is largest: gradients are never masked, weights after every step. What a full layer
    cannot take goes to the others in equal parts. A layer with sparsity s < 0.2 and more than its share of the momentum
    drops at rate min(p, s). p falls to zero on a cosine.

    The bound of 0.2, the rounding and p = 0.5 are taken from the authors' code, and so is what the paper does not say
    of a weight that is dropped and grown again: it keeps its value, since that code applies masks once, after drop and
    growth. Other grown weights start at zero, with the momentum that they have. `fidelity: released` follows that code
    where it differs from the above: p ends at 0.005; numbers to grow are rounded up, bounded by 99 % of a layer's room,
    the excess spread over full layers too, then rounded down, so that the total strays by some weights, which later
    updates make up for; Adam's first moment is divided by the root of the second. Its initial masks and its random
    growth, drawn weight by weight, have exact counts here.
    """

    excess: Excess = "equal"

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        if self.released and context.density > MOST:
            message = f"as released, growth is bounded by 99 % of a layer's room: at most {MOST}, not {context.density}"
            raise ConfigError(message, "density")
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

    def update(self, steps_done: int) -> None:
        if self.params.redistribution != "none":  # before the drop, and before criteria are compared
            self._shares = self.shares(self._masks, steps_done)
        super().update(steps_done)

    def regrowth(self, dropped: dict[str, Tensor], free: dict[str, Tensor], step: int) -> dict[str, int]:
        if not self.released or self.params.redistribution == "none":
            return super().regrowth(dropped, free, step)
        if not any(self._shares.values()):  # where that code divides by zero
            raise FloatingPointError(f"no layer has a share of what is grown: all momenta are zero (step {step})")
        total = sum(int(mask.sum()) for mask in dropped.values()) + self._adjustment
        room = {name: int(mask.sum()) for name, mask in free.items()}
        numbers = released_regrowth(total, self._shares, room)
        size = sum(mask.numel() for mask in free.values())
        residual = self.context.density * size - (size - sum(room.values()) + sum(numbers.values()))
        self._residuals.append(residual)
        self._adjustment = 0.25 * self._adjustment + 0.75 * residual + statistics.fmean(self._residuals)
        return numbers

    def wanted(self) -> range | None:
        """As many as asked for; released, within 2.2 weights a layer of it.

        Rounding up and down, an update grows T + e weights with |e| < L, the number of layers, where it should grow T,
        the number of dropped ones plus the adjustment a. What is missing then is r_t = r_(t-1) - a_(t-1) - e_t, and
        a_t = a_(t-1) / 4 + 3/4 r_t + mean(r_1 .. r_t). This is linear in e: of the worst signs of all e_t, |r| remains
        below 2.15 L, and the rounded target adds less than one.
        """
        exact = super().wanted()
        if exact is None or not self.released or self.params.redistribution == "none":
            return exact
        reach = math.ceil(STRAY * len(self.modules)) + 1
        numel = sum(module.weight.numel() for module in self.modules.values())
        return range(max(min(1, exact.start), exact.start - reach), min(numel, exact.start + reach) + 1)

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
