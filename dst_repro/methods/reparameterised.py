"""The base of methods whose layers compute with a function of their weights, pruned weights living on underneath."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dst_repro.methods.base import Method


class Reparameterised(Method):
    """`weight` of each layer becomes `weight_orig`, which trains, and the weight that the layer computes with.

    The latter is a leaf of the graph in a buffer of its own, renewed before each forward pass, so that its gradient,
    dense, is at hand in `after_backward`, where a method makes the gradient of `weight_orig` of it.
    """

    def prepare(self, model: nn.Module) -> None:
        super().prepare(model)
        self.weights: dict[str, nn.Parameter] = {}
        self.used: dict[str, Tensor] = {}
        for name, module in self.modules.items():
            weight = self.weights[name] = module.get_parameter("weight")
            del module._parameters["weight"]
            module.register_parameter("weight_orig", weight)
            used = torch.empty_strided(weight.shape, weight.stride(), dtype=weight.dtype, device=weight.device)
            self.used[name] = used.requires_grad_()
            object.__setattr__(module, "weight", used)  # a plain attribute: the parameter is the one above
        model.register_forward_pre_hook(lambda model, _: self.renew(model.training))

    def renew(self, training: bool) -> None:
        """Write the weights to compute with into `used`; the next pass is one of training or of evaluation."""
        raise TypeError(f"{type(self).__name__} does not say what its layers compute with")

    def take_gradients(self) -> list[Tensor]:
        """Hand the gradients of the used weights over to the weights underneath, to be changed in place."""
        found = []
        for name, used in self.used.items():
            if used.grad is None:
                raise RuntimeError(f"layer '{name}' took no part in the loss")
            found.append(used.grad)
            self.weights[name].grad, used.grad = used.grad, None
        return found

    def network(self, model: nn.Module) -> dict[str, Tensor]:
        self.renew(training=False)
        state = super().network(model)
        for name, used in self.used.items():
            del state[f"{name}.weight_orig"]
            state[f"{name}.weight"] = used.detach().clone()
        return state
