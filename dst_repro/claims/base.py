"""What an answer to a claim is, and the tests that most of them are made of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, NamedTuple

from dst_repro.statistics.paired import Paired, holm
from dst_repro.statistics.ranking import LEVEL
from dst_repro.statistics.summary import Summary, summarise
from dst_repro.tables.cells import Cell, Selected
from dst_repro.tables.judging import EPOCHS, Selection, selected
from dst_repro.words import how_many

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


def settled(verdict: Verdict, seeds: Iterable[int], least: int = 2) -> Verdict:
    """Of a rule that has no interval: `inconclusive` where one of its cells has fewer finished seeds than `least`."""
    return "inconclusive" if verdict in ("holds", "fails") and min(seeds, default=0) < least else verdict


def decided(found: Paired | Summary, threshold: float, by: Literal["means", "intervals"]) -> Verdict:
    """Whether a mean over seeds is at least a threshold: by the mean itself, or as `above` does. Two seeds at least."""
    if by == "intervals" or found.n < 2:
        return above(found, threshold)
    return "holds" if found.mean >= threshold else "fails"


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Of parts that all have to hold: one that fails decides, then an inconclusive one; none at all is `not run`."""
    found = [verdict for verdict in verdicts if verdict != "not run"]
    order: tuple[Verdict, ...] = ("fails", "inconclusive", "holds")
    return next((verdict for verdict in order if verdict in found), "not run")


def of_share(hits: int, cases: int, share: float, unknown: int = 0) -> Verdict:
    """Whether at least a share of all cases is as claimed. No interval: the cases are all that there are.

    `unknown` are cases of which nothing can be said yet: inconclusive as long as they may still decide it.
    """
    if cases == 0:
        return "not run"
    least = share * (cases + unknown) - 1e-9
    if hits >= least:
        return "holds"
    return "fails" if hits + unknown < least else "inconclusive"


class Signs(NamedTuple):
    """Of the differences in many settings, tested together."""

    cases: int
    up: int
    """Settings whose mean difference is above zero."""
    significant: int
    """Those of them that Holm's correction leaves significant."""
    against: int
    """Settings whose difference is below zero, and significant after Holm's correction."""

    @property
    def text(self) -> str:
        """`37 of 40 above zero, 12 of them significantly; 0 significantly below (Holm)`"""
        holm = " (Holm)" if self.cases > 1 else ""
        return (f"{self.up} of {self.cases} above zero, {self.significant} of them significantly; "
                f"{self.against} significantly below{holm}")  # fmt: skip


def signs(found: Sequence[Paired]) -> Signs:
    """What has no seed in common is none of the cases."""
    known = [one for one in found if one.n]
    sure = [p < LEVEL for p in holm([one.p for one in known])]  # False for nan
    up = [one.mean > 0 for one in known]
    both = list(zip(up, sure, strict=True))
    return Signs(len(known), sum(up), both.count((True, True)), both.count((False, True)))


def overall(by_seed: Sequence[Mapping[int, float]]) -> Summary:
    """The median over cases, each a seed -> its difference, in the mean over the seeds that all cases have, as cases
    share them; where there are not two of these, the mean over cases. A few cases that are far off don't decide.
    """
    known = [one for one in by_seed if one]
    seeds = set.intersection(*map(set, known)) if known else set()
    if len(seeds) < 2:
        return summarise(summarise(one.values()).mean for one in known)
    return summarise(median(one[seed] for one in known) for seed in sorted(seeds))


def mostly(found: Sequence[Paired], whole: Summary, share: float, unknown: int = 0) -> Verdict:
    """Whether differences are above zero in most cases, at least in a share of them; `whole` is `overall` of them.

    They are, where so many means are above zero, the median over cases is with its 95 % interval, and none of them is
    significantly below. They are not, where one is significantly below, or fewer means are above and the median over
    cases lies below zero with its interval. Else neither is shown.
    """
    tested = signs(found)
    if not tested.cases:
        return "not run"
    if tested.against:
        return "fails"
    enough = of_share(tested.up, tested.cases, share, unknown)
    return enough if enough == above(whole) else "inconclusive"


def everywhere(found: Sequence[Paired], unknown: int = 0) -> Verdict:
    """Whether all mean differences are above zero: a single one with its interval, of many none may be significantly
    below. Where some mean is not above zero, though not significantly, or of one seed, neither is shown.
    """
    known = [one for one in found if one.n]
    if len(known) == 1 and not unknown:
        return above(known[0])
    counted = signs(known)
    if counted.cases == 0:
        return "not run"
    if counted.against:
        return "fails"
    sure = counted.up == counted.cases and not unknown and min(one.n for one in known) > 1
    return "holds" if sure else "inconclusive"


class Judged(Selected):
    """Parameters of rules about accuracy."""

    selection: Selection = "best_on_validation"
    """The epoch by which a run is judged. Without images held out there is none that is best on them: then the last.
    `best_without_ghosts` is the best on them of those in which neither it nor the run that it is compared with has
    ghosts."""


def when(known: Iterable[Cell], selection: str) -> str:
    """`at the last epoch`: by which epochs the runs of these cells are judged."""
    return " or ".join(EPOCHS[name] for name in dict.fromkeys(selected(cell, selection) for cell in known))


def used(known: Iterable[Cell]) -> tuple[str, ...]:
    """Ids of the finished runs of these cells, each once."""
    return tuple(dict.fromkeys(str(run) for cell in known for run in cell.finished["id"]))


def gaps(known: Iterable[Cell]) -> str:
    """`; runs: 2 diverged, 1 missing`: what a line of evidence says of the runs that don't count; nothing for none."""
    found = Counter(status for cell in known for status in cell.runs["status"] if status != "finished")
    words = [f"{n} {status}" for status, n in sorted(found.items())]
    return f"; runs: {', '.join(words)}" if words else ""


def few(words: Sequence[str], most: int = 3) -> str:
    """The first of them, and how many more there are: evidence is one line."""
    more = [f"and {len(words) - most} more"] if len(words) > most else []
    return ", ".join([*words[:most], *more])


def brief(found: Paired | Summary) -> str:
    """`+0.47 [+0.21, +0.73]`"""
    low, high = (found.low, found.high) if isinstance(found, Paired) else found.interval()
    return f"{found.mean:+.2f}" + ("" if math.isnan(low) else f" [{low:+.2f}, {high:+.2f}]")


def shown(found: Paired | Summary, unit: str = "points") -> str:
    """`+0.47 points [+0.21, +0.73] (5 seeds)`"""
    low, high = (found.low, found.high) if isinstance(found, Paired) else found.interval()
    interval = "" if math.isnan(low) else f" [{low:+.2f}, {high:+.2f}]"
    return f"{found.mean:+.2f} {unit}{interval} ({how_many(found.n, 'seed')})"
