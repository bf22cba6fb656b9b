"""Pruning at initialisation by what a weight counts for the loss, to first order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.data.samples import at_random
from dst_repro.methods.at_init import AtInit, AtInitParams, Mode, redraw
from dst_repro.methods.base import maskable
from dst_repro.registry import methods
from dst_repro.sparsity.criteria import criterion
from dst_repro.sparsity.view import View


class SensitivityParams(AtInitParams):
    batches: Annotated[int, Field(ge=1)] = 1
    """How many mini-batches of training images a score reads; every iteration reads the same ones."""
    batch_size: Annotated[int, Field(ge=1)] | None = None
    """Images in each of them; by default as many as in training."""
    mode: Mode = "train"
    """Whether batch normalisation goes by the batch, or by its running statistics."""


@dataclass(frozen=True)
class WithGradient:
    """What these criteria read of a layer (`sparsity.view.View`)."""

    weight: Tensor
    gradient: Tensor


class Sensitivity(AtInit):
    """Scores by a criterion that reads the gradient of the loss; parameters are `SensitivityParams`."""

    criterion: ClassVar[str]

    def scores(self, network: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        score = criterion(self.criterion).score
        gradients = self._gradients(network, list(weights.values()))
        return {
            name: score(cast(View, WithGradient(weight.detach(), gradient)))
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
        }

    def _gradients(self, network: nn.Module, weights: list[Tensor]) -> list[Tensor]:
        """Of the mean cross-entropy over all images read."""
        total, images_read = [torch.zeros_like(weight) for weight in weights], 0
        size = self.params.batch_size or self.context.config.batch_size
        for images, labels in at_random(self.data, self.params.batches, size, self.context.rng("score")):
            network.train(self.params.mode == "train")
            loss = functional.cross_entropy(network(images), labels, reduction="sum")
            torch._foreach_add_(total, torch.autograd.grad(loss, weights))
            images_read += len(labels)
        return [gradient / images_read for gradient in total]


@methods.register("snip", SensitivityParams, density=True, uses=[("prune rule", "snip")])
class SNIP(Sensitivity):
    """SNIP: the connection sensitivity abs(w * dL/dw) of the initial weights (Lee et al. 2019)

    One mini-batch, one pruning, all layers in one competition, in training mode. L is the mean cross-entropy over the
    images read. The authors' code also masks biases, which are never masked here. `fidelity: released` follows a
    widespread one in PyTorch (mil-ad/snip), which scores other weights than it trains: those of the scored copy are
    drawn anew from Xavier's normal distribution. Pruned weights don't come back in a later iteration, unlike in code
    that takes the gradient of masks.
    """

    criterion = "snip"

    def scored_network(self, model: nn.Module) -> nn.Module:
        network = super().scored_network(model)
        if self.context.config.fidelity == "released":
            for name, layer in maskable(network).items():
                redraw(layer, self.context.rng("score", "weights", name))
        return network
