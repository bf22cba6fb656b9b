"""What is pruned is +0 whatever it was, what is kept has its bits, in any dtype and layout."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dst_repro.sparsity.zeroing import keep_bits, zero_elsewhere, zero_pruned

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.float16]
BROKEN = [float("nan"), float("inf"), -float("inf"), -0.0, 1e-40, -2.5]
KEEP = torch.arange(48).view(2, 4, 3, 2) % 3 == 0


def values(dtype: torch.dtype) -> Tensor:
    """Each of the broken ones, kept and pruned."""
    return torch.tensor(BROKEN * 8, dtype=dtype).roll(1).view(2, 4, 3, 2).clone()


def as_integers(x: Tensor) -> Tensor:
    return x.contiguous().view({2: torch.int16, 4: torch.int32, 8: torch.int64}[x.itemsize])


def layouts(x: Tensor) -> dict[str, Tensor]:
    return {
        "contiguous": x.clone(),
        "channels last": x.clone(memory_format=torch.channels_last),
        "transposed": x.transpose(0, 3).contiguous().transpose(0, 3),
        "every second": torch.stack([x, x], dim=-1).flatten(-2)[..., ::2],
    }


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", ["contiguous", "channels last", "transposed", "every second"])
@pytest.mark.parametrize("mask_layout", ["contiguous", "channels last", "transposed", "every second"])
def test_exact_zeros_and_untouched_bits(dtype: torch.dtype, layout: str, mask_layout: str) -> None:
    x, like, keep = layouts(values(dtype))[layout], layouts(values(dtype))[mask_layout], layouts(KEEP)[mask_layout]
    zero_pruned([x], [keep_bits(keep, like)])
    assert torch.equal(as_integers(x), torch.where(KEEP, as_integers(values(dtype)), 0))


def test_bits_lie_as_the_values_do() -> None:
    x = torch.zeros(2, 4, 3, 2).to(memory_format=torch.channels_last)
    bits = keep_bits(KEEP, x)
    assert bits.stride() == x.stride()
    assert torch.equal(bits, torch.where(KEEP, -1, 0).int())


def test_a_parameter_stays_a_leaf_whose_change_autograd_sees() -> None:
    weight = torch.nn.Parameter(values(torch.float32))
    used = weight.square()
    with torch.enable_grad():
        zero_elsewhere(weight, KEEP)
    assert weight.is_leaf
    assert weight.requires_grad
    assert not bool(weight.detach()[~KEEP].any())
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        used.sum().backward()


def test_numbers_of_layers_agree() -> None:
    with pytest.raises(ValueError, match="zip"):
        zero_pruned([torch.zeros(2)], [])


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_on_a_gpu(dtype: torch.dtype) -> None:
    torch.use_deterministic_algorithms(True)
    try:
        x = values(dtype).cuda()
        zero_elsewhere(x, KEEP.cuda())
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(as_integers(x.cpu()), torch.where(KEEP, as_integers(values(dtype)), 0))
