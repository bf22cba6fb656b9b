"""The axes of drop-and-grow training, as they stand in YAML: when, how much, by which score, among which weights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dst_repro.registry import Params
from dst_repro.sparsity.criteria import DropBy
from dst_repro.sparsity.distribution import Distribution
from dst_repro.sparsity.growth import GrowBy
from dst_repro.sparsity.redistribution import Redistribution
from dst_repro.sparsity.schedule import Decay

Period = Annotated[int, Field(ge=1)] | Literal["epoch"]
Timing = Literal["before-step", "instead-of-step", "after-step"]
TrainingShare = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(ge=0, le=1)]
Momentum = Literal["masked", "dense"]
Regrown = Literal["keep", "zero"]


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
    """How that share falls over the training."""
    drop: DropBy = "magnitude"
    """By which score weights are dropped, the lowest first."""
    gamma: Annotated[float, Field(ge=0)] = 1.0
    """What a gradient counts beside a weight, in the scores that add them."""
    beta: Rate = 0.9
    """What the past counts in running averages of scores: s = beta * s + (1 - beta) * x at every step."""
    gradient_batches: Annotated[int, Field(ge=1)] = 1
    """The gradient that an update reads is the mean over so many of the latest mini-batches."""
    scope: Literal["layer", "global"] = "layer"
    """Whether the weights of a layer compete for being dropped, or those of the whole network."""
    grow: GrowBy = "random"
    """Where weights are grown: anywhere, or where a score is highest."""
    redistribution: Redistribution = "none"
    """Which layers regrow what was dropped: each its own, or all by a share."""
    regrown: Regrown = "keep"
    """What becomes of a weight that an update drops and grows again: it keeps its value and its optimiser state, or
    starts at zero, as other grown weights do."""
    momentum: Momentum = "masked"
    """Whether pruned weights have momentum: none, or that of their dense gradients."""
    compare: Annotated[tuple[DropBy, ...], Field(strict=False)] = ()
    """Criteria whose choices at every update are compared, without a part in the training."""
