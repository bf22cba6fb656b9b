"""Statistics over seeds. The unit is a cell: its finished runs are the sample."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal, NamedTuple

from scipy import stats

from dst_repro.statistics import bootstrap

Match = Literal["reproduced", "higher", "lower", "inconclusive"]


class Summary(NamedTuple):
    """Mean and standard deviation (ddof 1; nan below two values) of n values."""

    n: int
    mean: float
    std: float

    @property
    def sem(self) -> float:
        """Standard error of the mean."""
        return self.std / math.sqrt(self.n) if self.n > 1 else math.nan

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Student's t interval of the mean; (nan, nan) below two values."""
        if self.n < 2:
            return (math.nan, math.nan)
        half = float(stats.t.ppf((1 + confidence) / 2, self.n - 1)) * self.sem
        return (self.mean - half, self.mean + half)


def summarise(values: Iterable[float]) -> Summary:
    """Of the values that are numbers; nan and None are left out."""
    kept = [float(v) for v in values if v is not None and not math.isnan(v)]
    n = len(kept)
    if n == 0:
        return Summary(0, math.nan, math.nan)
    mean = math.fsum(kept) / n
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in kept) / (n - 1)) if n > 1 else math.nan
    return Summary(n, mean, std)


COLUMNS = ("mean", "std", "low", "high", "bootstrap_low", "bootstrap_high", "n")
"""Of CSVs, as `columns` gives them."""


def columns(values: Iterable[float]) -> dict[str, float]:
    """What the CSVs of tables say of the values over seeds, by column; nan where there are too few."""
    kept = [float(v) for v in values if v is not None and not math.isnan(v)]
    found = summarise(kept)
    low, high = found.interval()
    of_resamples = bootstrap.interval(kept)
    return {"mean": found.mean, "std": found.std, "low": low, "high": high,
            "bootstrap_low": of_resamples[0], "bootstrap_high": of_resamples[1], "n": found.n}  # fmt: skip


def match(sample: Summary, target: float, margin: float) -> Match:
    """Whether the sample's mean equals `target` within `margin`, by two one-sided t tests at 5 %.

    `reproduced`: the 90 % interval lies inside target +- margin. `higher` or `lower`: the 95 % interval lies outside it
    on that side. Else, and below two values, `inconclusive`.
    """
    if sample.n < 2:
        return "inconclusive"
    low, high = sample.interval(0.90)
    if target - margin < low and high < target + margin:
        return "reproduced"
    low, high = sample.interval(0.95)
    if low > target + margin:
        return "higher"
    if high < target - margin:
        return "lower"
    return "inconclusive"
