"""What criteria read of earlier steps: averages of scores, sums of gradients, signs. Empty if no criterion asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from dst_repro.sparsity.criteria import criterion

Tensors = dict[str, Tensor]


class Memory:
    """Of the layers of one network, for the named criteria; `beta` is what the past counts in an average."""

    def __init__(self, criteria: Iterable[str], beta: float) -> None:
        used = sorted(set(criteria))
        self.smoothed = [slug for slug in used if criterion(slug).smoothed]
        self._reads_signs = any(criterion(slug).reads_signs for slug in used)
        self._beta = beta
        self.averages: dict[str, Tensors] = {}
        self._signs: Tensors = {}
        self._sums: Tensors = {}
        self._summed = 0

    @torch.no_grad()
    def restart(self, weights: Mapping[str, Tensor]) -> None:
        """At the start and after every update: averages begin anew, and the signs are those of these weights."""
        self.averages, self._sums, self._summed = {}, {}, 0
        if self._reads_signs:
            self._signs = {name: weight.sign().to(torch.int8) for name, weight in weights.items()}

    def average(self, slug: str, name: str, score: Tensor) -> None:
        """Add a layer's score of this step; the first one is the average."""
        averages = self.averages.setdefault(slug, {})
        averages[name] = averages[name].lerp(score, 1 - self._beta) if name in averages else score.clone()

    def add(self, names: Iterable[str], gradient: Callable[[str], Tensor]) -> None:
        """Add the gradients of this step."""
        for name in names:
            self._sums[name] = self._sums[name] + gradient(name) if name in self._sums else gradient(name).clone()
        self._summed += 1

    def mean_gradients(self) -> Tensors:
        """Of all steps that were added since the last restart."""
        return {name: total / self._summed for name, total in self._sums.items()}

    def signs(self, name: str) -> Tensor:
        return self._signs[name]

    def state_dict(self) -> dict[str, Any]:
        averages = {slug: dict(layers) for slug, layers in self.averages.items()}
        return {"averages": averages, "signs": dict(self._signs), "sums": dict(self._sums), "summed": self._summed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.averages = {slug: dict(layers) for slug, layers in state["averages"].items()}
        self._signs, self._sums, self._summed = dict(state["signs"]), dict(state["sums"]), state["summed"]
