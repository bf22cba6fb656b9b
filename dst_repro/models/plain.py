"""The network that a configuration names, before anything has touched it."""

from __future__ import annotations

from torch import nn

from dst_repro.data.base import Data
from dst_repro.plan.config import RunConfig
from dst_repro.registry import models


def plain_network(config: RunConfig, data: Data) -> nn.Module:
    """The network of a run, newly initialised from torch's global generator, on the CPU."""
    entry = models[config.model]
    made: nn.Module = entry.object(data.shape, data.classes, entry.params(**config.model_params))
    return made
