"""Verdicts on published numbers.

A verdict is an equivalence test (`summary.match`): 0.3 points on MNIST and sets like it, 0.5 on CIFAR-10, 1.0 on larger
ones; densities 15 % of the printed one, 20 % of a digitised one. It takes three seeds at least, and more than half of
those planned: where most diverge, fail, are not trained yet, or never reach the density, the others are a choice of
seeds by how they came out, and the number stays inconclusive.
"""

from __future__ import annotations

from typing import NamedTuple

from dst_repro.statistics.summary import Summary, match

DIFFERENT = ("better", "worse", "denser", "sparser")
VERDICTS = ("reproduced", *DIFFERENT, "inconclusive", "not run")
ONE_SEED, FEW_SEEDS, TOO_WIDE, NO_TEST = "one seed", "few seeds", "too wide", "no test"
UNSETTLED = {
    ONE_SEED: "one seed, which has no interval",
    FEW_SEEDS: "fewer than three seeds, or no majority of those planned",
    TOO_WIDE: "seeds enough, but an interval that reaches over the margin",
    NO_TEST: "a density that chose its own run",
}
"""Why a verdict is inconclusive, in short, and in words."""
LEAST = 3
"""Seeds that a verdict takes."""
POINTS = {"digits": 0.3, "mnist": 0.3, "fashion-mnist": 0.3, "cifar10": 0.5}
POINTS_ELSEWHERE = 1.0


class Judged(NamedTuple):
    """A verdict; `unsettled` is why it is inconclusive, in short, else empty."""

    verdict: str
    unsettled: str = ""

    @property
    def tested(self) -> bool:
        return self.unsettled in ("", TOO_WIDE)


def relative_margin(status: str) -> float:
    return 0.20 if status == "derived" else 0.15


def margin(metric: str, dataset: str, value: float, status: str) -> float:
    """Half the width of the interval that counts as equal, in percentage points."""
    if metric in ("remaining_percent", "layer_remaining"):
        return relative_margin(status) * value
    return POINTS.get(dataset, POINTS_ELSEWHERE)


def enough(seeds: int, planned: int) -> bool:
    """Whether so many of the planned seeds may decide."""
    return seeds >= LEAST and 2 * seeds > planned


def verdict(sample: Summary, value: float, points: float, metric: str) -> str:
    """`higher` is better for an accuracy, worse for an error, denser for a density."""
    words = {"higher": "better", "lower": "worse"}
    if metric == "error":
        words = {"higher": "worse", "lower": "better"}
    elif metric in ("remaining_percent", "layer_remaining"):
        words = {"higher": "denser", "lower": "sparser"}
    found = match(sample, value, points)
    return words.get(found, found)


def judge(sample: Summary, planned: int, value: float, points: float, metric: str) -> Judged:
    """The verdict of a sample from some of the planned seeds."""
    if not enough(sample.n, planned):
        return Judged("inconclusive", ONE_SEED if sample.n == 1 else FEW_SEEDS)
    found = verdict(sample, value, points, metric)
    return Judged(found, TOO_WIDE if found == "inconclusive" else "")
