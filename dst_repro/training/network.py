"""The network that a run trains, before any method has touched it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.models.plain import plain_network
from dst_repro.plan.config import RunConfig
from dst_repro.seeding import derive


def initialised(config: RunConfig, data: Data, start: dict[str, Tensor] | None) -> nn.Module:
    """The network as the run starts with it, on the CPU: its own initialisation, or `start`, a state of it.

    Raises `ConfigError` if it can't train in the batches of the run.
    """
    check_last_batch(config, data)
    redrawn = ("redrawn",) if config.initialisation == "redrawn" else ()
    torch.manual_seed(derive(config.seed, "initialisation", *redrawn))
    network: Any = plain_network(config, data)
    if start is not None:
        network.load_state_dict(start)
    made: nn.Module = network.to(memory_format=torch.channels_last)
    return made


def check_last_batch(config: RunConfig, data: Data) -> None:
    """Raises `ConfigError` where a batch has a single image, of which batch normalisation has no variance."""
    n, size = len(data.train), config.batch_size
    if _leaves_one(n, size) and _needs_two(plain_network(config, data), data.shape):
        found = [b for b in (*range(size - 1, 1, -1), *range(size + 1, n + 1)) if not _leaves_one(n, b)]
        below = [b for b in found if b < size][:1]
        choice = " or ".join(map(str, below + [b for b in found if b > size][:1]))
        advice = f"take {choice}" if choice else "more images are needed"
        what = "each batch has" if size == 1 else f"the last batch of {n} training images has"
        raise ConfigError(f"{what} 1 image, and batch normalisation needs 2; {advice}", "batch_size")


def _leaves_one(images: int, size: int) -> bool:
    return size == 1 or images % size == 1


def _needs_two(network: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether some batch normalisation sees one value a channel of a single image: larger maps have enough."""
    alone = []

    def look(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        alone.append(inputs[0].numel() == inputs[0].shape[1])

    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for module in norms:
        module.register_forward_pre_hook(look)
    if norms:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *shape))
    return any(alone)


def compile_forward(network: nn.Module, context: Context) -> None:
    """Training batches go through a compiled forward pass; evaluation and a last, smaller batch do not."""
    eager = network.forward
    compiled = context.compile(eager)

    def forward(images: Tensor) -> Tensor:
        usual = network.training and len(images) == context.config.batch_size
        logits: Tensor = (compiled if usual else eager)(images)
        return logits

    network.forward = forward
