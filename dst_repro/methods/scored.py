"""The base of methods that score weights: what scores read, which weights go by them, what is measured of masks."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.methods.masked import Masked
from dst_repro.sparsity.criteria import criterion, pooled
from dst_repro.sparsity.measuring import Events, Exploration, agreement
from dst_repro.sparsity.memory import Memory
from dst_repro.sparsity.selection import Count


class LayerView:
    """A layer as the criteria of an update read it (`sparsity.view.View`)."""

    def __init__(self, method: Scored, name: str, use: str, step: int) -> None:
        self._method, self.name, self._use, self._step = method, name, use, step

    @property
    def weight(self) -> Tensor:
        return self._method.modules[self.name].weight

    @property
    def gradient(self) -> Tensor:
        return self._method.gradient(self.name)

    @property
    def momentum(self) -> Tensor:
        return self._method.momentum(self.name)

    @property
    def signs(self) -> Tensor:
        return self._method.memory.signs(self.name)

    @property
    def ever(self) -> Tensor:
        return self._method.exploration.ever[self.name]

    @property
    def gamma(self) -> float:
        return float(self._method.params.gamma)

    @property
    def rng(self) -> torch.Generator:
        return self._method.context.rng(self._use, self._step, self.name)


class Scored(Masked):
    """Scores of the weights of every layer, by any criterion; parameters are `DropAndGrowParams`."""

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self.memory = Memory([params.drop, *params.compare], params.beta)
        self.exploration = Exploration({})
        self._dense: dict[str, Tensor] = {}  # gradients as an update reads them, where `weight.grad` isn't that
        self._agreement: Events = {}  # of the criteria to compare, at the latest update
        if len(set(params.compare)) < len(params.compare):
            raise ConfigError("a criterion is named twice", "method_params.compare")

    def prepare(self, model: nn.Module) -> None:
        super().prepare(model)
        self.exploration = Exploration(self._masks)
        self._remember()

    def bind(self, optimizer: torch.optim.Optimizer) -> None:
        super().bind(optimizer)
        used = "momentum" in (self.params.grow, self.params.redistribution)
        if used and any(group.get("momentum") == 0 for group in optimizer.param_groups):
            raise ConfigError(f"{self.context.config.method} needs a momentum above 0", "optimizer_params.momentum")

    def _remember(self) -> None:
        self.memory.restart({name: self.modules[name].weight for name in self._masks})

    # What scores read

    def gradient(self, name: str) -> Tensor:
        """The dense gradient of a layer's weight, whenever an update reads it."""
        return self._dense[name] if name in self._dense else super().gradient(name)

    def momentum(self, name: str) -> Tensor:
        """The smoothed gradient of a layer's weight: of SGD the momentum buffer, of Adam the first moment."""
        state = self._optimizer.state[self.modules[name].weight] if self._optimizer else {}
        found = state.get("momentum_buffer", state.get("exp_avg"))
        if not isinstance(found, Tensor):
            raise RuntimeError(f"layer '{name}' has no momentum before the first step")
        return found

    def instant_score(self, slug: str, layer: LayerView) -> Tensor:
        """A layer's score by a criterion, from this step alone."""
        return criterion(slug).score(layer)

    def score(self, slug: str, name: str, use: str, step: int) -> Tensor:
        """A layer's score by a criterion; `use` names its stream of random numbers."""
        average = self.memory.averages.get(slug, {}).get(name)
        return self.instant_score(slug, LayerView(self, name, use, step)) if average is None else average

    # Which weights go by them

    def layer_rate(self, name: str, rate: float) -> float:
        """The prune rate of a layer whose weights compete among themselves."""
        return rate

    def rounded(self, number: float) -> int:
        """How many weights to drop."""
        return math.floor(number)

    def _count(self, rate: float) -> Count:
        return lambda active: self.rounded(rate * active)

    def select(self, slug: str, scores: dict[str, Tensor], rate: float) -> dict[str, Tensor]:
        """Layer -> boolean mask of the active weights that go by these scores."""
        select = criterion(slug).select
        if self.params.scope == "global" and scores:
            return pooled(lambda score, among: select(score, among, self._count(rate)), scores, self._masks)
        counts = {name: self._count(self.layer_rate(name, rate)) for name in scores}
        return {name: select(score, self._masks[name], counts[name]) for name, score in scores.items()}

    def compare(self, rate: float, step: int) -> None:
        """What each criterion would drop here, of dense layers, too."""
        chosen = {}
        for slug in self.params.compare:
            scores = {name: self.score(slug, name, f"compare/{slug}", step) for name in self._masks}
            chosen[slug] = self.select(slug, scores, rate)
        self._agreement = agreement(chosen)

    # What is measured and kept

    def events(self) -> Events:
        return super().events() | self.exploration.events(self._masks) | self._agreement

    def state_dict(self) -> dict[str, Any]:
        parts = {"memory": self.memory.state_dict(), "exploration": self.exploration.state_dict()}
        return super().state_dict() | parts | {"agreement": self._agreement}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self.memory.load_state_dict(state["memory"])
        self.exploration.load_state_dict(state["exploration"])
        self._agreement, self._dense = state["agreement"], {}
