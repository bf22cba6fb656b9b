"""Weights that no method masks: parameters of two or more dimensions outside of the layers that can be masked."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from dst_repro.methods.base import maskable


def unmasked(model: nn.Module) -> dict[str, torch.Size]:
    """Name -> shape of the parameters of two or more dimensions that belong to no masked layer.

    Before or after a method has prepared the network: what it trains in a masked layer belongs to that.
    """
    masked = {id(p) for layer in maskable(model).values() for p in layer.parameters(recurse=False)}
    return {name: p.shape for name, p in model.named_parameters() if p.dim() >= 2 and id(p) not in masked}


def unasked(model: nn.Module) -> list[str]:
    """The names of those that are dense although their module does not say so."""
    chosen = {
        f"{path}.{name}".lstrip(".")
        for path, module in model.named_modules()
        if getattr(module, "maskable", None) is False
        for name, _ in module.named_parameters(recurse=False)
    }
    return [name for name in unmasked(model) if name not in chosen]


def told(names: Iterable[str]) -> str:
    """One line about them."""
    return f"no method masks {', '.join(names)}; the density is that of the layers that are masked"
