"""The parameters of optimisers and learning-rate schedules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dst_repro.errors import ConfigError
from dst_repro.registry import Params


class SGD(Params):
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = False

    @model_validator(mode="after")
    def _check(self) -> SGD:
        if self.nesterov and self.momentum == 0:
            raise ConfigError("nesterov needs a momentum above 0", "optimizer_params.momentum")
        return self


class Adam(Params):
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    eps: Annotated[float, Field(gt=0)] = 1e-8


class Constant(Params):
    pass


Unit = Literal["epoch", "step"]


class Step(Params):
    """Multiply the learning rate by `gamma` after every `step_size` epochs or steps."""

    step_size: Annotated[int, Field(ge=1)]
    gamma: Annotated[float, Field(gt=0)] = 0.1
    unit: Unit = "epoch"


class MultiStep(Params):
    """Multiply the learning rate by `gamma` after each of the epochs or steps in `milestones`."""

    milestones: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, strict=False)]
    gamma: Annotated[float, Field(gt=0)] = 0.1
    unit: Unit = "epoch"

    @field_validator("milestones")
    @classmethod
    def _rising(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("must rise")
        return value


class Cosine(Params):
    """Cosine from the learning rate to `final` times it, step by step, over the whole training."""

    final: Annotated[float, Field(ge=0, le=1)] = 0.0


OPTIMIZERS: dict[str, type[Params]] = {"sgd": SGD, "adam": Adam}
SCHEDULES: dict[str, type[Params]] = {"constant": Constant, "step": Step, "multi-step": MultiStep, "cosine": Cosine}
