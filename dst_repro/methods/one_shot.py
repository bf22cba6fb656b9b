"""One-shot magnitude pruning: the pruning stage of train, prune, fine-tune."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from dst_repro.methods.masked import Masked
from dst_repro.registry import Params, methods
from dst_repro.sparsity.distribution import counts
from dst_repro.sparsity.masks import highest


class OneShotParams(Params):
    scope: Literal["uniform", "er", "erk", "global"] = "uniform"
    """Which weights compete: those of a layer, whose share is uniform, ER or ERK, or all weights of the network."""


@methods.register("one-shot", OneShotParams, density=True)
class OneShot(Masked):
    """One-shot magnitude pruning before the first step (Han et al. 2015; Liu et al. 2019)

    With `weights_from` a dense run it is the classical pipeline: train, prune the smallest magnitudes, fine-tune.
    Without it, it prunes the initial weights.
    """

    def initial_masks(self) -> dict[str, Tensor]:
        magnitude = {name: m.weight.detach().abs() for name, m in self.modules.items()}
        density = self.context.density
        if self.params.scope != "global":
            kept = counts({n: tuple(w.shape) for n, w in magnitude.items()}, density, self.params.scope)
            return {n: highest(w, torch.ones_like(w, dtype=torch.bool), kept[n]) for n, w in magnitude.items()}
        flat = torch.cat([w.flatten() for w in magnitude.values()])
        chosen = highest(flat, torch.ones_like(flat, dtype=torch.bool), round(density * flat.numel()))
        parts = chosen.split([w.numel() for w in magnitude.values()])
        return {n: part.view(w.shape) for (n, w), part in zip(magnitude.items(), parts, strict=True)}
