"""What a method may know of a loop that is its user's: no data set, no model, no epochs, only steps."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.plan.catalogue import check_params, defaults, look_up
from dst_repro.plan.config import check_density, check_model, checked_tricks, full_tricks


class Settings(BaseModel):
    """The fields of a `RunConfig` that methods and tricks read, checked as they are there."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    method: str
    method_params: dict[str, Any] = {}
    density: Annotated[float, Field(gt=0, le=1)] | None = None
    tricks: dict[str, dict[str, Any] | None] = {}
    also: tuple[str, ...] = ()
    fidelity: Literal["paper", "released"] = "paper"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    steps: Annotated[int, Field(ge=1)]
    steps_per_epoch: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 64
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    # what only runs of a suite have
    compile: ClassVar[str] = "off"
    begin_at: ClassVar[None] = None
    weights_from: ClassVar[None] = None

    @model_validator(mode="after")
    def _check(self) -> Settings:
        facts = look_up("method", self.method)["facts"]
        if facts.get("mask_from"):
            raise ConfigError(
                f"method '{self.method}' makes its mask from another run, which only a suite has", "method"
            )
        params = check_params("method", self.method, self.method_params, "method_params")
        object.__setattr__(self, "method_params", params)
        object.__setattr__(self, "tricks", checked_tricks(self.tricks))
        check_density(self.method, self.density)
        if self.steps_per_epoch is None and "epoch" in self._all_params.values():
            raise ConfigError(
                f"method '{self.method}' acts once an epoch: say how many steps it has", "steps_per_epoch"
            )
        return self

    @property
    def _all_params(self) -> dict[str, Any]:
        return defaults("method", self.method) | self.method_params

    def full(self) -> dict[str, Any]:
        """Every field, parameters with their defaults filled in."""
        return self._full

    @functools.cached_property
    def _full(self) -> dict[str, Any]:
        out = self.model_dump(mode="json")
        return out | {"method_params": self._all_params, "tricks": full_tricks(out["tricks"])}

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Settings:
        """`ConfigError` names the argument of `sparsify`."""
        return check_model(cls, values)


@dataclass(frozen=True)
class OwnContext(Context):
    """A training of so many steps, whole epochs or not."""

    steps: int = 0

    @property
    def total_steps(self) -> int:
        return self.steps
