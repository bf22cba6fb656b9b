"""Labels that are not quite sure."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor
from torch.nn import functional

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.registry import Params, tricks
from dst_repro.tricks.base import Fidelity, Trick


class LabelSmoothingParams(Params):
    value: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """How much of a label's weight is spread."""
    form: Literal["all-classes", "other-classes"] | None = None
    """Over which classes. By default over all, as in torch and in its paper; `released`: over the others."""
    until: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the training after which labels are plain; by default, and with `fidelity: released`, they never are."""
    fidelity: Fidelity | None = None
    """By default that of the run."""


@tricks.register("label-smoothing", LabelSmoothingParams)
class LabelSmoothing(Trick):
    """label smoothing: targets that are not quite one-hot (Szegedy et al. 2016; LS of ToST)

    Cross-entropy with (1 - a) + a / C for the label's class and a / C for each other of C classes. The released code of
    ToST (Jaiswal et al. 2022) has 1 - a and a / (C - 1), which is the same with C / (C - 1) times the a; it smooths
    the loss of the test set too, which no result depends on and which is plain here. The loss of training that is
    recorded is the one trained by.
    """

    params: LabelSmoothingParams

    def __init__(self, params: LabelSmoothingParams, context: Context) -> None:
        super().__init__(params, context)
        self._now = params.value
        classes = context.data.classes if context.data else 2
        form = params.form or ("other-classes" if self.released else "all-classes")
        self.epsilon = params.value * (classes / (classes - 1) if form == "other-classes" else 1.0)
        if self.epsilon > 1:
            raise ConfigError(
                f"must be below {1 - 1 / classes:g} for {classes} classes", "tricks.label-smoothing.value"
            )
        self.loss = self._loss

    def at(self, step: int) -> None:
        until = None if self.released else self.params.until
        self._now = 0.0 if until is not None and self.share(until, step) == 1 else self.epsilon

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, label_smoothing=self._now)

    def values(self) -> dict[str, float]:
        return {"label_smoothing": self._now}
