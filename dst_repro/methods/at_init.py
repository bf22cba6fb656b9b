"""The base of the methods that score the weights and prune before the first step."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from dst_repro.data.base import Data
from dst_repro.methods.base import Maskable, maskable
from dst_repro.methods.masked import Masked
from dst_repro.sparsity.masks import shuffled
from dst_repro.sparsity.pruning import PruneParams, Scope, keep_highest, prunable
from dst_repro.sparsity.zeroing import zero_elsewhere

Mode = Literal["train", "eval"]


class AtInitParams(PruneParams):
    scope: Scope = "global"
    """Whether scores are compared over the whole network or layer by layer, at which densities."""
    iterations: Annotated[int, Field(ge=1)] = 1
    """T prunings, each of them scores what is left; after the t-th the density is density^(t/T)."""
    positions: Literal["scored", "shuffled"] = "scored"
    """Whether the weights that are kept are those of the highest scores, or as many of each layer drawn at random."""


class AtInit(Masked):
    """Keeps the highest scores (Tanaka et al. 2020, algorithm 1, for all scores); parameters are `AtInitParams`.

    What is scored is a copy of the network, in which pruned weights are zero: nothing but the masks comes of it. What
    is pruned stays so.
    """

    def scores(self, network: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Layer -> score of every weight; `weights` are those of the layers to prune, in `network`."""
        raise TypeError(f"{type(self).__name__} defines no scores")

    def scored_network(self, model: nn.Module) -> nn.Module:
        """The copy of the network that is scored, and may be written to."""
        return copy.deepcopy(model)

    @property
    def data(self) -> Data:
        """The data of the run."""
        if self.context.data is None:
            raise TypeError(f"{type(self).__name__} reads the data of the run")
        return self.context.data

    def prepare(self, model: nn.Module) -> None:
        self.modules = maskable(model)
        chosen = self._chosen(model)
        if self.params.positions == "shuffled":
            chosen = {name: shuffled(mask, self.context.rng("shuffled", name)) for name, mask in chosen.items()}
        self.set_masks(self.full_masks() | chosen)

    def _chosen(self, model: nn.Module) -> dict[str, Tensor]:
        network = self.scored_network(model)
        layers = maskable(network)
        weights = {name: layers[name].weight for name in prunable(self.modules, self.params)}
        masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
        final = self.final_density(sum(weight.numel() for weight in weights.values()))
        for t in range(1, self.params.iterations + 1):
            with self._as_if_alone(layers):
                scores = self.scores(network, weights)
            broken = [name for name, score in scores.items() if not bool(score.isfinite().all())]
            if broken:
                raise FloatingPointError(f"scores of iteration {t} are not finite: {', '.join(broken)}")
            density = final ** (t / self.params.iterations)
            masks = keep_highest(scores, masks, density, self.params.scope, final=final)
            for name, weight in weights.items():
                zero_elsewhere(weight, masks[name])
        return masks

    @contextlib.contextmanager
    def _as_if_alone(self, layers: dict[str, Maskable]) -> Iterator[None]:
        """Dropout and the like draw from a stream of their own, and the global ones are left as they were.

        cuDNN's LSTM has no second derivative, and in evaluation no first one either; torch's own has both.
        """
        device = next(iter(layers.values())).weight.device
        cudnn = torch.backends.cudnn.enabled
        torch.backends.cudnn.enabled = cudnn and any(isinstance(layer, nn.Conv2d) for layer in layers.values())
        try:
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                torch.manual_seed(self.context.rng("score", "layers").initial_seed())
                yield
        finally:
            torch.backends.cudnn.enabled = cudnn


def redraw(layer: Maskable, rng: torch.Generator) -> None:
    """Draw a layer's weight anew from Xavier's normal distribution (Glorot and Bengio 2010)."""
    drawn = nn.init.xavier_normal_(torch.empty(layer.weight.shape), generator=rng)
    with torch.no_grad():
        layer.weight.copy_(drawn)
