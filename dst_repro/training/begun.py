"""A trainer before its first step."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from dst_repro.data.base import Data
from dst_repro.methods.base import Given
from dst_repro.plan.config import RunConfig
from dst_repro.training.loop import Trainer


def begun(
    run: RunConfig,
    data: Data,
    device: torch.device,
    start: dict[str, torch.Tensor] | None = None,
    given: Given | None = None,
) -> Trainer:
    """A trainer with its masks. Scores of weights may differentiate twice, which torch's fused attention can't."""
    with sdpa_kernel(SDPBackend.MATH):
        return Trainer(run, data, device, start, given)
