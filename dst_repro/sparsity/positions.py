"""Some weights of a tensor by their positions in it, row by row: what a rule that runs at every step can afford."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

TRIES = 6  # positions drawn in the hope that one is free, before all free ones are looked up


def take(tensor: Tensor, where: Tensor) -> Tensor:
    """The values (n,) at the positions (n,)."""
    return tensor.view(-1).index_select(0, where) if tensor.is_contiguous() else tensor.take(where)


def put(tensor: Tensor, where: Tensor, values: Tensor) -> None:
    """Write values (n,) to the positions (n,), in place; no position twice."""
    if tensor.is_contiguous():
        tensor.view(-1).scatter_(0, where, values)
    else:
        tensor[torch.unravel_index(where, tensor.shape)] = values  # unlike `put_`, deterministic on a GPU


def draw_free(mask: Tensor, within: Sequence[range], rng: torch.Generator) -> list[int]:
    """For each range a position in it where the flat boolean `mask` is False, none twice; -1 where none is left.

    Uniform; ranges are equal or disjoint. The time it takes goes by the number of ranges and not by the size of the
    mask, unless hardly any position is free.
    """
    drawn = torch.randint(2**62, (len(within), TRIES), generator=rng).tolist()
    tries = [[inside[number % len(inside)] for number in row] for inside, row in zip(within, drawn, strict=True)]
    taken = mask[torch.tensor(tries, device=mask.device)].tolist()
    chosen: list[int] = []
    found: set[int] = set()
    others: dict[range, Iterator[int]] = {}
    for inside, row, is_taken in zip(within, tries, taken, strict=True):
        at = next((at for at, no in zip(row, is_taken, strict=True) if not no and at not in found), -1)
        if at < 0:
            if inside not in others:
                others[inside] = iter(_shuffled_free(mask, inside, rng))
            at = next((at for at in others[inside] if at not in found), -1)
        chosen.append(at)
        found.add(at)
    return chosen


def _shuffled_free(mask: Tensor, inside: range, rng: torch.Generator) -> list[int]:
    free = (~mask[inside.start : inside.stop]).nonzero().squeeze(1).cpu() + inside.start
    shuffled: list[int] = free[torch.randperm(len(free), generator=rng)].tolist()
    return shuffled
