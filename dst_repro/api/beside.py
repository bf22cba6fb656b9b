"""The optimiser of what a method or a trick trains beside the parameters of the network."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from dst_repro.errors import ConfigError

Group = dict[str, Any]
OWN = ("params", "param_names", "weight_decay", "beside")
"""What a group has for itself."""


class Beside:
    """A second optimiser of the same kind, whose groups follow groups of the first one in all but weight decay.

    The first one stays as it is: schedulers, which count its groups, work whether they are made before or after, and
    its state fits whatever is trained beside.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._first = optimizer
        self.optimizer = copy.copy(optimizer)
        self.optimizer.state = defaultdict(dict)
        self.optimizer.param_groups = []

    def add(self, name: str, params: Iterable[nn.Parameter], like: Group, weight_decay: float) -> None:
        """Train `params` with the settings of a group of the first optimiser, but for weight decay."""
        group = {"params": list(params), "weight_decay": weight_decay, "beside": (name, self._number(like))}
        self.optimizer.add_param_group(_settings(like) | group)

    def remove(self, name: str) -> None:
        """With all that was kept of its parameters."""
        gone = [group for group in self.optimizer.param_groups if group["beside"][0] == name]
        self.optimizer.param_groups = [group for group in self.optimizer.param_groups if group["beside"][0] != name]
        for parameter in (parameter for group in gone for parameter in group["params"]):
            self.optimizer.state.pop(parameter, None)

    def parameters(self, name: str | None = None) -> list[nn.Parameter]:
        groups = [group for group in self.optimizer.param_groups if name in (None, group["beside"][0])]
        return [parameter for group in groups for parameter in group["params"]]

    def step(self) -> None:
        if self.optimizer.param_groups:
            self.optimizer.step()

    def follow(self) -> None:
        """Take over the settings that the groups of the first optimiser have now."""
        for group in self.optimizer.param_groups:
            group.update(_settings(self._first.param_groups[group["beside"][1]]))

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    def _number(self, group: Group) -> int:
        return next(i for i, other in enumerate(self._first.param_groups) if other is group)


def _settings(group: Group) -> Group:
    return {key: value for key, value in group.items() if key not in OWN}


def decay(group: Group) -> float:
    """0 of an optimiser that has no weight decay."""
    return float(group.get("weight_decay", 0.0))


def group_of(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> Group | None:
    """The group that trains it."""
    return next((g for g in optimizer.param_groups if any(p is parameter for p in g["params"])), None)


def common_group(groups: list[Group], method: str) -> Group:
    """One for all, if their settings are equal."""
    if any(_settings(group) != _settings(groups[0]) or decay(group) != decay(groups[0]) for group in groups):
        raise ConfigError(
            f"{method} trains all masked layers as one: their groups must have equal settings", "optimizer"
        )
    return groups[0]
