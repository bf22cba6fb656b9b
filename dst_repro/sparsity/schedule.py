"""How much to prune at which step."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Literal

Decay = Literal["cosine", "cosine-floor", "linear", "constant"]


def cosine(rate: float, step: int, end: int, least: float = 0.0) -> float:
    """From `rate` to `least`; with 0, rate/2 * (1 + cos(pi * step / end)) (Evci et al. 2020, eq. 1)."""
    return least + (rate - least) / 2 * (1 + math.cos(math.pi * min(step, end) / end))


def linear(rate: float, step: int, end: int) -> float:
    return rate * (1 - min(step, end) / end)


def constant(rate: float, step: int, end: int) -> float:
    return rate


DECAYS: dict[str, Callable[[float, int, int], float]] = {
    "cosine": cosine,
    "cosine-floor": functools.partial(cosine, least=0.005),  # in the code of sparse momentum and of its descendants
    "linear": linear,
    "constant": constant,
}


def cubic_sparsity(final: float, step: int, begin: int, end: int, initial: float = 0.0) -> float:
    """s_f + (s_i - s_f) * (1 - (t - t0) / (t1 - t0))^3 between the two steps (Zhu and Gupta 2017, eq. 1)."""
    if step < begin:
        return initial
    progress = 1.0 if end <= begin else min(1.0, (step - begin) / (end - begin))
    return final - (final - initial) * (1 - progress) ** 3
