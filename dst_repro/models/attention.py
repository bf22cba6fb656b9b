"""How often torch's attention multiplies with each of its weights: it calls no layer for them."""

from __future__ import annotations

from typing import Any

from torch import nn

from dst_repro.models.slots import PREFIX

Uses = dict[str, tuple[int, float]]
"""Weight, in its slot or not -> its size, and by how many tokens it is multiplied."""


def count_attention(network: nn.Module, found: Uses) -> list[Any]:
    """Fill `found` in each forward pass from now on; the handles that end it."""
    return [
        module.register_forward_hook(
            lambda m, args, given, _, name=name: found.update(_uses(name, m, args, given)), with_kwargs=True
        )
        for name, module in network.named_modules()
        if isinstance(module, nn.MultiheadAttention)
    ]


def _uses(name: str, module: nn.MultiheadAttention, args: Any, given: Any) -> Uses:
    """Of one call; of queries, keys and values in one matrix their mean."""
    inputs = dict(zip(("query", "key", "value"), args, strict=False)) | given
    queries, keys = (inputs[which].numel() // inputs[which].shape[-1] for which in ("query", "key"))
    often = {"in_proj_weight": (queries + 2 * keys) / 3, "q_proj_weight": queries, "k_proj_weight": keys,
             "v_proj_weight": keys}  # fmt: skip
    found: Uses = {}
    for own, times in often.items():
        weight = getattr(module, own)
        if weight is not None:
            at = own if module._parameters.get(own) is not None else f"{PREFIX}{own}"
            found[f"{name}.{at}".lstrip(".")] = weight.numel(), times
    return found | {f"{name}.out_proj".lstrip("."): (module.out_proj.weight.numel(), queries)}
