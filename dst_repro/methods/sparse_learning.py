"""What the released codes that descend from the library of sparse momentum have in common."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dst_repro.methods.drop_and_grow import DropAndGrow
from dst_repro.sparsity.distribution import densities
from dst_repro.sparsity.growth import by_chance


class SparseLearning(DropAndGrow):
    """Drop and grow; `fidelity: released` has numbers by chance, and updates to the very last step.

    Released: initial masks and random growth draw each position by itself, so that only the expected number is as asked
    for; numbers to drop are rounded up; an update may fall on the step at which updates end, the last one included.
    """

    def initial_masks(self) -> dict[str, Tensor]:
        if not self.released:
            return super().initial_masks()
        shapes = {name: tuple(module.weight.shape) for name, module in self.modules.items()}
        share = densities(shapes, self.initial_density, self.params.distribution)
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
            return by_chance(free, n, self.context.rng("grow", step, name))
        return super().grow(name, free, n, step)
