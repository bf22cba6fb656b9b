"""The protocol that every method follows, for masks that a rule updates and thresholds that gradients train."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from dst_repro.data.base import Data
from dst_repro.machine.compilation import LONG, Compiled
from dst_repro.plan.config import RunConfig
from dst_repro.seeding import generator

P = ParamSpec("P")
R = TypeVar("R")


class Layer(NamedTuple):
    """How many weights a layer has and how many are kept."""

    numel: int
    kept: int


class Given(NamedTuple):
    """The final network of the run that `mask_from` names, on the CPU."""

    network: dict[str, Tensor]
    """Its state by the plain model's names, pruned weights zero."""
    masks: dict[str, Tensor]
    """Layer -> boolean mask."""


@dataclass(frozen=True)
class Context:
    """What a method may know about the run. A step is one mini-batch; steps count from 0."""

    config: RunConfig
    steps_per_epoch: int
    data: Data | None = None
    """What the run trains on; methods that score weights by gradients read training images before the first step."""
    given: Given | None = None
    """What `mask_from` names; None where the run has none."""
    _compiled: list[Compiled[..., Any]] = field(default_factory=list, repr=False)

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.config.epochs

    @property
    def compiles(self) -> bool:
        """Whether this run is long enough to compile what it computes at each step. It follows from nothing else."""
        return self.config.compile == "auto" and self.total_steps >= LONG

    def compile(self, function: Callable[P, R]) -> Compiled[P, R]:
        """The function, compiled if this run compiles."""
        made = Compiled(function, self.compiles)
        self._compiled.append(made)
        return made

    @property
    def compiled(self) -> bool:
        """Whether anything is compiled by now."""
        return any(function.active for function in self._compiled)

    @property
    def density(self) -> float:
        """The target density; 1 for methods that take none."""
        return 1.0 if self.config.density is None else self.config.density

    def fraction(self, share: float) -> int:
        """The step at which `share` of the training is done."""
        return math.floor(share * self.total_steps + 1e-9)  # 0.58 * 100 is 57.99...

    def rng(self, *stream: str | int) -> torch.Generator:
        """A CPU generator of the mask stream, e.g. `rng("grow", step, layer)`. Stateless: nothing to checkpoint."""
        return generator(self.config.seed, "masks", *stream)


Maskable = nn.Conv2d | nn.Linear


def maskable(model: nn.Module) -> dict[str, Maskable]:
    """Name -> module of every layer whose weight may be masked: convolutions and linear layers, first and last too.

    Biases and normalisation are never masked (Liu et al. 2020, sec. 3), nor is a layer that its model marks by
    `maskable = False`.
    """
    layers = {name: module for name, module in model.named_modules() if isinstance(module, Maskable)}
    return {name: module for name, module in layers.items() if getattr(module, "maskable", True)}


class Method:
    """Dense training; the base of every method.

    The loop calls `initialise`, `prepare` and `bind`, then for each step `penalty`, `after_backward` and `after_step`.
    """

    def __init__(self, params: Any, context: Context) -> None:
        self.params, self.context = params, context
        self.modules: dict[str, Maskable] = {}

    def initialise(self, model: nn.Module) -> None:
        """Draw weights anew where the method starts from others than the model. The model is still on the CPU, so that
        a seed has one start, whatever the device.
        """

    def prepare(self, model: nn.Module) -> None:
        """Create masks or thresholds. The model is initialised and on its device."""
        self.modules = maskable(model)

    def param_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        """Groups for the optimiser."""
        return [{"params": list(model.parameters()), "weight_decay": weight_decay}]

    def bind(self, optimizer: torch.optim.Optimizer) -> None:
        """Keep hold of the optimiser, whose momentum some methods read or reset."""

    def penalty(self) -> Tensor | None:
        """A scalar to add to the loss, or None."""
        return None

    def after_backward(self, step: int) -> bool:
        """`weight.grad` is the dense gradient here. True: this update takes the place of the optimiser's step."""
        return False

    def after_step(self, step: int) -> None:
        """After the optimiser's step (not called for a step that `after_backward` took)."""

    def network(self, model: nn.Module) -> dict[str, Tensor]:
        """State of the plain model, by the names it had before `prepare`, as the next forward pass computes with it."""
        return model.state_dict()

    def masks(self) -> dict[str, Tensor]:
        """Layer -> boolean mask, as the next forward pass applies it. Must not be written to."""
        return {name: torch.ones_like(m.weight, dtype=torch.bool) for name, m in self.modules.items()}

    def layers(self) -> dict[str, Layer]:
        """Layer -> counts: the only source of every sparsity number."""
        return {name: Layer(mask.numel(), int(mask.sum())) for name, mask in self.masks().items()}

    def wanted(self) -> range | None:
        """How many weights of all layers together may be kept at the end: with a target density one number, but where
        `fidelity: released` leaves it to chance. None without a target.
        """
        if self.context.config.density is None:
            return None
        kept = round(self.context.density * sum(module.weight.numel() for module in self.modules.values()))
        return range(kept, kept + 1)

    def at_target(self) -> bool:
        """Whether the network is as sparse as asked, so that this epoch may be reported as a best one."""
        wanted = self.wanted()
        return wanted is None or sum(layer.kept for layer in self.layers().values()) < wanted.stop

    def events(self) -> dict[str, dict[str, float]]:
        """Cumulative counts for the history: name -> layer -> value, e.g. threshold resets."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs beyond the model's and the optimiser's state."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
