"""Dynamic sparse reparameterisation: one adaptive threshold for all layers, random growth where weights survive."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor

from dst_repro.methods.base import Context
from dst_repro.methods.drop_and_grow import DropAndGrow, DropAndGrowParams, Rate, TrainingShare
from dst_repro.registry import methods
from dst_repro.sparsity.axes import Regrown
from dst_repro.sparsity.distribution import Distribution
from dst_repro.sparsity.masks import highest
from dst_repro.sparsity.schedule import Decay


class DSRParams(DropAndGrowParams):
    distribution: Distribution = "uniform"
    doublings: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(strict=False)] = (0.125, 0.4, 0.7)
    """Shares of the training from which on the update period is twice as long as before."""
    update_end: TrainingShare = 0.95
    prune_rate: Rate = 0.138
    """Share of the active weights that an update should drop: the paper's N_p over the number of active weights."""
    decay: Decay = "constant"
    drop: Literal["magnitude"] = "magnitude"
    regrown: Regrown = "zero"
    scope: Literal["global"] = "global"
    redistribution: Literal["survivors", "magnitude", "gradient", "momentum"] = "survivors"
    threshold: Annotated[float, Field(gt=0)] = 1.0e-3
    """The threshold H of the first update."""
    tolerance: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """The share by which an update may miss its number and leave H as it is."""


@methods.register("dsr", DSRParams, density=True)
class DSR(DropAndGrow):
    """DSR: dynamic sparse reparameterisation (Mostafa and Wang 2019)

    Every update drops all weights with |w| < H, but for the largest of a layer that would lose all, and grows as many
    at random, among the layers in proportion to the weights that each has left, and where none was just dropped, as
    far as there is such room; where there is too little, just dropped places are taken, too, from zero, since that code
    grows nothing there. H is halved if more than 1.1 N_p were dropped, doubled if fewer than 0.9 N_p.

    Rule and defaults are those of the authors' code for a Wide ResNet 28-2 with 10 % of its weights: N_p = 20,000 is
    13.8 % of them, and the period grows from 100 to 800 steps. `fidelity: released` differs in one thing only: an
    emptied layer keeps its first weight instead of its largest. Whatever the fidelity, that code differs in this: its
    updates come one step later, after 101 steps and so on; momentum is not cleared where a weight is dropped, but fades
    there, and what is left goes to the next weight grown at that place; N_p is a number, not a share; lots are drawn
    where numbers to grow must be rounded, here largest remainders decide. It leaves the first convolution, shortcuts
    and the classifier dense, which is for the model to say.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self.threshold: float = params.threshold

    def due(self, steps_done: int) -> bool:
        doubled = sum(steps_done >= self.context.fraction(share) for share in self.params.doublings)
        return super().due(steps_done) and steps_done % (self.period * 2**doubled) == 0

    @property
    def rhythm(self) -> str:
        doubled = [str(self.context.fraction(share)) for share in self.params.doublings]
        return f"{super().rhythm}; it doubles at {', '.join(doubled)}" if doubled else super().rhythm

    def drop(self, rate: float, step: int) -> dict[str, Tensor]:
        dropped = {name: self._below(name, step) for name in self._masks}
        number = sum(int(mask.sum()) for mask in dropped.values())
        wanted = rate * sum(int(mask.sum()) for mask in self._masks.values())
        if number > (1 + self.params.tolerance) * wanted:
            self.threshold /= 2
        elif number < (1 - self.params.tolerance) * wanted:
            self.threshold *= 2
        return dropped

    def _below(self, name: str, step: int) -> Tensor:
        mask, size = self._masks[name], self.drop_score(name, step)
        below = mask & (size < self.threshold)
        if below.equal(mask):
            first = self.context.config.fidelity == "released"
            order = mask.flatten().cumsum(0).view(mask.shape).neg() if first else size
            below = below & ~highest(order, mask, 1)
        return below

    def free(self, dropped: dict[str, Tensor]) -> dict[str, Tensor]:
        """The positions that were inactive before the drop; all inactive ones where these are too few."""
        before = {name: ~self._masks[name] for name in dropped}
        enough = sum(int(mask.sum()) for mask in before.values()) >= sum(int(mask.sum()) for mask in dropped.values())
        return before if enough else super().free(dropped)

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"threshold": self.threshold}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.threshold = state["threshold"]
