"""Whether a choice that a paper does not state changes density or accuracy."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field

from dst_repro.claims.at_density import accuracies, judged, known, of_method
from dst_repro.claims.base import Answer, Verdict, not_run, shown, within
from dst_repro.compare.cells import Cell
from dst_repro.records.as_printed import as_printed, recorded
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import paired
from dst_repro.statistics.summary import Summary, summarise
from dst_repro.statistics.verdicts import margin
from dst_repro.tables.cells import Selected, Where, plain, select
from dst_repro.words import how_many


class ChoiceMattersParams(Selected):
    method: str = "dst"
    one: Where
    """Field -> values of the runs with the choice, "" where it is left unsaid."""
    other: Where
    """Those of the runs without."""
    density: float = 15.0
    """Percent by which the density changes: more matters, the margin of a match with a printed density."""
    points: float | None = None
    """Those of accuracy; by default the margin of the data set."""


@claims.register("choice-matters", ChoiceMattersParams)
def choice_matters(frames: Frames, params: ChoiceMattersParams) -> Answer:
    """A choice changes density or accuracy by more than what counts as equal, all else the same

    Seed by seed; it matters if one of the two intervals lies outside its margin, and doesn't if both lie inside. The
    statistic is the change of density in percent of the other.
    """
    cells = [cell for cell in of_method(known(frames, params.where), params.method) if cell.finished]
    found = [[cell for cell in cells if _has(cell, fields)] for fields in (params.one, params.other)]
    if [len(cells) for cells in found] != [1, 1]:
        return not_run(f"needs one cell each with finished runs, there are {len(found[0])} and {len(found[1])}")
    one, other = found[0][0], found[1][0]
    logs = [{run["seed"]: 100 * math.log(run[f"{c.reading}.density"]) for run in c.finished} for c in (one, other)]
    density, accuracy = paired(*logs), paired(accuracies(one), accuracies(other))
    if density.n == 0:
        return not_run("no seed has both")
    change, low, high = (100 * math.expm1(end / 100) for end in (density.mean, density.low, density.high))
    points = params.points if params.points is not None else margin("top1", one.get("dataset"), 0.0, "")
    parts = [_outside(low, high, params.density), within(accuracy, points)]
    verdict: Verdict = "holds" if "fails" in parts else "fails" if set(parts) == {"holds"} else "inconclusive"
    interval = "" if math.isnan(low) else f" [{low:+.1f}, {high:+.1f}]"
    evidence = (
        f"{judged(one, other)}: density changes by {change:+.1f} %{interval}, from {other.density.mean:.3g} to "
        f"{one.density.mean:.3g} %, within {params.density:g} % it does not matter; accuracy by {shown(accuracy)}, "
        f"within {points:g} it does not"
    )
    runs = tuple(str(run["id"]) for cell in (one, other) for run in cell.finished)
    return Answer(verdict, evidence, change, low, high, params.density, runs)


def _outside(low: float, high: float, margin: float) -> Verdict:
    """`within` of a relative change in percent."""
    if math.isnan(low):
        return "inconclusive"
    if -margin < low and high < margin:
        return "holds"
    return "fails" if low > margin or high < -margin else "inconclusive"


def _has(cell: Cell, fields: Where) -> bool:
    return all(plain(cell.get(field)) in set(map(plain, values)) for field, values in fields.items())


class CountedOtherwiseParams(Selected):
    factor: float = 4 / 3
    """The true ratio over the printed one."""
    margin: Annotated[float, Field(gt=0)] = 0.15
    """Relative."""


@claims.register("counted-otherwise", CountedOtherwiseParams)
def counted_otherwise(frames: Frames, params: CountedOtherwiseParams) -> Answer:
    """By masks more is kept than the released code of the LSTMs prints, by a third where all gates are equally dense

    The statistic is the density by masks over the printed one at the last epoch, mean over runs, with its interval.
    """
    printed = as_printed(frames)
    runs: list[Any] = select(frames.runs, params.where).to_dict("records")
    runs = [run for run in runs if run["status"] == "finished" and recorded([run["id"]], printed)]
    ratios = [run["last.density"] / printed[run["id"], int(run["last.epoch"])] for run in runs]
    if not ratios:
        return not_run("no finished run recorded what the released code counts")
    found = summarise(ratios)
    low, high = found.interval()
    off = Summary(found.n, found.mean / params.factor - 1, found.std / params.factor)
    evidence = (
        f"density by masks over the printed one is {found.mean:.3f} [{low:.3f}, {high:.3f}] "
        f"({how_many(found.n, 'run')}), asked {params.factor:.3f} within {100 * params.margin:g} %"
    )
    used = tuple(str(run["id"]) for run in runs)
    return Answer(within(off, params.margin), evidence, found.mean, low, high, params.factor, used)
