"""The vision transformer: its size, its attention, and which of its weights lie on a path."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from dst_repro.errors import ConfigError
from dst_repro.methods.base import maskable
from dst_repro.models.transformer import Attention
from dst_repro.registry import models
from dst_repro.sparsity.health import effective

SMALL = {"width": 0.125, "depth": 2}  # 24 units


def vit(shape: tuple[int, ...] = (3, 32, 32), **params: float) -> nn.Module:
    torch.manual_seed(0)
    entry = models["vit-tiny"]
    built: nn.Module = entry.object(shape, 10, entry.params(**params))
    return built


def test_the_shapes_of_its_layers() -> None:
    units = 192
    block = {"attention.qkv": (576, units), "attention.out": (units, units), "fc1": (768, units), "fc2": (units, 768)}
    shapes = {name: tuple(module.weight.shape) for name, module in maskable(vit()).items()}
    assert shapes == {
        "tokens.patch": (units, 3, 4, 4),
        **{f"blocks.{n}.{name}": shape for n in range(12) for name, shape in block.items()},
        "fc": (10, units),
    }


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(1)
    ours = Attention(24).double()
    torchs = nn.MultiheadAttention(24, 3, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        torchs.in_proj_weight.copy_(ours.qkv.weight)
        torchs.in_proj_bias.copy_(ours.qkv.bias)
        torchs.out_proj.weight.copy_(ours.out.weight)
        torchs.out_proj.bias.copy_(ours.out.bias)
        x = torch.randn(2, 5, 24, dtype=torch.float64)
        torch.testing.assert_close(ours(x), torchs(x, x, x)[0], rtol=1e-12, atol=1e-12)


def test_a_forward_pass_by_hand() -> None:
    """Of one block, with torch's functions: tokens in rows, normalised before, the class token to the last layer."""
    model = vit((1, 8, 8), width=0.125, depth=1).double()
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    p = dict(model.named_parameters())

    def norm(tokens: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(tokens, (24,), p[f"{name}.weight"], p[f"{name}.bias"])

    patches = x.unfold(2, 4, 4).unfold(3, 4, 4).reshape(3, 4, 16) @ p["tokens.patch.weight"].view(24, 16).T
    tokens = torch.cat([p["tokens.class_token"].expand(3, -1, -1), patches + p["tokens.patch.bias"]], 1)
    tokens = tokens + p["tokens.positions"]
    attention = model.get_submodule("blocks.0.attention")
    tokens = tokens + attention(norm(tokens, "blocks.0.norm1"))
    hidden = functional.gelu(norm(tokens, "blocks.0.norm2") @ p["blocks.0.fc1.weight"].T + p["blocks.0.fc1.bias"])
    tokens = tokens + hidden @ p["blocks.0.fc2.weight"].T + p["blocks.0.fc2.bias"]
    expected = norm(tokens, "norm")[:, 0] @ p["fc.weight"].T + p["fc.bias"]
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)


def test_it_starts_small_and_cut_off() -> None:
    parameters = dict(vit().named_parameters())
    for name, parameter in parameters.items():
        if parameter.dim() > 1:
            assert parameter.abs().max() <= 0.04
        elif "norm" in name and name.endswith("weight"):
            assert bool((parameter == 1).all())
        else:
            assert not bool(parameter.any())
    weight = parameters["blocks.3.fc1.weight"]
    factor = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))  # of a normal cut at 2
    assert float(weight.detach().std()) == pytest.approx(0.02 * factor, rel=0.01)


def test_images_that_patches_do_not_fill_are_refused() -> None:
    with pytest.raises(ConfigError, match="vit-tiny needs images whose edges 5 divides, not 32x32"):
        vit(patch=5)


def masks(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: torch.ones_like(m.weight, dtype=torch.bool) for name, m in maskable(model).items()}


def test_every_weight_of_a_dense_one_is_on_a_path() -> None:
    model = vit(**SMALL)
    chosen = masks(model)
    assert all(bool(found.all()) for found in effective(model, (3, 32, 32), chosen).values())


def test_queries_need_keys_and_keys_need_values() -> None:
    """24 units, 8 a head: rows 0 to 23 of qkv are queries, then keys, then values."""
    chosen = masks(vit(**SMALL))
    last = "blocks.1.attention.qkv"
    chosen[last][24 + 3] = False  # a key of the first head
    chosen[last][48 + 8 : 48 + 16] = False  # all values of the second
    found = effective(vit(**SMALL), (3, 32, 32), chosen)
    rows = found[last].any(1)
    off = {3, 24 + 3, *range(8, 16), *range(24 + 8, 24 + 16), *range(48 + 8, 48 + 16)}
    assert {n for n in range(72) if not rows[n]} == off
    out = found["blocks.1.attention.out"]
    assert not bool(out[:, 8:16].any())
    assert bool(out[:, :8].all())
    assert bool(out[:, 16:].all())


def test_without_patches_nothing_is_on_a_path() -> None:
    chosen = masks(vit(**SMALL))
    chosen["tokens.patch"][:] = False
    assert not any(bool(found.any()) for found in effective(vit(**SMALL), (3, 32, 32), chosen).values())
