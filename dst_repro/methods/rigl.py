"""RigL: drop by magnitude, grow by the gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from dst_repro.methods.drop_and_grow import DropAndGrow, DropAndGrowParams
from dst_repro.registry import methods
from dst_repro.sparsity.masks import highest, lowest


@methods.register("rigl", DropAndGrowParams, density=True)
class RigL(DropAndGrow):
    """RigL (Evci et al. 2020, algorithm 1)

    Every update drops the int(rho_t * active) smallest magnitudes of a layer and grows as many where the dense gradient
    of the current batch is largest; it takes the place of the weight step. `fidelity: released` follows the authors'
    code where it differs: noise of 1e-5 on the drop score, and a weight that is grown as soon as dropped goes on.
    """

    def after_backward(self, step: int) -> bool:
        if not self.due(step):
            return super().after_backward(step)
        self.update(step)
        return True

    def drop(self, name: str, mask: Tensor, rate: float, step: int) -> Tensor:
        if self.context.config.fidelity == "paper":
            return super().drop(name, mask, rate, step)
        weight = self.modules[name].weight
        noise = torch.randn(weight.shape, generator=self.context.rng("noise", step, name)).mul_(1e-5)
        return lowest(weight.abs() + noise.to(weight.device), mask, int(rate * int(mask.sum())))

    def grow(self, name: str, inactive: Tensor, n: int, step: int) -> Tensor:
        return highest(self.gradient(name).abs(), inactive, n)
