"""What an answer to a claim is, and the tests that most of them are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from dst_repro.statistics.paired import Paired, paired
from dst_repro.statistics.summary import Summary

Verdict = Literal["holds", "fails", "inconclusive", "not run"]
VERDICTS: tuple[Verdict, ...] = ("holds", "fails", "inconclusive", "not run")


@dataclass(frozen=True)
class Answer:
    """What the runs say to a claim."""

    verdict: Verdict
    evidence: str
    """In one line: what was counted or measured, and what it had to be."""
    statistic: float = math.nan
    low: float = math.nan
    """Of a 95 % interval of the statistic, up to `high`; nan where there is none."""
    high: float = math.nan
    threshold: float = math.nan
    runs: tuple[str, ...] = ()
    """Ids of the runs used."""


def not_run(why: str) -> Answer:
    return Answer("not run", why)


def above(found: Paired | Summary, threshold: float = 0.0) -> Verdict:
    """Whether a mean is above a threshold: its 95 % interval is, or lies wholly below it, or neither."""
    low, high = (found.low, found.high) if isinstance(found, Paired) else found.interval()
    if low > threshold:
        return "holds"
    return "fails" if high < threshold else "inconclusive"


def within(found: Paired | Summary, margin: float) -> Verdict:
    """Whether a mean is zero within a margin: its 95 % interval lies inside, or outside on one side, or neither."""
    low, high = (found.low, found.high) if isinstance(found, Paired) else found.interval()
    if -margin < low and high < margin:
        return "holds"
    return "fails" if low > margin or high < -margin else "inconclusive"


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Of parts that all have to hold: one that fails decides, then an inconclusive one; none at all is `not run`."""
    found = [verdict for verdict in verdicts if verdict != "not run"]
    order: tuple[Verdict, ...] = ("fails", "inconclusive", "holds")
    return next((verdict for verdict in order if verdict in found), "not run")


def of_share(hits: int, cases: int, share: float) -> Verdict:
    """Whether at least a share of all cases is as claimed. No interval: the cases are all that there are."""
    if cases == 0:
        return "not run"
    return "holds" if hits >= share * cases else "fails"


def difference(treated: Mapping[int, float], control: Mapping[int, float]) -> Paired:
    """Seed by seed, see `statistics.paired`."""
    return paired(treated, control)


def shown(found: Paired | Summary, unit: str = "points") -> str:
    """`+0.47 points [+0.21, +0.73] (5 seeds)`"""
    low, high = (found.low, found.high) if isinstance(found, Paired) else found.interval()
    interval = "" if math.isnan(low) else f" [{low:+.2f}, {high:+.2f}]"
    return f"{found.mean:+.2f} {unit}{interval} ({found.n} seed{'' if found.n == 1 else 's'})"
