"""Sharing a number of weights out among layers that hold only so many: whole numbers, exact totals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

Excess = Literal["proportional", "equal"]
TOLERANCE = 1e-9
"""By how much an amount may fall short of a whole number and still be that number."""


def fill(total: float, shares: Mapping[str, float], room: Mapping[str, float]) -> dict[str, float]:
    """Layer -> amount in proportion to `shares`, none above its room, `total` in all (at most the sum of all room).

    What a full layer cannot take goes to the others in proportion to their shares; equally, if these are all zero.
    """
    full: set[str] = set()
    while True:
        rest = [name for name in room if name not in full]
        left = total - sum(room[name] for name in full)
        scale = sum(shares[name] for name in rest)
        amounts = {name: left * shares[name] / scale if scale > 0 else left / len(rest) for name in rest}
        over = {name for name in rest if amounts[name] > room[name]}
        if not over:
            return {name: float(room[name]) if name in full else amounts[name] for name in room}
        full |= over


def fill_equally(total: float, shares: Mapping[str, float], room: Mapping[str, float]) -> dict[str, float]:
    """As `fill`, but what a full layer cannot take goes to all others that have room in equal parts."""
    scale = sum(shares.values())
    amounts = {name: total * shares[name] / scale if scale > 0 else total / len(room) for name in room}
    while True:
        over = [name for name in room if amounts[name] > room[name]]
        excess = sum(amounts[name] - room[name] for name in over)
        amounts |= {name: float(room[name]) for name in over}
        rest = [name for name in room if amounts[name] < room[name]]
        if not over or not rest:
            return amounts
        amounts |= {name: amounts[name] + excess / len(rest) for name in rest}


def roundable(amounts: Mapping[str, float], total: int, room: Mapping[str, int]) -> bool:
    """Whether whole numbers make the total, none above its room, each its amount rounded down or one more."""
    least = {name: math.floor(amount + TOLERANCE) for name, amount in amounts.items()}
    most = {name: min(room[name], number + 1) for name, number in least.items()}
    return all(least[name] <= most[name] for name in least) and total <= sum(most.values())


def whole(amounts: Mapping[str, float], total: int, room: Mapping[str, int]) -> dict[str, int]:
    """Layer -> whole number within one of its amount, none above its room, `total` in all.

    Largest remainders decide who gets the last weights; ties go to the earlier layer. The amounts must be `roundable`.
    """
    found = {name: min(room[name], math.floor(amount + TOLERANCE)) for name, amount in amounts.items()}
    missing = total - sum(found.values())
    by_remainder = sorted(amounts, key=lambda name: found[name] - amounts[name])
    for name in [n for n in by_remainder if found[n] < room[n]][:missing]:
        found[name] += 1
    return found


def apportion(
    total: int, shares: Mapping[str, float], room: Mapping[str, int], excess: Excess = "proportional"
) -> dict[str, int]:
    """Layer -> how many of `total` weights it gets: in proportion to `shares` as far as it has room, exact in all.

    `excess` says how the others share what a full layer cannot take. Raises ValueError if there is no room for all.
    """
    if total > sum(room.values()):
        raise ValueError(f"{total} weights do not fit where there is room for {sum(room.values())}")
    amounts = (fill if excess == "proportional" else fill_equally)(total, shares, room)
    return whole(amounts, total, room)
