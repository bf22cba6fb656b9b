"""Steps under a GradScaler, which unscales gradients before them, and leaves out those that overflowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from dst_repro.api.beside import Beside
from dst_repro.errors import ConfigError


class Scaled:
    """What a GradScaler takes for an optimiser: whatever has gradients after `backward`, and the whole step.

    `step` takes the largest norm of the gradients, and returns whether it was taken.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, beside: Beside, step: Callable[[float | None], bool]) -> None:
        self._optimizer, self._beside, self._step = optimizer, beside, step

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [*self._optimizer.param_groups, {"params": self._beside.parameters()}]

    def step(self, max_norm: float | None) -> bool:
        return self._step(max_norm)


def check_scaled(scaler: torch.amp.GradScaler, optimizer: torch.optim.Optimizer) -> None:
    """`ConfigError` if the user has unscaled the optimiser already, as `Sparse.step` would do so again."""
    state = getattr(scaler, "_per_optimizer_states", {}).get(id(optimizer))
    if state and state["found_inf_per_device"]:
        raise ConfigError("the scaler has unscaled this optimiser already: clip with `max_norm`", "step")
