"""Bootstrap intervals of means, which assume no normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

LEAST = 5
"""Fewer values have too few resamples that differ."""


def interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """BCa interval of the mean (Efron 1987), (nan, nan) below five values; always from the same resamples.

    Of so few values it is narrower than it should be: Student's stays the one that tests go by.
    """
    if len(values) < LEAST:
        return math.nan, math.nan
    if min(values) == max(values):
        return values[0], values[0]
    generator = np.random.default_rng(0)
    found = stats.bootstrap((values,), np.mean, confidence_level=confidence, rng=generator).confidence_interval
    return float(found.low), float(found.high)
