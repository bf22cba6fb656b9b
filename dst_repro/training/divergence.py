"""When a training has diverged: its loss is no longer finite, or an update broke on numbers that are not."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from dst_repro.methods.base import Method


class Diverged(Exception):  # noqa: N818 - an outcome of a run, not an error
    """`what` became infinite or not a number, for which `error` may have been the sign. `step` counts from 1."""

    def __init__(self, step: int, what: str, error: Exception | None = None) -> None:
        self.step = step
        sign = f" ({type(error).__name__}: {' '.join(str(error).split())[:500]})" if error else ""
        super().__init__(f"{what} at step {step}{sign}")


def of_loss(step: int, loss: float) -> Diverged:
    return Diverged(step, f"the loss became {loss}")


def not_finite(loss: Tensor | None, model: nn.Module, method: Method, optimizer: torch.optim.Optimizer) -> str | None:
    """The first of loss, parameters, gradients and the optimiser's state that has an infinity or a NaN, in words."""
    trained = list(_trained(model, optimizer))
    used = [*trained, *(module.weight for module in method.modules.values())]  # some are computed from what is trained
    places: dict[str, Iterable[Any]] = {
        "the loss was not finite": [loss],
        "a parameter was not finite": trained,
        "a gradient was not finite": [tensor.grad for tensor in used],
        "the optimiser's state was not finite": _values(optimizer),
    }
    return next((what for what, tensors in places.items() if any(map(_breaks, tensors))), None)


def _trained(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """Some methods train tensors that are no parameters of the network."""
    yield from model.parameters()
    for group in optimizer.param_groups:
        yield from group["params"]


def _values(optimizer: torch.optim.Optimizer) -> Iterator[Any]:
    for state in optimizer.state.values():
        yield from state.values()


def _breaks(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point() and not bool(value.isfinite().all())


def snapshot(state: dict[str, Any]) -> dict[str, Any]:
    """A copy of a trainer's state that further training leaves alone; rows, which are never altered, are shared."""
    return copy.deepcopy({k: v for k, v in state.items() if k != "history"}) | {"history": list(state["history"])}
