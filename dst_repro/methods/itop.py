"""In-time over-parameterisation: SET and RigL with updates so rare that each explored weight is trained."""

from __future__ import annotations

from dst_repro.methods.drop_and_grow import DropAndGrowParams, Period, Rate, TrainingShare
from dst_repro.methods.sparse_learning import SparseLearning
from dst_repro.registry import methods
from dst_repro.sparsity.growth import GrowBy
from dst_repro.sparsity.schedule import Decay


class SETITOPParams(DropAndGrowParams):
    update_period: Period = 1500
    update_end: TrainingShare = 1.0
    prune_rate: Rate = 0.5
    decay: Decay = "cosine-floor"


class RigLITOPParams(SETITOPParams):
    update_period: Period = 4000
    grow: GrowBy = "gradient"


@methods.register("itop-set", SETITOPParams, density=True)
class SETITOP(SparseLearning):
    """SET-ITOP: in-time over-parameterisation with random growth (Liu et al. 2021)

    Drops by magnitude and grows at random, so seldom that new weights have time to grow. Its measure, the share of all
    weights that have ever been active, is `explored` over a layer's size, here as in every drop-and-grow method.
    `grow: random-unfired` prefers weights that have never been active. Settings are those of the authors' CIFAR code,
    which applies masks once, after drop and growth, so that a weight that is dropped and grown again keeps its value.

    `fidelity: released`: initial masks and random growth by chance, numbers rounded up, and an update after the last
    step, too. What that code does with ties is not offered.
    """


@methods.register("itop-rigl", RigLITOPParams, density=True)
class RigLITOP(SETITOP):
    """RigL-ITOP: in-time over-parameterisation with growth by gradients (Liu et al. 2021)

    SET-ITOP that grows where the gradient of the current batch is largest, with updates rarer still; unlike in RigL,
    the weight step is taken before an update.
    """
