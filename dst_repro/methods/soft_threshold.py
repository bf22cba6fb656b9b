"""Soft threshold weight reparameterisation (STR): one threshold a layer, learnt by back-propagation."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from dst_repro.methods.base import Context
from dst_repro.methods.reparameterised import Reparameterised
from dst_repro.registry import Params, methods
from dst_repro.sparsity.soft_threshold import differentiate_shrinking, shrink_weights


class STRParams(Params):
    s_init: float = -3200.0
    """What s starts from in every layer. A larger one gives a sparser network; not comparable between trainings."""
    threshold_decay: Annotated[float, Field(ge=0)] | None = None
    """Weight decay of s; by default that of the weights, as in the paper. A larger one prunes earlier."""


@methods.register("str", STRParams)
class STR(Reparameterised):
    """STR: soft threshold weight reparameterisation (Kusupati et al. 2020)

    Every layer computes with sign(W) * ReLU(|W| - g(s)), g the sigmoid and s one trainable number a layer, which shares
    the weights' optimiser and weight decay. Kept weights come out smaller by g(s); pruned ones get no gradient of the
    loss, only weight decay.

    Density follows from s_init, weight decay, learning rate and length. The default s_init is that of the authors'
    configuration of ResNet-50 on ImageNet at 90.23 % sparsity (100 epochs, weight decay 2.25e-5). There g(s) is 0 in
    float32, and so is its gradient: at first weight decay alone moves s towards 0, by about exp(-sum of learning rate *
    weight decay / (1 - momentum)) in total, and a training too short for that prunes nothing. On small data sets the
    authors advise an s_init of about -100 and a weight decay above 5e-4 (their issue 2).

    No difference between paper and released code is known, so that `fidelity` has no effect.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self._shrink = context.compile(shrink_weights)
        self._differentiate = context.compile(differentiate_shrinking)

    def prepare(self, model: nn.Module) -> None:
        super().prepare(model)
        self.thresholds: dict[str, nn.Parameter] = {}
        for name, module in self.modules.items():
            s = self.thresholds[name] = nn.Parameter(module.weight.new_full((), self.params.s_init))
            module.register_parameter("threshold", s)
        self._w = [weight.detach() for weight in self.weights.values()]
        self._s = [s.detach() for s in self.thresholds.values()]
        self._used = [used.detach() for used in self.used.values()]

    def _limits(self) -> tuple[Tensor, ...]:
        """g(s) of every layer. Never compiled: all that asks has to see the same bits."""
        return torch._foreach_sigmoid(self._s)

    @torch.no_grad()
    def renew(self, training: bool) -> None:
        self._shrink(self._w, self._limits(), self._used)

    @torch.no_grad()
    def after_backward(self, step: int) -> bool:
        """From the gradient of the shrunk weights to those of weights and thresholds."""
        found = self._differentiate(self._w, self._limits(), self.take_gradients())
        for s, gradient in zip(self.thresholds.values(), found, strict=True):
            s.grad = gradient
        return False

    def param_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        thresholds = list(self.thresholds.values())
        known = {id(s) for s in thresholds}
        decay = weight_decay if self.params.threshold_decay is None else self.params.threshold_decay
        return [
            {"params": [p for p in model.parameters() if id(p) not in known], "weight_decay": weight_decay},
            {"params": thresholds, "weight_decay": decay},
        ]

    def network(self, model: nn.Module) -> dict[str, Tensor]:
        state = super().network(model)
        for name in self.thresholds:
            del state[f"{name}.threshold"]
        return state

    @torch.no_grad()
    def masks(self) -> dict[str, Tensor]:
        return {name: w.abs() > g for name, w, g in zip(self.weights, self._w, self._limits(), strict=True)}
