"""Boolean masks: True is a kept weight. All counts are exact."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def random_mask(shape: torch.Size, kept: int, rng: torch.Generator) -> Tensor:
    """Boolean (*shape), `kept` positions drawn uniformly without replacement, on the CPU."""
    mask = torch.zeros(shape.numel(), dtype=torch.bool)
    mask[torch.randperm(shape.numel(), generator=rng)[:kept]] = True
    return mask.view(shape)


def shuffled(mask: Tensor, rng: torch.Generator) -> Tensor:
    """As many kept positions in the same shape, drawn anew."""
    return random_mask(mask.shape, int(mask.sum()), rng).to(mask.device)


def lowest(score: Tensor, among: Tensor, n: int) -> Tensor:
    """Boolean mask of the `n` positions with the lowest score where `among` is True; all if there are fewer."""
    return _extreme(score, among, n, largest=False)


def highest(score: Tensor, among: Tensor, n: int) -> Tensor:
    """Boolean mask of the `n` positions with the highest score where `among` is True; all if there are fewer.

    Of equal scores at the last place some are taken, by no rule that a version of torch would have to keep.
    """
    return _extreme(score, among, n, largest=True)


def _extreme(score: Tensor, among: Tensor, n: int, largest: bool) -> Tensor:
    candidates = among.flatten().nonzero().squeeze(1)
    chosen = torch.zeros(score.numel(), dtype=torch.bool, device=score.device)
    n = min(n, len(candidates))
    if n > 0:
        best = score.flatten()[candidates].topk(n, largest=largest, sorted=False).indices
        chosen[candidates[best]] = True
    return chosen.view(score.shape)


def random_among(among: Tensor, n: int, rng: torch.Generator) -> Tensor:
    """Boolean mask of `n` positions drawn uniformly from those where `among` is True."""
    candidates = among.flatten().nonzero().squeeze(1)
    order = torch.randperm(len(candidates), generator=rng)[:n]
    chosen = torch.zeros(among.numel(), dtype=torch.bool, device=among.device)
    chosen[candidates[order.to(among.device)]] = True
    return chosen.view(among.shape)


def sha256(masks: Mapping[str, Tensor]) -> str:
    """Of all masks, by name: one value that two runs share exactly when every mask is equal."""
    digest = hashlib.sha256()
    for name, mask in sorted(masks.items()):
        digest.update(name.encode() + b"\0" + mask.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
