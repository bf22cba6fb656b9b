"""Smooth activations in the place of ReLU, for a while."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context, Method
from dst_repro.registry import Params, tricks
from dst_repro.tricks.base import Fidelity, Trick
from dst_repro.tricks.first import first_step

SHAPES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]] = {
    "swish": (functional.silu, torch.ops.aten.silu_backward),
    "mish": (functional.mish, torch.ops.aten.mish_backward),
}
"""f, and the gradient of its input from that of its output and the input."""


class Scaled(torch.autograd.Function):
    """f(beta * x) / beta, whose derivative is f'(beta * x): beta costs the backward pass nothing."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, shape: str, beta: float) -> Tensor:
        inner = x * beta
        ctx.save_for_backward(inner)
        ctx.shape = shape
        return SHAPES[shape][0](inner).div_(beta)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (inner,) = ctx.saved_tensors
        return SHAPES[ctx.shape][1](gradient, inner), None, None


class SoftNeuronsParams(Params):
    shape: Literal["swish", "mish"] = "swish"
    """f of the activation f(beta * x) / beta: x * sigmoid(x), with which it is PSwish, or x * tanh(softplus(x))."""
    beta: Annotated[float, Field(ge=1e-3)] | None = None
    """At the start: 1, with `fidelity: released` 2 for Swish."""
    beta_end: Annotated[float, Field(ge=1e-3)] = 10.0
    """Just before ReLU takes over. Not read by `fidelity: released`, which keeps beta."""
    rise: Literal["geometric", "linear"] = "geometric"
    """How beta gets there."""
    until: Annotated[float, Field(gt=0, le=1)] | None = 0.5
    """Share of the training after which every neuron is a plain ReLU; null, and `fidelity: released`: never."""
    fidelity: Fidelity | None = None
    """By default that of the run."""


@tricks.register("soft-neurons", SoftNeuronsParams)
class SoftNeurons(Trick):
    """soft neurons: Swish or Mish instead of ReLU, harder and harder, then ReLU (Jaiswal et al. 2022)

    Every ReLU becomes f(beta * x) / beta, which is ReLU for an infinite beta. ToST's abstract has them "at the early
    stage of training"; beta, its rise and its end are ours, as no schedule is known. The released code has none: PSwish
    with beta 2, Swish or Mish throughout, also when it is tested.
    """

    order = 0
    params: SoftNeuronsParams

    def __init__(self, params: SoftNeuronsParams, context: Context) -> None:
        super().__init__(params, context)
        start = params.beta or (2.0 if self.released and params.shape == "swish" else 1.0)
        self._ends = params.until is not None and not self.released
        self._start, self._end = start, params.beta_end if self._ends else start
        if self._end < start:
            raise ConfigError(f"must not be below beta, which is {start:g}", "tricks.soft-neurons.beta_end")
        self.beta = start
        self._relus: list[nn.ReLU] = []
        self._soft = False

    def begin(self, model: nn.Module, method: Method, others: Sequence[Trick]) -> None:
        self._relus = _relus(model)
        self.at(first_step(self.context))

    def dress(self, network: nn.Module) -> None:
        for module in _relus(network) if self._soft else ():
            module.forward = self._twice  # type: ignore[assignment,method-assign]

    def at(self, step: int) -> None:
        until = self.params.until
        passed = self.share(until, step) if self._ends and until is not None else 0.0
        self._set(soft=passed < 1)
        if passed < 1:
            self.beta = self._between(passed)

    def _between(self, passed: float) -> float:
        if self.params.rise == "linear":
            return self._start + passed * (self._end - self._start)
        return self._start * math.pow(self._end / self._start, passed)

    def _set(self, soft: bool) -> None:
        """An attribute of the module goes before its class's `forward`; without it the module is as it was built."""
        if soft == self._soft:
            return
        for module in self._relus:
            if soft:
                module.forward = self._activation  # type: ignore[assignment,method-assign]
            else:
                del module.forward
        self._soft = soft

    def _activation(self, x: Tensor) -> Tensor:
        found: Tensor = Scaled.apply(x, self.params.shape, self.beta)  # type: ignore[no-untyped-call]
        return found

    def _twice(self, x: Tensor) -> Tensor:
        """The same, with second derivatives."""
        return SHAPES[self.params.shape][0](x * self.beta) / self.beta

    @property
    def settled(self) -> bool:
        return not self._soft or not self._ends

    def values(self) -> dict[str, float]:
        return {"beta": self.beta} if self._soft else {}


def _relus(network: nn.Module) -> list[nn.ReLU]:
    found = [module for module in network.modules() if isinstance(module, nn.ReLU)]
    if not found:
        raise ConfigError("the network has no ReLU to be softened", "tricks.soft-neurons")
    return found
