"""Tricks beside an own optimiser, on a network that no registry can build again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from dst_repro.api.beside import Beside, Group
from dst_repro.methods.base import Context
from dst_repro.tricks.base import Tricks
from dst_repro.tricks.rescaled_init import RescaledInit

Build = Callable[[dict[str, Tensor]], nn.Module]
"""The plain network with this state."""


class OwnTricks(Tricks):
    """What they train is trained beside, with the settings of the group `like`."""

    def __init__(self, context: Context, beside: Beside, like: Group, build: Build) -> None:
        super().__init__(context)
        self._beside, self._like = beside, like
        for trick in self._tricks.values():
            if isinstance(trick, RescaledInit):
                plain: Any = lambda model, method: build(method.network(model))  # noqa: E731
                trick._plain = plain  # type: ignore[method-assign]

    def _follow(self) -> None:
        wanted = [parameter for trick in self._tricks.values() for parameter in trick.parameters()]
        if list(map(id, wanted)) != list(map(id, self._beside.parameters("tricks"))):
            self._beside.remove("tricks")
            if wanted:
                self._beside.add("tricks", wanted, self._like, self._weight_decay)
