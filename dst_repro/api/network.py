"""Which of a network's parameters can be masked, which can't, and a copy of it that no method has touched."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from dst_repro.api.beside import group_of
from dst_repro.errors import ConfigError
from dst_repro.methods.base import Maskable, maskable
from dst_repro.models.slots import reads_by_name
from dst_repro.sparsity.unmasked import told, unasked

OUT = "`maskable = False` on the module keeps it dense"


def check(model: nn.Module, optimizer: torch.optim.Optimizer, opened: Mapping[str, str]) -> dict[str, Maskable]:
    """The layers to mask, slots among them (layer -> the parameter's own name).

    Raises `ConfigError` where one has no weight of its own that the optimiser trains.
    """
    layers = maskable(model)
    if not layers:
        raise ConfigError("has no convolution, linear layer or attention to mask", "model")
    if "" in layers:
        raise ConfigError("is a single layer; put it into nn.Sequential, so that it has a name", "model")
    holders: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        holders.setdefault(id(parameter), []).append(name)
    for name, layer in layers.items():
        weight, own = layer.get_parameter("weight"), f"{name}.weight"
        name = opened.get(name, name)
        others = [other for other in holders[id(weight)] if other != own]
        if others:
            other = opened.get(others[0].removesuffix(".weight"), others[0])
            raise ConfigError(f"'{name}' shares its weight with '{other}'; {OUT}", "model")
        if not weight.requires_grad or group_of(optimizer, weight) is None:
            raise ConfigError(f"'{name}' is masked, but the optimiser does not train its weight; {OUT}", "model")
    return layers


def check_own(model: nn.Module) -> None:
    """Raises `ConfigError` where a layer to mask has no weight of its own yet."""
    for name, layer in maskable(model).items():
        if not isinstance(layer.weight, nn.Parameter):
            raise ConfigError(f"the weight of '{name}' is computed, by a method or a parametrization", "model")
    for name, parameter in model.named_parameters():
        if isinstance(parameter, nn.parameter.UninitializedParameter):
            raise ConfigError(f"'{name}' has no values yet: send a batch through the network first", "model")


def say_unmasked(model: nn.Module) -> None:
    """A warning that names what no method masks, but for layers that are dense because their module says so."""
    if names := unasked(model):
        able = [name for name in names if reads_by_name(model, name)]
        advice = f"; `also` masks {', '.join(able)}, too" if able else ""
        warnings.warn(f"{told(names)}{advice}", stacklevel=5)


def untouched(model: nn.Module) -> Callable[[dict[str, Tensor]], nn.Module]:
    """A function that builds the network as it is now, with other values; until then no copy of a parameter is kept."""
    hollow = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=p.requires_grad)
        for p in model.parameters()
    }
    skeleton = copy.deepcopy(model, dict(hollow))

    def build(state: dict[str, Tensor]) -> nn.Module:
        made: nn.Module = copy.deepcopy(skeleton)
        made.load_state_dict({name: tensor.detach().clone() for name, tensor in state.items()}, assign=True)
        return made

    return build
