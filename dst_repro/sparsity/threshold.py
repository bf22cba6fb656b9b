"""The step function with the long-tailed estimator of its gradient (Liu et al. 2020, eq. 1 to 3)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def long_tailed(x: Tensor) -> Tensor:
    """H(x), the estimate of dS/dx: 2 - 4|x| up to 0.4, then 0.4 up to 1, then 0 (eq. 3)."""
    size = x.abs()
    return (2 - 4 * size).clamp_(min=0.4).mul_(size <= 1)


def _per_row(threshold: Tensor, weight: Tensor) -> Tensor:
    return threshold.view(-1, *[1] * (weight.dim() - 1))


def threshold_mask(weight: Tensor, threshold: Tensor, closed: bool) -> Tensor:
    """Boolean mask S(|W| - t), (rows, ...) with one threshold a row. `closed` says whether S(0) is 1."""
    size, limit = weight.abs(), _per_row(threshold, weight)
    return size >= limit if closed else size > limit


class ThresholdedWeight(torch.autograd.Function):
    """W * S(|W| - t), whose backward pass lets masked weights learn and thresholds move.

    With G the gradient of the result, Q = |W| - t and H the estimator, the gradients are
    G*S(Q) + G*|W|*H(Q) for W and -sum_row G*W*H(Q) for t (from eq. 1, 2, 3 and 5).
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, threshold: Tensor, mask: Tensor) -> Tensor:
        ctx.save_for_backward(weight, threshold, mask)
        return weight * mask

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, threshold, mask = ctx.saved_tensors
        size = weight.abs()
        structure = long_tailed(size - _per_row(threshold, weight)).mul_(grad)  # G * H(Q)
        for_threshold = -(structure * weight).flatten(1).sum(1)
        for_weight = structure.mul_(size).addcmul_(grad, mask.to(grad.dtype))
        return for_weight, for_threshold, None
