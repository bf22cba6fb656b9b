"""Whether a parameter yields the density that is printed for it."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from dst_repro.claims.at_density import judged, known, of_method
from dst_repro.claims.base import Answer, Verdict, not_run, together
from dst_repro.compare.cells import Cell, missing_seeds
from dst_repro.published import loader as published
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.summary import Summary, match, summarise
from dst_repro.statistics.verdicts import relative_margin
from dst_repro.tables.cells import Selected

SAYS: dict[str, Verdict] = {"reproduced": "holds", "higher": "fails", "lower": "fails", "inconclusive": "inconclusive"}


class DensityAtParams(Selected):
    published: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """The items that print the densities, as `paper/item`, each number with the parameter it belongs to."""
    model: str
    method: str = "dst"
    parameter: str = "alpha"
    margin: float | None = None
    """Relative; by default 0.15, of digitised numbers 0.20."""


@claims.register("density-at-parameter", DensityAtParams)
def density_at_parameter(frames: Frames, params: DensityAtParams) -> Answer:
    """A parameter of the method yields the density that is printed for it, within a margin (two one-sided tests)

    Of each printed number with its parameter; all have to hold. The statistic is the largest relative deviation of a
    mean, in percent, at the epoch that a verdict reads; that which is best on the test set stands beside.
    """
    found = of_method(known(frames, params.where), params.method, params.model)
    verdicts: list[Verdict] = []
    worst, words, runs = (0.0, math.nan, math.nan, math.nan), [], []
    for value, target, status in (rows := _printed(params)):
        cell = _cell(found, params.parameter, value)
        if cell is None or not cell.finished:
            continue
        margin = params.margin or relative_margin(status)
        ours, best = (_density(cell, reading) for reading in (cell.reading, "best_on_test"))
        verdicts.append(SAYS[match(ours, target, margin * target)])
        low, high = (100 * (end / target - 1) for end in ours.interval())
        off = 100 * (ours.mean / target - 1)
        worst = max(worst, (off, low, high, 100 * margin), key=lambda one: abs(one[0]))
        lost = f"; {lost}" if (lost := missing_seeds(cell)) else ""
        words.append(
            f"{value:g}: {ours.mean:.3g} % ({judged(cell)}, n {ours.n}{lost}; best on test {best.mean:.3g} %), printed "
            f"{target:g} within {100 * margin:g} %"
        )
        runs += [str(run["id"]) for run in cell.finished]
    if not verdicts:
        return not_run(f"no finished run of {params.model} with a printed {params.parameter}")
    verdict = together(verdicts)
    if len(verdicts) < len(rows) and verdict == "holds":
        verdict = "inconclusive"
    evidence = f"{params.parameter} {'; '.join(words)}"
    if len(verdicts) < len(rows):
        evidence += f"; {len(rows) - len(verdicts)} of {len(rows)} printed densities have no run"
    off, low, high, threshold = worst
    return Answer(verdict, evidence, off, low, high, threshold, tuple(runs))


def _printed(params: DensityAtParams) -> list[tuple[float, float, str]]:
    """(parameter, density in percent, how it is known), each once."""
    numbers = published.items(params.published)
    numbers = numbers[(numbers["metric"] == "remaining_percent") & (numbers["model"] == params.model)]
    numbers = numbers[numbers["method"] == params.method]
    rows = [(row["settings"].get(params.parameter), row["value"], row["status"]) for row in numbers.to_dict("records")]
    return list(dict.fromkeys((float(a), float(v), str(s)) for a, v, s in rows if a is not None))


def _cell(found: list[Cell], parameter: str, value: float) -> Cell | None:
    """The plainest with this value."""
    column = f"method_params.{parameter}"
    same = [c for c in found if c.get(column) is not None and math.isclose(c.get(column), value)]
    return min(same, key=lambda c: c.plainness, default=None)


def _density(cell: Cell, reading: str) -> Summary:
    return summarise(100 * run[f"{reading}.counted"] for run in cell.finished)
