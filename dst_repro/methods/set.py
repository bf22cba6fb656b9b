"""SET: drop the weights closest to zero, each sign by its own count, and grow at random."""

from __future__ import annotations

import torch
from torch import Tensor

from dst_repro.methods.drop_and_grow import DropAndGrow, DropAndGrowParams, Period, TrainingShare
from dst_repro.registry import methods
from dst_repro.sparsity.axes import Regrown
from dst_repro.sparsity.criteria import DropBy
from dst_repro.sparsity.distribution import Distribution
from dst_repro.sparsity.schedule import Decay


class SETParams(DropAndGrowParams):
    distribution: Distribution = "er"
    update_period: Period = "epoch"
    update_end: TrainingShare = 1.0
    decay: Decay = "constant"
    drop: DropBy = "each-sign"
    regrown: Regrown = "zero"


@methods.register("set", SETParams, density=True)
class SET(DropAndGrow):
    """SET: sparse evolutionary training (Mocanu et al. 2018, algorithm 1)

    After every epoch but the last, the fraction zeta (`prune_rate`) of the positive weights closest to zero and the
    same fraction of the negative ones is dropped, and as many connections are drawn at random; the just dropped may
    return, at zero, as in the authors' Keras code (the paper is silent on it). A connection whose weight is exactly
    zero counts as absent, as in that code, and is drawn anew. What other papers' code calls SET drops by magnitude
    alone: `drop: magnitude`.
    `fidelity: released` also forgets all momentum at every update: their training loop builds a new optimiser.
    """

    @torch.no_grad()
    def update(self, steps_done: int) -> None:
        super().update(steps_done)
        if self.context.config.fidelity == "released" and self._optimizer is not None:
            for state in self._optimizer.state.values():
                for value in state.values():
                    if isinstance(value, Tensor):
                        value.zero_()
