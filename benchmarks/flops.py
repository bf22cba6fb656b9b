"""Floating-point operations of a training step, and how many a second the machine can do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import seconds
from dst_repro.models.lstm import LSTM, Gates


@dataclass
class Work:
    """Floating-point operations of products with weights; a multiplication and its addition are two."""

    forward: int = 0
    backward: int = 0


def count(model: nn.Module, images: Tensor) -> Work:
    """The work of one pass over `images`, by hooks: biases, activations, pooling and products of gates are left out.

    The backward pass costs a layer as much as its forward pass for the gradient of the weights, and as much again for
    that of its input, which torch leaves out where nothing needs it: in the first layer.
    """
    work = Work()

    def add(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            terms = module.in_channels // module.groups * math.prod(module.kernel_size)
        else:
            terms = int(module.in_features)  # type: ignore[arg-type]
        operations = 2 * output.numel() * terms
        work.forward += operations
        work.backward += operations * (2 if inputs[0].requires_grad else 1)

    def add_recurrent(model: LSTM, inputs: tuple[Any, ...], output: Tensor) -> None:
        n, _, steps, _ = inputs[0].shape
        first, *others = (2 * n * steps * m.weight.numel() for m in model.modules() if isinstance(m, Gates))
        work.forward += first + sum(others)
        work.backward += first + 2 * sum(others)

    hooks = [m.register_forward_hook(add) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks += [m.register_forward_hook(add_recurrent) for m in model.modules() if isinstance(m, LSTM)]
    model(images)
    for hook in hooks:
        hook.remove()
    return work


def matmul_peak(size: int = 1536, repeats: int = 12) -> float:
    """GFLOP/s of the fastest of several products of two float32 matrices: what a linear layer can hope for.

    Convolutions are computed by another library, and can be faster where that one uses wider instructions.
    """
    a, b = torch.rand(size, size), torch.rand(size, size)
    out = torch.empty(size, size)
    fastest = min(seconds(lambda: torch.mm(a, b, out=out)) for _ in range(repeats))
    return 2 * size**3 / fastest / 1e9
