"""Pruning to a density in one go: which layers take part, which weights compete, and what is kept."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from dst_repro.errors import ConfigError
from dst_repro.registry import Params
from dst_repro.sparsity.criteria import pooled
from dst_repro.sparsity.distribution import counts
from dst_repro.sparsity.masks import highest

Scope = Literal["uniform", "er", "erk", "global"]


class LayerParams(Params):
    layers: Literal["all", "convolutions"] = "all"
    """Which layers are pruned; the density is that of these alone, the others stay dense."""
    exempt: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Names of layers that stay dense, shell patterns allowed, e.g. `fc` or `stage1.*`."""


class PruneParams(LayerParams):
    scope: Scope = "uniform"
    """Which weights compete: those of a layer, whose share is uniform, ER or ERK, or all weights of the network."""


def prunable(modules: Mapping[str, nn.Conv2d | nn.Linear], params: LayerParams) -> list[str]:
    """Names of the layers that take part. `ConfigError` for a pattern that fits none, and if none is left."""
    for pattern in params.exempt:
        if not fnmatch.filter(modules, pattern):
            raise ConfigError(f"no layer '{pattern}'; there are {', '.join(modules)}", "method_params.exempt")
    found = [
        name
        for name, module in modules.items()
        if (params.layers == "all" or isinstance(module, nn.Conv2d))
        and not any(fnmatch.fnmatch(name, pattern) for pattern in params.exempt)
    ]
    if not found:
        raise ConfigError("leaves no layer to prune", "method_params")
    return found


def keep_highest(
    scores: Mapping[str, Tensor], among: Mapping[str, Tensor], density: float, scope: Scope, final: float | None = None
) -> dict[str, Tensor]:
    """Layer -> boolean mask of the highest scores among the candidates, round(density * numel) over all layers.

    What a layer has too few candidates for goes to the others. Raises ValueError if all layers together have too few.

    Where each layer has its own share and `density` falls towards `final`, none gets fewer than `final` gives it, which
    rounding may ask for; the number of all layers may then be some weights larger, but not at `final`.
    """
    room = {name: int(among[name].sum()) for name in scores}
    if scope == "global":
        total = round(density * sum(score.numel() for score in scores.values()))
        if total > sum(room.values()):
            raise ValueError(f"{total} weights are to be kept of {sum(room.values())}")
        return pooled(functools.partial(highest, n=total), scores, among)
    shapes = {name: tuple(score.shape) for name, score in scores.items()}
    kept = counts(shapes, density, scope, room)
    if final is not None and final != density:
        least = counts(shapes, final, scope)
        kept = {name: max(number, least[name]) for name, number in kept.items()}
    return {name: highest(score, among[name], kept[name]) for name, score in scores.items()}
