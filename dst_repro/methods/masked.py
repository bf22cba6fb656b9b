"""The base of every method with an explicit binary mask."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from dst_repro.methods.base import Context, Method
from dst_repro.sparsity.distribution import Distribution, counts
from dst_repro.sparsity.masks import random_mask
from dst_repro.sparsity.pruning import LayerParams, prunable
from dst_repro.sparsity.zeroing import keep_bits, zero_elsewhere, zero_pruned


class Masked(Method):
    """Masks that hold for the forward pass because pruned weights are exactly zero, and stay so.

    Three things keep a pruned weight at zero without touching the weights at every step: its gradient is masked before
    the optimiser's step, its optimiser state was cleared when it was pruned, and weight decay of zero is zero. So
    `weight.grad` is dense in `after_backward`, where growth reads it, at the cost of one operation a layer and step.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self._masks: dict[str, Tensor] = {}
        self._bits: list[Tensor] = []  # the masks as `zero_pruned` takes them
        self._optimizer: torch.optim.Optimizer | None = None

    def prepare(self, model: nn.Module) -> None:
        super().prepare(model)
        self.set_masks(self.initial_masks())

    def initial_masks(self) -> dict[str, Tensor]:
        """Layer -> boolean mask to start from."""
        raise TypeError(f"{type(self).__name__} defines no initial masks")

    def full_masks(self) -> dict[str, Tensor]:
        """Layer -> mask of a dense layer."""
        return {name: torch.ones_like(m.weight, dtype=torch.bool) for name, m in self.modules.items()}

    def random_masks(
        self, density: float, distribution: Distribution, names: Iterable[str] | None = None
    ) -> dict[str, Tensor]:
        """Random positions with exact counts in these layers, by default in all, from the run's mask stream."""
        weights = {name: self.modules[name].weight for name in names or self.modules}
        kept = counts({name: tuple(weight.shape) for name, weight in weights.items()}, density, distribution)
        return {
            name: random_mask(weight.shape, kept[name], self.context.rng("initial", name)).to(weight.device)
            for name, weight in weights.items()
        }

    def wanted(self) -> range | None:
        """The density is that of the layers that take part; the others stay dense."""
        everything = super().wanted()
        if everything is None or not isinstance(self.params, LayerParams):
            return everything
        sizes = {name: module.weight.numel() for name, module in self.modules.items()}
        part = sum(sizes[name] for name in prunable(self.modules, self.params))
        kept = sum(sizes.values()) - part + round(self.final_density(part) * part)
        return range(kept, kept + 1)

    def final_density(self, numel: int) -> float:
        """The density at the end of the layers that take part, which have `numel` weights."""
        return self.context.density

    def bind(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer

    @torch.no_grad()
    def set_masks(self, masks: dict[str, Tensor], restart: dict[str, Tensor] | None = None) -> None:
        """Adopt `masks`: pruned weights become zero, and so does the optimiser's state of pruned weights.

        `restart` marks weights that start anew (value and state zero) although they are kept.
        """
        for name, mask in masks.items():
            weight = self.modules[name].weight
            keep = mask if restart is None else mask & ~restart[name]
            zero_elsewhere(weight, keep)
            self._clear_state(weight, keep)
        self._masks = masks
        self._bits = [keep_bits(mask, self.modules[name].weight) for name, mask in masks.items()]

    def _clear_state(self, weight: Tensor, keep: Tensor) -> None:
        if self._optimizer is None:
            return
        for value in self._optimizer.state.get(weight, {}).values():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                zero_elsewhere(value, keep)

    def mask_gradients(self) -> None:
        zero_pruned([self.gradient(name) for name in self._masks], self._bits)

    def gradient(self, name: str) -> Tensor:
        """The gradient of a layer's weight, dense until `mask_gradients`."""
        gradient = self.modules[name].weight.grad
        if gradient is None:
            raise RuntimeError(f"layer '{name}' took no part in the loss")
        return gradient

    def after_backward(self, step: int) -> bool:
        self.mask_gradients()
        return False

    def masks(self) -> dict[str, Tensor]:
        return self._masks

    def state_dict(self) -> dict[str, Any]:
        return {"masks": self._masks}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.set_masks({name: mask.to(self.modules[name].weight.device) for name, mask in state["masks"].items()})
