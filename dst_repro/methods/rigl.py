"""RigL: drop by magnitude, grow by the gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from dst_repro.methods.drop_and_grow import DropAndGrow, DropAndGrowParams, Timing
from dst_repro.registry import methods
from dst_repro.sparsity.growth import GrowBy


class RigLParams(DropAndGrowParams):
    timing: Timing = "instead-of-step"
    grow: GrowBy = "gradient"


@methods.register("rigl", RigLParams, density=True)
class RigL(DropAndGrow):
    """RigL: drops by magnitude, grows by the gradient (Evci et al. 2020, algorithm 1)

    Every update drops the int(rho_t * active) smallest magnitudes of a layer and grows as many where the dense gradient
    of the current batch is largest; it takes the place of the weight step. On a weight that is dropped and grown again
    the paper is silent; it keeps its value, as in the authors' code, which initialises weights only where the mask was
    0 (google-research/rigl, issue 5). `fidelity: released` is that code where it differs: noise of 1e-5 on the drop
    score.
    """

    def drop_score(self, name: str, step: int) -> Tensor:
        score = super().drop_score(name, step)
        if self.context.config.fidelity == "paper":
            return score
        noise = torch.randn(score.shape, generator=self.context.rng("noise", step, name)).mul_(1e-5)
        return score + noise.to(score.device)
