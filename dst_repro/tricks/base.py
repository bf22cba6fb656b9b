"""The protocol that every trick follows, and the tricks of a run together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.methods.base import Context, Method
from dst_repro.registry import tricks

Fidelity = Literal["paper", "released"]
Loss = Callable[[Tensor, Tensor], Tensor]


class Trick:
    """Does nothing; the base of every trick.

    The masks of a run are made of the plain network, so that they are those of the same run without tricks: first comes
    `before_masks`, then the method makes its masks, then `begin`. From there on `at` is called before each step and
    after each epoch with the number of steps done, and whatever the trick changes is a function of that number, but for
    what it trains. Evaluation sees the network as `at` left it.
    """

    order: ClassVar[int] = 0
    """Tricks of a lower one begin first."""
    loss: Loss | None = None
    """What the trick trains by instead of the mean cross-entropy of logits (b, classes) and labels (b,)."""

    def __init__(self, params: Any, context: Context) -> None:
        self.params, self.context = params, context

    @property
    def released(self) -> bool:
        """Whether the trick is as in its authors' code: as it says itself, or else as the run does."""
        own = getattr(self.params, "fidelity", None)
        return bool((own or self.context.config.fidelity) == "released")

    def share(self, until: float, step: int) -> float:
        """How much of the part of the training up to `until`, a share of the whole, is over, from 0 to 1."""
        end = self.context.fraction(until)
        return 1.0 if step >= end else step / end

    def before_masks(self, model: nn.Module) -> None:
        """The network is initialised and on its device, but has no masks. It must be left as it is."""

    def begin(self, model: nn.Module, method: Method, others: Sequence[Trick]) -> None:
        """The method has made its masks, and no optimiser has seen the network yet."""

    def dress(self, network: nn.Module) -> None:
        """Make a plain network, for another trick to look at, compute as the run's does at the first step."""

    def at(self, step: int) -> None:
        """Be as after so many steps of the schedule, whatever was before."""

    @property
    def settled(self) -> bool:
        """Whether what the network computes with will stay as it is now, numbers aside."""
        return True

    def parameters(self) -> list[nn.Parameter]:
        """What the trick trains beside the network, as long as it does."""
        return []

    def values(self) -> dict[str, float]:
        """For the history: what it has set, as it is now."""
        return {}

    def started(self) -> dict[str, dict[str, float]]:
        """For the history: what it did at the start, name -> layer -> value."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """What it trains, as it is now."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned. `at` was called for that moment."""


class Tricks:
    """All tricks of a run, by slug."""

    def __init__(self, context: Context) -> None:
        chosen = context.config.full()["tricks"]
        made = {slug: tricks[slug].object(tricks[slug].params(**params), context) for slug, params in chosen.items()}
        self._tricks: dict[str, Trick] = dict(sorted(made.items(), key=lambda item: (item[1].order, item[0])))
        self.loss: Loss = next((t.loss for t in self._tricks.values() if t.loss), functional.cross_entropy)
        self._weight_decay = context.config.weight_decay
        self._optimizer: torch.optim.Optimizer | None = None

    def __bool__(self) -> bool:
        return bool(self._tricks)

    def before_masks(self, model: nn.Module) -> None:
        for trick in self._tricks.values():
            trick.before_masks(model)

    def begin(self, model: nn.Module, method: Method) -> None:
        for trick in self._tricks.values():
            trick.begin(model, method, list(self._tricks.values()))

    def bind(self, optimizer: torch.optim.Optimizer) -> None:
        """The optimiser trains what the tricks train, from now on."""
        self._optimizer = optimizer
        self._follow()

    def at(self, step: int) -> None:
        """Be as after so many steps of the schedule; what ends leaves nothing behind, in the optimiser neither."""
        for trick in self._tricks.values():
            trick.at(step)
        self._follow()

    def _follow(self) -> None:
        """One group of the optimiser for all that is trained now beside the network, or none."""
        if self._optimizer is None or not self._tricks:
            return
        wanted = [parameter for trick in self._tricks.values() for parameter in trick.parameters()]
        groups = self._optimizer.param_groups
        own = next((group for group in groups if group.get("tricks")), None)
        if list(map(id, own["params"] if own else [])) == list(map(id, wanted)):
            return
        if own is not None:
            groups.remove(own)
            for parameter in set(own["params"]) - set(wanted):
                self._optimizer.state.pop(parameter, None)
        if wanted:
            self._optimizer.add_param_group({"params": wanted, "weight_decay": self._weight_decay, "tricks": True})

    @property
    def settled(self) -> bool:
        """Whether the network is what it will be, so that it may be compiled."""
        return all(trick.settled for trick in self._tricks.values())

    @property
    def parameters(self) -> int:
        """How many numbers are trained now beside the network."""
        return sum(parameter.numel() for trick in self._tricks.values() for parameter in trick.parameters())

    def values(self, method: Method) -> dict[str, float]:
        """For the history, see `Trick.values`; and the density of the network as it is trained now.

        `density_with_ghosts` is kept weights and all that is trained beside the network, over the maskable weights.
        """
        if not self._tricks:
            return {}
        found = {name: value for trick in self._tricks.values() for name, value in trick.values().items()}
        layers = method.layers().values()
        numel, kept = sum(layer.numel for layer in layers), sum(layer.kept for layer in layers)
        beside = self.parameters
        return found | {"ghost_parameters": float(beside), "density_with_ghosts": (kept + beside) / numel}

    def started(self) -> Iterable[tuple[str, str, float]]:
        """(name, layer, value) of what tricks did at the start."""
        for trick in self._tricks.values():
            for name, layers in trick.started().items():
                yield from ((name, layer, value) for layer, value in layers.items() if math.isfinite(value))

    def state_dict(self) -> dict[str, Any]:
        return {slug: trick.state_dict() for slug, trick in self._tricks.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """`at` has been called for that moment."""
        for slug, trick in self._tricks.items():
            trick.load_state_dict(state[slug])
