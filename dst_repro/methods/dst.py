"""Dynamic Sparse Training: a pruning threshold per neuron or filter, learnt by back-propagation."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context, Maskable, Method, maskable
from dst_repro.registry import Params, methods
from dst_repro.sparsity.threshold import ESTIMATORS, as_matrix, differentiate, mask_weights, step

RESET_AT = 0.01  # a layer that keeps at most this share is set free again


class DSTParams(Params):
    alpha: Annotated[float, Field(ge=0)]
    """Weight of the sparse regularisation; a larger one gives a sparser network. Not comparable between networks."""
    reset: bool = True
    """Whether a layer that keeps at most 1 % has its thresholds set back to zero; an LSTM's never are as released."""
    threshold_decay: bool | None = None
    """Whether weight decay acts on thresholds; by default as `fidelity` says."""
    granularity: Literal["neuron", "layer", "weight"] = "neuron"
    """What shares a threshold: the weights of a neuron or filter, those of a layer, or none (Liu et al. 2020, A.2)."""
    estimator: Literal["long-tailed", "straight-through", "triangular"] = "long-tailed"
    """What stands for the gradient of the step function (Liu et al. 2020, eq. 3 and Fig. 2)."""


@methods.register("dst", DSTParams)
class DST(Method):
    """DST: Dynamic Sparse Training (Liu et al. 2020)

    Every layer computes with W * S(|W| - t), t one trainable threshold per neuron or filter, starting at 0; the loss
    has alpha * sum(exp(-t)) added (eq. 4 to 6). Thresholds share the weights' optimiser. A layer that keeps at most 1 %
    of its weights gets all its thresholds set to zero, their momentum left as it is.

    The authors' code differs from the paper (`fidelity: released`): S(0) is 0 instead of 1, evaluation passes may reset
    thresholds too, weight decay acts on thresholds, which eq. (5) does not have, and masked layers start from
    U(+-1/sqrt(fan_in)), whatever the dense network starts from. The matrices of an LSTM are never reset then, whatever
    `reset` says, and start as its masked cell does.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self.closed = self.paper = context.config.fidelity == "paper"
        if not self.paper and context.config.weights_from is not None:
            raise ConfigError("as released, masked layers draw their weights anew", "weights_from")
        self.weights: dict[str, nn.Parameter] = {}
        self.thresholds: dict[str, nn.Parameter] = {}
        self.masked: dict[str, Tensor] = {}
        estimator = ESTIMATORS[params.estimator]
        self._mask_weights = context.compile(functools.partial(mask_weights, closed=self.closed))
        self._differentiate = context.compile(functools.partial(differentiate, closed=self.closed, estimator=estimator))

    def initialise(self, model: nn.Module) -> None:
        if not self.paper:
            for module in maskable(model).values():
                module.reset_parameters()

    def prepare(self, model: nn.Module) -> None:
        """`weight` of each layer becomes `weight_orig` and `threshold`, which train, and the masked weight.

        The masked weight is a leaf of the graph in a buffer of its own, renewed before each forward pass, so that its
        gradient G is at hand for all layers at once, dense and ours to change in place.
        """
        super().prepare(model)
        for name, module in self.modules.items():
            weight = self.weights[name] = module.get_parameter("weight")
            threshold = self.thresholds[name] = nn.Parameter(self._start(weight))
            del module._parameters["weight"]
            module.register_parameter("weight_orig", weight)
            module.register_parameter("threshold", threshold)
            masked = torch.empty_strided(weight.shape, weight.stride(), dtype=weight.dtype, device=weight.device)
            self.masked[name] = masked.requires_grad_()
            object.__setattr__(module, "weight", masked)  # a plain attribute: the parameters are the two above
        self._w = [as_matrix(weight.detach()) for weight in self.weights.values()]
        self._t = [as_matrix(self._per_row(name).detach()) for name in self.thresholds]
        self._out = [as_matrix(masked.detach()) for masked in self.masked.values()]
        device = self._w[0].device
        least = [RESET_AT * m.weight.numel() if self._may_reset(m) else -1 for m in self.modules.values()]
        self._least = torch.tensor(least, dtype=torch.float64, device=device)
        self._never_reset = max(least) < 0
        self._alpha = torch.tensor(self.params.alpha, device=device)
        self._resets = torch.zeros(len(self._w), dtype=torch.int64, device=device)
        model.register_forward_pre_hook(lambda model, _: self._renew(model.training))

    def _may_reset(self, module: Maskable) -> bool:
        return bool(self.params.reset and (self.paper or getattr(module, "reset_as_released", True)))

    def _start(self, weight: Tensor) -> Tensor:
        """Thresholds of 0, in the shape of what shares one."""
        match self.params.granularity:
            case "neuron":
                return weight.new_zeros(len(weight))
            case "layer":
                return weight.new_zeros(1)
            case _:
                return torch.zeros_like(weight)

    def _per_row(self, name: str) -> Tensor:
        """Thresholds of a layer in a shape that broadcasts against its weight."""
        threshold, weight = self.thresholds[name], self.weights[name]
        return threshold if self.params.granularity == "weight" else threshold.view(-1, *[1] * (weight.dim() - 1))

    @torch.no_grad()
    def _renew(self, training: bool) -> None:
        """Compute every layer's masked weight, and once more after a reset.

        On a GPU it is always computed twice: to ask whether a layer is empty would make the processor wait for it.
        """
        kept = self._mask_weights(self._w, self._t, self._out)
        if self._never_reset or (self.paper and not training):
            return
        empty = kept <= self._least
        if empty.is_cpu and not empty.any():
            return
        for threshold, reset in zip(self._t, empty, strict=True):
            threshold.masked_fill_(reset, 0.0)
        self._resets += empty
        self._mask_weights(self._w, self._t, self._out)

    @torch.no_grad()
    def after_backward(self, step: int) -> bool:
        """From the gradient of the masked weights to those of weights and thresholds, regularisation included."""
        gradients = [as_matrix(self._gradient(name)) for name in self.masked]
        found = self._differentiate(self._w, self._t, gradients, self._alpha)
        for name, masked in self.masked.items():
            self.weights[name].grad, masked.grad = masked.grad, None
        for threshold, gradient in zip(self.thresholds.values(), found, strict=True):
            threshold.grad = gradient.as_strided(threshold.shape, threshold.stride())  # of the same order in memory
        return False

    def _gradient(self, name: str) -> Tensor:
        gradient = self.masked[name].grad
        if gradient is None:
            raise RuntimeError(f"layer '{name}' took no part in the loss")
        return gradient

    def param_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        decays = not self.paper if self.params.threshold_decay is None else self.params.threshold_decay
        thresholds = list(self.thresholds.values())
        known = {id(t) for t in thresholds}
        others = [p for p in model.parameters() if id(p) not in known]
        return [
            {"params": others, "weight_decay": weight_decay},
            {"params": thresholds, "weight_decay": weight_decay if decays else 0.0},
        ]

    def network(self, model: nn.Module) -> dict[str, Tensor]:
        masks, state = self.masks(), super().network(model)
        for name in self.weights:
            del state[f"{name}.threshold"]
            state[f"{name}.weight"] = state.pop(f"{name}.weight_orig") * masks[name]
        return state

    @torch.no_grad()
    def masks(self) -> dict[str, Tensor]:
        return {name: step(w.abs(), self._per_row(name), self.closed) for name, w in self.weights.items()}

    def events(self) -> dict[str, dict[str, float]]:
        found = {"resets": dict(zip(self.weights, map(float, self._resets.tolist()), strict=True))}
        if not self.paper:
            found |= self._as_printed()
        return found

    @torch.no_grad()
    def _as_printed(self) -> dict[str, dict[str, float]]:
        """Kept weights of layers that the authors' code counts in a way of its own: those of the LSTMs."""
        counted = {}
        for name, mask in self.masks().items():
            count: Any = getattr(self.modules[name], "kept_as_printed", None)
            if count is not None:
                counted[name] = count(mask, torch.where(mask, self.weights[name], 0))
        return {"kept_as_printed": counted} if counted else {}

    def state_dict(self) -> dict[str, Any]:
        return {"resets": self._resets}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._resets.copy_(state["resets"])
