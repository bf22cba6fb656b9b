"""Dynamic Sparse Training: a pruning threshold per neuron or filter, learnt by back-propagation."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from dst_repro.methods.base import Context, Method
from dst_repro.registry import Params, methods
from dst_repro.sparsity.threshold import ThresholdedWeight, threshold_mask

RESET_BELOW = 0.01  # a layer that keeps at most this share is set free again


class DSTParams(Params):
    alpha: Annotated[float, Field(ge=0)]
    """Weight of the sparse regularisation; a larger one gives a sparser network. Not comparable between networks."""
    reset: bool = True
    """Whether a layer that keeps at most 1 % has its thresholds set back to zero."""
    threshold_decay: bool | None = None
    """Whether weight decay acts on thresholds; by default as `fidelity` says."""


@methods.register("dst", DSTParams)
class DST(Method):
    """Dynamic Sparse Training (Liu et al. 2020)

    Every layer computes with W * S(|W| - t), t one trainable threshold per neuron or filter, starting at 0; the loss
    has alpha * sum(exp(-t)) added (eq. 4 to 6). Thresholds share the weights' optimiser. A layer that keeps at most 1 %
    of its weights gets all its thresholds set to zero, their momentum left as it is.

    The authors' code differs from the paper (`fidelity: released`): S(0) is 0 instead of 1, evaluation passes may reset
    thresholds too, and weight decay acts on thresholds, which eq. (5) does not have.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self.paper = context.config.fidelity == "paper"
        self.thresholds: dict[str, nn.Parameter] = {}
        self.weights: dict[str, nn.Parameter] = {}
        self.resets: dict[str, int] = {}

    def prepare(self, model: nn.Module) -> None:
        """`weight` of each layer becomes `weight_orig` and `threshold`; each forward pass computes `weight` anew."""
        super().prepare(model)
        for name, module in self.modules.items():
            weight = self.weights[name] = module.get_parameter("weight")
            threshold = self.thresholds[name] = nn.Parameter(weight.new_zeros(len(weight)))
            del module._parameters["weight"]
            module.register_parameter("weight_orig", weight)
            module.register_parameter("threshold", threshold)
            self.resets[name] = 0
        model.register_forward_pre_hook(lambda model, _: self._thread(model.training))

    def _thread(self, training: bool) -> None:
        """Give every layer its masked weight for this forward pass."""
        for name, module in self.modules.items():
            mask = self._mask(name)
            if self.params.reset and (training or not self.paper) and int(mask.sum()) <= RESET_BELOW * mask.numel():
                with torch.no_grad():
                    self.thresholds[name].zero_()
                self.resets[name] += 1
                mask = self._mask(name)
            masked = ThresholdedWeight.apply(self.weights[name], self.thresholds[name], mask)  # type: ignore[no-untyped-call]
            object.__setattr__(module, "weight", masked)  # a plain attribute: the parameters are the two above

    @torch.no_grad()
    def _mask(self, name: str) -> Tensor:
        return threshold_mask(self.weights[name], self.thresholds[name], closed=self.paper)

    def param_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        decays = not self.paper if self.params.threshold_decay is None else self.params.threshold_decay
        thresholds = list(self.thresholds.values())
        known = {id(t) for t in thresholds}
        others = [p for p in model.parameters() if id(p) not in known]
        return [
            {"params": others, "weight_decay": weight_decay},
            {"params": thresholds, "weight_decay": weight_decay if decays else 0.0},
        ]

    def penalty(self) -> Tensor | None:
        """alpha * L_s, L_s = sum over all thresholds of exp(-t) (eq. 4), without normalisation."""
        return torch.cat(list(self.thresholds.values())).neg().exp().sum().mul(self.params.alpha)

    def masks(self) -> dict[str, Tensor]:
        return {name: self._mask(name) for name in self.modules}

    def events(self) -> dict[str, dict[str, float]]:
        return {"resets": {name: float(n) for name, n in self.resets.items()}}

    def state_dict(self) -> dict[str, Any]:
        return {"resets": dict(self.resets)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.resets = dict(state["resets"])
