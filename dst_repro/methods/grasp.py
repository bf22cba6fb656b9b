"""Pruning at initialisation for the flow of gradients that is left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.data.samples import of_each_class
from dst_repro.methods.at_init import AtInit, AtInitParams, Mode, redraw
from dst_repro.methods.base import maskable
from dst_repro.registry import methods


class GraSPParams(AtInitParams):
    per_class: Annotated[int, Field(ge=1)] = 10
    """Images of each class in a batch."""
    batches: Annotated[int, Field(ge=1)] = 1
    """How many such batches a score reads; every iteration reads the same ones."""
    temperature: Annotated[float, Field(gt=0)] = 200.0
    """What logits are divided by."""
    mode: Mode = "train"
    """Whether batch normalisation goes by the batch, or by its running statistics."""


@methods.register("grasp", GraSPParams, density=True)
class GraSP(AtInit):
    """GraSP: gradient signal preservation, the lowest -w * (H g) of the initial weights are kept (Wang et al. 2020)

    g is the gradient and H the Hessian of the cross-entropy of logits / 200 in the weights of all convolutions and
    linear layers. A weight with a large w * (H g) gives the gradients size; to prune it would shrink them. `fidelity:
    released` is the authors' code: each batch comes in two halves, which hold different classes, so that batch
    normalisation sees one half at a time; the weights of linear layers in the scored copy are drawn anew from Xavier's
    normal distribution; and one weight fewer is pruned, int(N * sparsity) - 1 of N.
    """

    def final_density(self, numel: int) -> float:
        if self.context.config.fidelity == "paper":
            return self.context.density
        pruned = max(0, int(numel * (1 - self.context.density)) - 1)
        return (numel - pruned) / numel

    def scored_network(self, model: nn.Module) -> nn.Module:
        network = super().scored_network(model)
        if self.context.config.fidelity == "released":
            for name, layer in maskable(network).items():
                if isinstance(layer, nn.Linear):
                    redraw(layer, self.context.rng("score", "weights", name))
        return network

    def scores(self, network: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        every = [layer.weight for layer in maskable(network).values()]
        gradient = [torch.zeros_like(weight) for weight in every]
        for batch in self._samples():
            torch._foreach_add_(gradient, torch.autograd.grad(self._loss(network, *batch), every))
        product = [torch.zeros_like(weight) for weight in weights.values()]
        for batch in self._samples():
            once = torch.autograd.grad(self._loss(network, *batch), every, create_graph=True)
            along = torch.stack([(g * again).sum() for g, again in zip(gradient, once, strict=True)]).sum()
            torch._foreach_add_(product, torch.autograd.grad(along, list(weights.values())))
        return {name: weight.detach() * hg for (name, weight), hg in zip(weights.items(), product, strict=True)}

    def _samples(self) -> Iterator[tuple[Tensor, Tensor]]:
        for i in range(self.params.batches):
            images, labels = of_each_class(self.data, self.params.per_class, self.context.rng("score", i))
            if self.context.config.fidelity == "paper":
                yield images, labels
            else:
                middle = len(labels) // 2
                yield images[:middle], labels[:middle]
                yield images[middle:], labels[middle:]

    def _loss(self, network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        torch.manual_seed(self.context.rng("score", "layers").initial_seed())  # dropout: one draw for g and H g
        network.train(self.params.mode == "train")
        return functional.cross_entropy(network(images) / self.params.temperature, labels)
