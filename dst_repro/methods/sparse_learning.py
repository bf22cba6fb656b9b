"""What the released codes that descend from the library of sparse momentum have in common."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from dst_repro.methods.base import Context
from dst_repro.methods.drop_and_grow import DropAndGrow
from dst_repro.sparsity.distribution import densities
from dst_repro.sparsity.growth import by_chance

DEVIATIONS = 6  # by how many standard deviations a number left to chance may end from what was asked for


class LibraryMomentum(DropAndGrow):
    """Momentum as that library reads it if `fidelity: released`: Adam's first moment over the root of the second."""

    def momentum(self, name: str) -> Tensor:
        found = super().momentum(name)
        state = self._optimizer.state[self.modules[name].weight] if self._optimizer else {}
        return found / (state["exp_avg_sq"].sqrt() + 1e-8) if self.released and "exp_avg_sq" in state else found


class SparseLearning(LibraryMomentum):
    """Drop and grow; `fidelity: released` has numbers by chance, and updates to the very last step.

    Released: initial masks and random growth draw each position by itself, so that only the expected number is as asked
    for; numbers to drop are rounded up; an update may fall on the step at which updates end, the last one included;
    momentum is the library's.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self._variance = 0.0  # of the number of active weights, from draws since it was last known exactly

    def initial_masks(self) -> dict[str, Tensor]:
        if not self.released:
            return super().initial_masks()
        shapes = {name: tuple(module.weight.shape) for name, module in self.modules.items()}
        share = densities(shapes, self.initial_density, self.params.distribution)
        self._variance = sum(math.prod(shape) * share[name] * (1 - share[name]) for name, shape in shapes.items())
        return {
            name: (torch.rand(shape, generator=self.context.rng("initial", name)) < share[name]).to(self.device(name))
            for name, shape in shapes.items()
        }

    def device(self, name: str) -> torch.device:
        return self.modules[name].weight.device

    def due(self, steps_done: int) -> bool:
        if not self.released:
            return super().due(steps_done)
        return 0 < steps_done <= self.context.fraction(self.params.update_end) and steps_done % self.period == 0

    def rounded(self, number: float) -> int:
        return math.ceil(number) if self.released else super().rounded(number)

    def grow(self, name: str, free: Tensor, n: int, step: int) -> Tensor:
        if self.released and self.params.grow == "random":
            self._variance += n * (1 - n / max(1, int(free.sum())))
            return by_chance(free, n, self.context.rng("grow", step, name))
        return super().grow(name, free, n, step)

    def wanted(self) -> range | None:
        """As many as asked for; where numbers are drawn, within six standard deviations of it.

        A mask drawn with p has variance p (1 - p) per weight, growth of n among F places n (1 - n / F). Neither changes
        what is expected, so that the variances of all draws add up.
        """
        exact = super().wanted()
        if exact is None or self._variance == 0:
            return exact
        numel = sum(module.weight.numel() for module in self.modules.values())
        reach = math.ceil(DEVIATIONS * math.sqrt(self._variance))
        return range(max(min(1, exact.start), exact.start - reach), min(numel, exact.start + reach) + 1)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"variance": self._variance}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._variance = state["variance"]
