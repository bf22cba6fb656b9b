"""Which of several treatments does best over many blocks (Demsar 2006): average ranks, Friedman's test, Nemenyi's."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.05
"""Of significance."""


class Ranking(NamedTuple):
    """What the blocks say together. What cannot be computed of so few treatments or blocks is nan."""

    ranks: pd.Series[float]
    """Treatment -> average rank, 1 the best; the best first."""
    blocks: int
    incomplete: int
    """Blocks that lack a treatment and were left out."""
    chi2: float
    """Friedman's statistic, corrected for ties, with k - 1 degrees of freedom."""
    chi2_p: float
    f: float
    """That of Iman and Davenport, (N - 1) chi2 / (N (k - 1) - chi2); k - 1 and (k - 1)(N - 1) degrees of freedom."""
    f_p: float
    cd: float
    """Average ranks that differ by more than this differ significantly (Nemenyi)."""
    p: pd.Series[float]
    """Treatment -> p of its difference from the best one (Nemenyi)."""


def rank(values: pd.DataFrame) -> Ranking:
    """Of a frame with one row a block and one column a treatment; the highest value is the best, ties share ranks."""
    complete = values.dropna()
    n, k = complete.shape
    by_block = complete.rank(axis=1, ascending=False)
    ranks = by_block.mean().sort_values(kind="stable")
    chi2, chi2_p = _friedman(by_block)
    f = math.nan
    if not math.isnan(chi2):
        rest = n * (k - 1) - chi2
        f = (n - 1) * chi2 / rest if rest > 1e-9 * n else math.inf  # all blocks agree
    f_p = float(stats.f.sf(f, k - 1, (k - 1) * (n - 1)))
    cd = critical_difference(k, n)
    return Ranking(ranks, n, len(values) - n, chi2, chi2_p, f, f_p, cd, _against_best(complete, ranks))


def critical_difference(treatments: int, blocks: int, level: float = LEVEL) -> float:
    """q * sqrt(k (k + 1) / (6 N)), q the Studentised range over sqrt(2) (Demsar 2006, section 3.2.2)."""
    if treatments < 2 or blocks < 1:
        return math.nan
    q = float(stats.studentized_range.ppf(1 - level, treatments, np.inf)) / math.sqrt(2)
    return q * math.sqrt(treatments * (treatments + 1) / (6 * blocks))


def _friedman(by_block: pd.DataFrame) -> tuple[float, float]:
    n, k = by_block.shape
    if n < 2 or k < 3 or by_block.nunique(axis=1).max() == 1:  # nothing but ties
        return math.nan, math.nan
    found = stats.friedmanchisquare(*(by_block[name] for name in by_block))
    return float(found.statistic), float(found.pvalue)


def _against_best(complete: pd.DataFrame, ranks: pd.Series[float]) -> pd.Series[float]:
    if complete.empty or len(ranks) < 2:
        return pd.Series(math.nan, ranks.index)
    from scikit_posthocs import posthoc_nemenyi_friedman  # slow to import, and only a few items need it

    pairs = posthoc_nemenyi_friedman(complete[list(ranks.index)].to_numpy())
    return pd.Series(pairs.to_numpy()[0], ranks.index)
