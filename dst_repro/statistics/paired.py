"""Differences between two treatments, seed by seed: seeds share the data's order and the initial weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from scipy import stats

from dst_repro.statistics.summary import summarise


class Paired(NamedTuple):
    """Of the seeds that both have. What one seed says nothing of is nan."""

    n: int
    mean: float
    std: float
    low: float
    """Student's 95 % interval of the mean, from here to `high`."""
    high: float
    up: int
    """Seeds whose difference is above zero."""
    p: float
    """Of the paired t test, two-sided; nan where all differences are the same, which has no spread to test by."""


def differences(treated: Mapping[int, float], control: Mapping[int, float]) -> dict[int, float]:
    """Treated minus control, of the seeds that both have, in their order."""
    both = sorted(seed for seed in treated.keys() & control.keys() if not math.isnan(treated[seed] - control[seed]))
    return {seed: treated[seed] - control[seed] for seed in both}


def paired(treated: Mapping[int, float], control: Mapping[int, float]) -> Paired:
    """Seed -> value of each; treated minus control."""
    by_seed = list(differences(treated, control).values())
    found = summarise(by_seed)
    low, high = found.interval()
    p = float(stats.ttest_1samp(by_seed, 0).pvalue) if found.n > 1 and found.std > 0 else math.nan
    return Paired(found.n, found.mean, found.std, low, high, sum(d > 0 for d in by_seed), p)


def holm(p: Sequence[float]) -> list[float]:
    """Holm's corrected p of tests that are judged together; nan stays and is none of them."""
    from statsmodels.stats.multitest import multipletests  # slow to import, and few items need it

    known = [place for place, value in enumerate(p) if not math.isnan(value)]
    found = [math.nan] * len(p)
    if known:
        corrected = multipletests([p[place] for place in known], method="holm")[1]
        for place, value in zip(known, corrected, strict=True):
            found[place] = float(value)
    return found


def family(p: Sequence[float]) -> list[float]:
    """The same for a table: a single test has nothing to be corrected for, and no such p."""
    return holm(p) if sum(not math.isnan(value) for value in p) > 1 else [math.nan] * len(p)
