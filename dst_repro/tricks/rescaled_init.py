"""Initial weights, each layer's by a factor of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import torch
from pydantic import Field
from torch import Tensor, nn

from dst_repro.methods.base import Context, Method
from dst_repro.models.plain import plain_network
from dst_repro.registry import Params, tricks
from dst_repro.seeding import derive
from dst_repro.tricks.base import Trick
from dst_repro.tricks.gradinit import Settings, learn_scales


class RescaledInitParams(Params):
    when: Literal["after-masking", "before-masking"] = "after-masking"
    """Of which network the factors are learnt: of the masked one, or of the dense one before (`released`, type 1)."""
    gradients: Literal["masked", "all"] = "masked"
    """Whether those of pruned weights take part, in the look-ahead and in the norm: `all` is `released`, type 2."""
    iterations: Annotated[int, Field(ge=1)] = 180
    """Mini-batches that the factors learn from."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Of the factors."""
    eta: Annotated[float, Field(gt=0)] = 0.1
    """Length of the step that is looked ahead."""
    gamma: Annotated[float, Field(gt=0)] = 1.0
    """What the gradient's norm may be at most."""
    smallest: Annotated[float, Field(gt=0, le=1)] = 0.01
    """Of the factors of weights."""


@runtime_checkable
class Derives(Protocol):
    """A method that has made something of the weights by the time when they are scaled."""

    def rescaled(self, scales: Mapping[str, float]) -> None:
        """Make it anew; `scales` has the factor of each layer's weights."""


@tricks.register("rescaled-init", RescaledInitParams)
class RescaledInit(Trick):
    """re-scaled initialisation: a factor for each layer, by GradInit (Zhu et al. 2021; Jaiswal et al. 2022)

    One factor for each tensor of parameters, learnt so that one step of length `eta` lowers the loss most, with the
    norm of the gradient held to `gamma`, see `gradinit`. Scaled are the weights that the run starts with: its own
    initialisation, or those that `weights_from` names, trained or not. Settings are those of ToST's README. Its
    released code learns the factors either before masking (its type 1, which its README calls) or after, but with the
    gradients of pruned weights (type 2); by default they are left out here.
    """

    order = 1
    params: RescaledInitParams

    def __init__(self, params: RescaledInitParams, context: Context) -> None:
        super().__init__(params, context)
        self.scales: dict[str, float] = {}

    def before_masks(self, model: nn.Module) -> None:
        if self.params.when == "before-masking":
            self.scales = self._learn(model, None)

    def begin(self, model: nn.Module, method: Method, others: Sequence[Trick]) -> None:
        if self.params.when == "after-masking":
            network = self._plain(model, method)
            for other in others:
                other.dress(network)
            masked = self.params.gradients == "masked"
            masks = {f"{name}.weight": mask for name, mask in method.masks().items()} if masked else None
            self.scales = self._learn(network, masks)
        self._apply(model, method)

    def _plain(self, model: nn.Module, method: Method) -> nn.Module:
        """A plain network with the weights that the run's computes with, pruned ones zero."""
        data = self.context.data
        if data is None:
            raise RuntimeError("scales are learnt from data")
        network: Any = plain_network(self.context.config, data)
        network.load_state_dict(method.network(model))
        found: nn.Module = network.to(next(model.parameters()).device, memory_format=torch.channels_last)
        return found

    def _learn(self, network: nn.Module, masks: dict[str, Tensor] | None) -> dict[str, float]:
        p = self.params
        settings = Settings(
            eta=p.eta, gamma=p.gamma, learning_rate=p.learning_rate, iterations=p.iterations, smallest=p.smallest
        )
        return learn_scales(network, self._batches(), settings, masks)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Training batches as in training, in an order of their own, without end."""
        if self.context.data is None:
            raise RuntimeError("scales are learnt from data")
        config = self.context.config
        seed = derive(config.seed, "tricks", "rescaled-init")
        for epoch in itertools.count():
            yield from self.context.data.train_batches(config.batch_size, seed, epoch)

    @torch.no_grad()
    def _apply(self, model: nn.Module, method: Method) -> None:
        """Some methods keep a layer's weights under another name, and compute with others made of them."""
        own = dict(model.named_parameters())
        for name, scale in self.scales.items():
            (own[name] if name in own else own[f"{name}_orig"]).mul_(scale)
        if isinstance(method, Derives):
            weights = {n.removesuffix(".weight"): s for n, s in self.scales.items() if n.endswith(".weight")}
            method.rescaled({name: weights.get(name, 1.0) for name in method.modules})

    def started(self) -> dict[str, dict[str, float]]:
        return {"initial_scale": self.scales}
