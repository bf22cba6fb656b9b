"""What is measured of changing masks: how much was explored, what is left of the start, how far criteria agree."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Tensor

Masks = Mapping[str, Tensor]
Events = dict[str, dict[str, float]]
"""Name -> layer -> value."""


class Exploration:
    """Which weights were active at the start, and which ever since."""

    def __init__(self, masks: Masks) -> None:
        self.initial = {name: mask.clone() for name, mask in masks.items()}
        self.ever = dict(self.initial)

    def add(self, masks: Masks) -> None:
        self.ever = {name: ever | masks[name] for name, ever in self.ever.items()}

    def events(self, masks: Masks) -> Events:
        """`explored`: weights that have been active so far; over a layer's size, the exploration rate of Liu et al.
        (2021). `from_start`: active weights that were active at the start. If a are active and b were then, the Jaccard
        index of the two masks is from_start / (a + b - from_start).
        """
        return {
            "explored": {name: float(ever.sum()) for name, ever in self.ever.items()},
            "from_start": {name: float((mask & self.initial[name]).sum()) for name, mask in masks.items()},
        }

    def state_dict(self) -> dict[str, Any]:
        return {"initial": self.initial, "ever": self.ever}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.initial, self.ever = dict(state["initial"]), dict(state["ever"])


def agreement(selected: Mapping[str, Masks]) -> Events:
    """Criterion -> layer -> boolean mask of its choice, as counts: `selected/a` of each criterion, and `common/a/b` of
    each pair, in the order given.
    """
    sizes = {f"selected/{slug}": {n: float(m.sum()) for n, m in masks.items()} for slug, masks in selected.items()}
    pairs = itertools.combinations(selected.items(), 2)
    return sizes | {
        f"common/{a}/{b}": {name: float((mask & others[name]).sum()) for name, mask in masks.items()}
        for (a, masks), (b, others) in pairs
    }
