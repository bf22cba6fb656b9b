"""What a criterion reads of a layer, and how criteria are named in YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from pydantic_core import core_schema
from torch import Tensor

from dst_repro.errors import ConfigError
from dst_repro.registry import Registry


class View(Protocol):
    """What a criterion may read of one layer. Tensors have the weight's shape."""

    @property
    def weight(self) -> Tensor: ...

    @property
    def gradient(self) -> Tensor:
        """The dense gradient of the current batch, or the mean of the latest ones."""

    @property
    def momentum(self) -> Tensor:
        """The optimiser's smoothed gradient."""

    @property
    def signs(self) -> Tensor:
        """int8: the signs of the weights after the previous update, at first of the initial ones."""

    @property
    def ever(self) -> Tensor:
        """Boolean: the positions that have been active so far."""

    @property
    def gamma(self) -> float:
        """What a gradient counts beside a weight."""

    @property
    def rng(self) -> torch.Generator:
        """A CPU generator for this layer, this update and this use."""


@dataclass(frozen=True)
class Named:
    """Marks a string of a pydantic model as the slug of a registered criterion: `Annotated[str, Named(registry)]`."""

    registry: Registry

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: Any) -> dict[str, Any]:
        """A string among the slugs; `plug-in` says of which kind they are (`plan.fingerprint`)."""
        return {"type": "string", "enum": sorted(self.registry.discover()), "plug-in": self.registry.kind}

    def check(self, slug: str) -> str:
        """The slug. Raises `ConfigError`, which names what there is."""
        known = self.registry.discover()
        if slug not in known:
            raise ConfigError(f"unknown {self.registry.kind} '{slug}'; known: {', '.join(sorted(known))}")
        return slug
