"""Weights that are no layer's of their own, as layers: what lets every method mask attention, Conv1d or any parameter.

Methods mask the `weight` of linear layers and convolutions. A parameter that lies elsewhere is moved into a `Slot`, a
linear layer that nobody calls, and its owner reads it there: also once a method has put another tensor in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn

from dst_repro.errors import ConfigError, did_you_mean

PREFIX = "masked_"
"""`attention.in_proj_weight` becomes the layer `attention.masked_in_proj_weight`."""
WEIGHTS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Conv1d: ("weight",),
    nn.Conv3d: ("weight",),
    nn.MultiheadAttention: ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight"),
}
"""Parameters that multiply inputs, a row for each output, as those of linear layers do."""


class Slot(nn.Linear):
    """Holds one weight of any shape of two or more dimensions; rows are outputs. It is never called."""

    def __init__(self, weight: nn.Parameter) -> None:
        nn.Module.__init__(self)  # draws no weights of its own
        self.out_features, self.in_features = len(weight), weight[0].numel()
        self.weight = weight
        self.register_parameter("bias", None)

    def forward(self, _: Tensor) -> Tensor:
        raise TypeError("a slot only holds a weight")


def multiplying(model: nn.Module) -> list[str]:
    """Names of the parameters that multiply inputs and are no weight of a `Conv2d` or `Linear`, in their order; without
    those of modules that say `maskable = False`."""
    return [
        f"{path}.{name}".lstrip(".")
        for path, module in model.named_modules()
        if getattr(module, "maskable", True)
        for kind, names in WEIGHTS.items()
        if isinstance(module, kind)
        for name in names
        if module._parameters.get(name) is not None
    ]


def holds_slots(module: nn.Module) -> bool:
    """Whether some of its own weights are in slots."""
    return any(isinstance(child, Slot) for child in module.children())


def open_parameters(model: nn.Module, names: Iterable[str] | None = None) -> dict[str, str]:
    """Move these parameters into slots, by default all of `multiplying`; layer -> the parameter's name.

    Parameters stay the same objects, so that an optimiser goes on with them, and the network computes the same. In its
    `state_dict` they have the slots' names. `close` undoes it. Raises `ConfigError` for a name that is no parameter of
    two or more dimensions, or that can't be moved; then nothing is.
    """
    chosen = multiplying(model) if names is None else list(names)
    known = dict(model.named_parameters())
    for name in chosen:
        _check(model, name, known)
    return {_open(model, name): name for name in dict.fromkeys(chosen)}


def close(model: nn.Module, opened: Iterable[str]) -> None:
    """Put the weights of these slots back where they were, also if a method had begun with them."""
    for layer in opened:
        owner, name = _place(model, layer)
        slot: Any = owner._modules.pop(name)
        weight = slot._parameters.get("weight", slot._parameters.get("weight_orig"))
        owner._parameters[name.removeprefix(PREFIX)] = weight
        if not holds_slots(owner):
            owner.__class__ = type(owner).__mro__[1]


def _check(model: nn.Module, name: str, known: dict[str, nn.Parameter]) -> None:
    if name not in known:
        raise ConfigError(f"the network has no parameter '{name}'{did_you_mean(name, known)}", "also")
    owner, own = _place(model, name)
    if isinstance(owner, nn.Linear | nn.Conv2d) and own == "weight":
        says = "is masked by itself" if getattr(owner, "maskable", True) else "says `maskable = False`"
        raise ConfigError(f"'{name}' is the weight of a layer that {says}", "also")
    if known[name].dim() < 2:
        raise ConfigError(f"'{name}' has one dimension: biases and scales are never masked", "also")
    if isinstance(owner, nn.RNNBase):
        raise ConfigError(f"'{name}': {type(owner).__name__} reads its weights by another way than their names", "also")


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, own = name.rpartition(".")
    return model.get_submodule(path), own


def _open(model: nn.Module, name: str) -> str:
    owner, own = _place(model, name)
    if not holds_slots(owner):
        whole = type(owner)
        owner.__class__ = type(whole.__name__, (whole,), {"__module__": whole.__module__})
    slot = Slot(owner.get_parameter(own))
    owner.add_module(f"{PREFIX}{own}", slot)
    owner._parameters[own] = None  # keeps its place among the others
    setattr(type(owner), own, property(_reading(f"{PREFIX}{own}")))
    path = name.removesuffix(own)
    return f"{path}{PREFIX}{own}"


def _reading(slot: str) -> Callable[[Any], Tensor]:
    def read(owner: Any) -> Tensor:
        found: Tensor = owner._modules[slot].weight
        return found

    return read


def without_slots(state: dict[str, Tensor], opened: dict[str, str]) -> dict[str, Tensor]:
    """A `state_dict` by the names that its parameters had before."""
    renamed = {f"{layer}.weight": name for layer, name in opened.items()}
    return {renamed.get(name, name): tensor for name, tensor in state.items()}
