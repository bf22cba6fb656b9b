"""The health of a mask: which kept weights lie on a path from the input to the output, and which layers have none.

A kept weight that leads nowhere, or that nothing reaches, is as good as pruned; without it, density is *effective*
(Vysogorets and Kempe 2021, arXiv 2107.02306).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Reached(torch.autograd.Function):
    """1 where a number is above zero, in both directions: what counts is that there is a path, not how many.

    So nothing overflows or vanishes, however deep or sparse the network is.
    """

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return (gradients[0] > 0).to(gradients[0].dtype)


def _reached(_: nn.Module, __: object, out: Tensor) -> Tensor:
    reached: Tensor = _Reached.apply(out)  # type: ignore[no-untyped-call]
    return reached


def effective(network: nn.Module, shape: tuple[int, ...], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Layer -> boolean mask of its kept weights through which some path leads from the input to the output.

    `network` is a plain, freshly built network, which can't be used afterwards: this moves it to the CPU in float64 and
    replaces its weights, its normalisations and its poolings. `shape` is that of one input. `masks` are boolean, by the
    names of the network's convolutions and linear layers; one that isn't named is taken to be dense, and is left out of
    the answer, which is on the masks' device.

    An input of ones goes through the network of masks, whose numbers are all at or above zero, so that nothing cancels:
    a weight is on a path just where the gradient of the summed outputs is above zero. Biases are no inputs: a neuron
    that only has its bias is on no path. What multiplies a value that nothing reaches (the gate of an LSTM,
    squeeze-and-excitation) isn't either. Nor are weights that meet nothing but the padding, such as all but the
    centre of a 3x3 kernel on an image of one pixel. A module that computes with more than sums of products says by
    `as_paths()` what takes its place, as attention does.
    """
    network = _plain(network).to("cpu", torch.float64).eval()
    modules = dict(network.named_modules())
    for name, module in modules.items():
        if isinstance(module, nn.Conv2d | nn.Linear):
            _put(module, masks.get(name))
            module.register_forward_hook(_reached)
    weights = [modules[name].get_parameter("weight") for name in masks]
    out: Tensor = network(torch.ones(1, *shape, dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(out, weights, allow_unused=True, materialize_grads=True)
    return {
        name: mask & (found > 0).to(mask.device) for (name, mask), found in zip(masks.items(), gradients, strict=True)
    }


def collapsed(masks: Mapping[str, Tensor], effective: Mapping[str, Tensor]) -> list[str]:
    """The layers none of whose kept weights lies on a path, in the order of the masks; emptied ones are among them."""
    return [name for name in masks if not effective[name].any()]


def _put(module: nn.Conv2d | nn.Linear, mask: Tensor | None) -> None:
    """The mask in place of the weights, no bias. Rows sum to 1 at most, for which sigmoid and tanh are not flat."""
    with torch.no_grad():
        kept = torch.ones_like(module.weight) if mask is None else mask.to(module.weight)
        module.weight.copy_(kept / kept.flatten(1).sum(1).clamp(min=1).view(-1, *[1] * (kept.dim() - 1)))
        if module.bias is not None:
            module.bias.zero_()


def _plain(module: nn.Module) -> nn.Module:
    """Without normalisation, which moves numbers below zero, and with averages for maxima, of which every input has a
    part; nothing is computed in place.
    """
    if isinstance(module, nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm):
        module.forward = _unchanged  # type: ignore[method-assign]
        return module
    if isinstance(module, nn.MultiheadAttention):
        module.forward = functools.partial(_attention, module)  # type: ignore[method-assign]
    own: Callable[[], nn.Module] | None = getattr(module, "as_paths", None)
    if own is not None:
        module = own()
    if isinstance(module, nn.MaxPool2d):
        return nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
    if hasattr(module, "inplace"):
        setattr(module, "inplace", False)  # noqa: B010 - mypy takes it for a submodule
    if not isinstance(module, nn.Conv2d | nn.Linear):
        with torch.no_grad():
            for name, parameter in module.named_parameters(recurse=False):
                parameter.abs_()  # scales stay scales
                if "bias" in name:
                    parameter.zero_()
    for name, child in module.named_children():
        setattr(module, name, _plain(child))
    return module


def _unchanged(x: Tensor) -> Tensor:
    return x


def _attention(
    module: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any
) -> tuple[Tensor, Tensor]:
    """Every value reaches every token, and a query or a key counts where it has its partner.

    A softmax of equal scores has no gradient; here scores multiply values, and all is at or above zero.
    """
    if module._qkv_same_embed_dim:
        weights = module.in_proj_weight.chunk(3)
    else:
        weights = module.q_proj_weight, module.k_proj_weight, module.v_proj_weight
    rows = module.batch_first or query.dim() == 2
    inputs = [x if rows else x.transpose(0, 1) for x in (query, key, value)]
    found = [_reached(module, None, functional.linear(x, w)) for x, w in zip(inputs, weights, strict=True)]
    q, k, v = (x.unflatten(-1, (module.num_heads, -1)).transpose(-3, -2) for x in found)
    mixed = ((1 + q @ k.transpose(-2, -1)) @ v).transpose(-3, -2).flatten(-2)
    out = _reached(module, None, functional.linear(mixed, module.out_proj.weight))
    shares = torch.full((*q.shape[:-3], q.shape[-2], k.shape[-2]), 1 / k.shape[-2], dtype=q.dtype)
    return (out if rows else out.transpose(0, 1)), shares
