"""Exact zeros: what a mask prunes becomes zero whatever it was, also NaN or infinity, of which a product leaves NaN."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

_INTEGER = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""By bytes."""


def keep_bits(keep: Tensor, like: Tensor) -> Tensor:
    """A boolean mask for `zero_pruned`: integers as wide as the values of `like`, laid out as it is, all bits set where
    a value is kept and none elsewhere.
    """
    return torch.empty_like(like, dtype=_INTEGER[like.itemsize]).copy_(keep).neg_()


@torch.no_grad()
def zero_pruned(tensors: Iterable[Tensor], bits: Iterable[Tensor]) -> None:
    """Set to +0 in place what `keep_bits` does not keep, and leave every bit of the others as it is.

    Shapes are equal; strides may differ, at a cost. About as fast as a product with a mask of floats, and seven times
    as fast as `masked_fill_` (LeNet-300-100 on a CPU).
    """
    for tensor, kept in zip(tensors, bits, strict=True):
        tensor.view(kept.dtype).bitwise_and_(kept)


def zero_elsewhere(tensor: Tensor, keep: Tensor) -> None:
    """Set to +0 in place what is not in the boolean mask `keep`."""
    zero_pruned([tensor], [keep_bits(keep, tensor)])
