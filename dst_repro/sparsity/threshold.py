"""Weights under trainable thresholds: the step function and the estimates of its gradient (Liu et al. 2020, eq. 1-3).

Everything here works on a weight as a matrix with one row a neuron or filter (`as_matrix`), and on a threshold that can
be broadcast against it: (rows, 1) for one a neuron, (1, 1) for one a layer, (rows, columns) for one a weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor


def long_tailed(x: Tensor) -> Tensor:
    """H(x), the paper's estimate of dS/dx: 2 - 4|x| up to 0.4, then 0.4 up to 1, then 0 (eq. 3)."""
    size = x.abs()
    return (2 - 4 * size).clamp_(min=0.4).mul_(size <= 1)


def straight_through(x: Tensor) -> Tensor:
    """1 up to 1, then 0: the straight-through estimator of Fig. 2 (after Hubara et al. 2016)."""
    return (x.abs() <= 1).to(x.dtype)


def triangular(x: Tensor) -> Tensor:
    """2 - 4|x| up to 0.5, then 0: the long-tailed estimate without its tail."""
    return (2 - 4 * x.abs()).clamp_(min=0)


Estimator = Callable[[Tensor], Tensor]
ESTIMATORS: Mapping[str, Estimator] = MappingProxyType(
    {"long-tailed": long_tailed, "straight-through": straight_through, "triangular": triangular}
)


def as_matrix(x: Tensor) -> Tensor:
    """A view (rows, columns) of a weight or of its gradient, columns in the order of memory, whatever its format."""
    if x.dim() == 4 and not x.is_contiguous():
        x = x.permute(0, 2, 3, 1)
    return x.view(len(x), -1)


def step(size: Tensor, threshold: Tensor, closed: bool) -> Tensor:
    """Boolean S(|W| - t) of |W|. `closed` says whether S(0) is 1. Where a NaN is involved it is 0."""
    return size >= threshold if closed else size > threshold


def mask_weights(
    weights: Sequence[Tensor], thresholds: Sequence[Tensor], masked: Sequence[Tensor], closed: bool
) -> Tensor:
    """Write W * S(|W| - t) of every layer into `masked`; how many weights each layer keeps, float64 (layers,)."""
    kept = []
    for weight, threshold, out in zip(weights, thresholds, masked, strict=True):
        mask = step(weight.abs(), threshold, closed).to(weight.dtype)
        out.copy_(weight * mask)
        kept.append(mask.sum(1).sum(dtype=torch.float64))  # exact: no row has 2^24 weights
    return torch.stack(kept)


def differentiate(
    weights: Sequence[Tensor],
    thresholds: Sequence[Tensor],
    gradients: Sequence[Tensor],
    alpha: Tensor,
    closed: bool,
    estimator: Estimator,
) -> list[Tensor]:
    """Turn G, the gradient of the masked weight, into that of W, in place; return the gradients of the thresholds.

    With Q = |W| - t and H the estimator: G*S(Q) + G*|W|*H(Q) for W, and -sum G*W*H(Q) - alpha*exp(-t) for t, the sum
    over the weights that share a threshold (from eq. 1 to 5: the second term of t is that of the sparse regularisation
    alpha * sum exp(-t), which needs no graph of its own).
    """
    found = []
    for weight, threshold, gradient in zip(weights, thresholds, gradients, strict=True):
        size = weight.abs()
        structure = estimator(size - threshold) * gradient
        pull = -(structure * weight).sum_to_size(threshold.shape)
        found.append(pull - alpha * torch.exp(-threshold))
        gradient.copy_(gradient * step(size, threshold, closed) + structure * size)
    return found
