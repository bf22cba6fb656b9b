"""Weights that are no layer's of their own, as layers: what lets every method mask attention, Conv1d or any parameter.

Methods mask the `weight` of linear layers and convolutions. A parameter that lies elsewhere is moved into a `Slot`, a
layer that nobody calls, and its owner reads it there: also once a method has put another tensor in its place.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
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


class Slot(nn.Module):
    """Holds one weight of any shape of two or more dimensions; rows are outputs. It is never called."""

    weight: Tensor

    def __init__(self, weight: nn.Parameter) -> None:
        nn.Module.__init__(self)  # draws no weights of its own
        self.weight = weight
        self.register_parameter("bias", None)

    def forward(self, _: Tensor) -> Tensor:
        raise TypeError("a slot only holds a weight")

    def extra_repr(self) -> str:
        return " x ".join(map(str, self.weight.shape))


class LinearSlot(Slot, nn.Linear):
    """Of a weight that methods are to take for a linear layer's."""


class ConvolutionSlot(Slot, nn.Conv2d):
    """Of a `Conv1d` or `Conv3d`: what methods do to convolutions alone they do to it."""


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
    `state_dict` they have the slots' names. Attention that says `maskable = False` says it for its last layer, too.
    `close` undoes it. Raises `ConfigError` for a name that is no parameter of two or more dimensions, or that can't be
    moved; then nothing is.
    """
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention) and not getattr(module, "maskable", True):
            module.out_proj.maskable = False  # type: ignore[assignment]
    chosen = multiplying(model) if names is None else list(names)
    known = dict(model.named_parameters(remove_duplicate=False))
    for name in chosen:
        _check(model, name, known)
    opened: dict[str, str] = {}
    try:
        for name in dict.fromkeys(chosen):
            opened[_open(model, name)] = name
    except TypeError as error:  # a class that asks for more when another derives from it
        close(model, opened)
        raise ConfigError(f"'{name}' can't be moved: {error}", "also") from None
    return opened


def close(model: nn.Module, opened: Iterable[str]) -> None:
    """Put the weights of these slots back where they were, under their names, whatever a method calls them by now."""
    for layer in opened:
        owner, slot_name = _place(model, layer)
        name = slot_name.removeprefix(PREFIX)
        _wear(owner, tuple(other for other in _opened(owner) if other != name))
        slot: Any = owner._modules.pop(slot_name)
        owner._parameters[name] = slot._parameters.get("weight", slot._parameters.get("weight_orig"))


def reads_by_name(model: nn.Module, name: str) -> bool:
    """Whether the owner of a parameter computes with what its name leads to."""
    return not isinstance(_place(model, name)[0], nn.RNNBase)


def without_slots(state: Mapping[str, Tensor], opened: Mapping[str, str]) -> dict[str, Tensor]:
    """A `state_dict` by the names that its parameters had before."""
    renamed = {f"{layer}.weight": name for layer, name in opened.items()}
    return {renamed.get(name, name): tensor for name, tensor in state.items()}


def _check(model: nn.Module, name: str, known: Mapping[str, nn.Parameter]) -> None:
    if name not in known:
        raise ConfigError(f"the network has no parameter '{name}'{did_you_mean(name, known)}", "also")
    owner, own = _place(model, name)
    if isinstance(owner, nn.Linear | nn.Conv2d) and own == "weight":
        says = "is masked by itself" if getattr(owner, "maskable", True) else "says `maskable = False`"
        raise ConfigError(f"'{name}' is the weight of a layer that {says}", "also")
    if known[name].dim() < 2 or "bias" in own:
        raise ConfigError(f"'{name}' is a bias or a scale, which are never masked", "also")
    if isinstance(owner, nn.Embedding | nn.EmbeddingBag) and owner.sparse:
        raise ConfigError(f"'{name}' has sparse gradients; methods read dense ones", "also")
    if not reads_by_name(model, name):
        raise ConfigError(f"'{name}': {type(owner).__name__} reads its weights by another way than their names", "also")


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, own = name.rpartition(".")
    return model.get_submodule(path), own


def _open(model: nn.Module, name: str) -> str:
    owner, own = _place(model, name)
    parameter = owner.get_parameter(own)
    _wear(owner, (*_opened(owner), own))
    kind = ConvolutionSlot if isinstance(owner, nn.Conv1d | nn.Conv3d) else LinearSlot
    owner.add_module(f"{PREFIX}{own}", kind(parameter))
    owner._parameters[own] = None  # keeps its place among the others
    return f"{name.removesuffix(own)}{PREFIX}{own}"


def _opened(owner: nn.Module) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(type(owner), "opened", ())
    return found


def _wear(owner: nn.Module, names: tuple[str, ...]) -> None:
    """Make it one that reads these parameters in their slots."""
    own: Any = type(owner)
    base: Any = own.closed if _opened(owner) else own
    owner.__class__ = _reader(base, names) if names else base


@functools.cache
def _reader(base: Any, names: tuple[str, ...]) -> type[nn.Module]:
    """A class of its own for each set of names: copies of a network share it."""

    def register_parameter(self: Any, name: str, parameter: nn.Parameter | None) -> None:
        slot = self._modules.get(f"{PREFIX}{name}") if name in names else None
        base.register_parameter(*((self, name, parameter) if slot is None else (slot, "weight", parameter)))

    def reduce(self: Any, _: Any) -> tuple[Any, ...]:
        return _revived, (base, names), self.__dict__

    members = {name: property(_reading(f"{PREFIX}{name}")) for name in names}
    more = {"__module__": base.__module__, "opened": names, "closed": base, "__reduce_ex__": reduce}
    return type(base.__name__, (base,), {**members, **more, "register_parameter": register_parameter})


def _revived(base: Any, names: tuple[str, ...]) -> nn.Module:
    """An empty one, for pickle and copies to fill."""
    kind = _reader(base, names)
    return kind.__new__(kind)


def _reading(slot: str) -> Callable[[Any], Tensor]:
    def read(owner: Any) -> Tensor:
        found: Tensor = owner._modules[slot].weight
        return found

    return read
