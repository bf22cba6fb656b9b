"""Whether networks that keep enough weights are as accurate as dense ones."""

from __future__ import annotations

from typing import Literal

from dst_repro.claims.at_density import accuracies, dense_beside, judged, known, of_method
from dst_repro.claims.base import Answer, Verdict, decided, not_run, settled, shown, together
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import paired
from dst_repro.tables.cells import Selected
from dst_repro.words import how_many


class NoCostParams(Selected):
    method: str = "dst"
    floor: float = 15.0
    """Percent of the weights that a cell keeps at least to count."""
    loss: float = 0.3
    """Points that sparse accuracy may be below dense accuracy."""
    by: Literal["means", "intervals"] = "means"
    """Whether means over seeds decide, or their intervals: the latter where few images are tested."""


@claims.register("no-cost-when-dense-enough", NoCostParams)
def no_cost(frames: Frames, params: NoCostParams) -> Answer:
    """Every sparse cell that keeps enough weights is as accurate as the dense network, within a margin

    The statistic is the lowest mean difference of a cell in points, seed by seed, with its interval.
    """
    found = known(frames, params.where)
    planned = of_method(found, params.method)
    sparse = [cell for cell in planned if cell.finished and cell.density.mean >= params.floor]
    beside = [(cell, dense) for cell in sparse if (dense := dense_beside(found, cell)) and dense.finished]
    if not beside:
        return not_run(f"no finished run keeps {params.floor:g} % of the weights, beside a dense network")
    differences = [paired(accuracies(cell), accuracies(dense)) for cell, dense in beside]
    place = min(range(len(beside)), key=lambda number: differences[number].mean)
    lowest = differences[place]
    verdict: Verdict = together(decided(one, -params.loss, params.by) for one in differences)
    verdict = settled(verdict, [one.n for one in differences])
    missing = sum(not cell.finished for cell in planned)
    if missing and verdict == "holds":
        verdict = "inconclusive"
    good = sum(one.mean >= -params.loss for one in differences)
    cell = beside[place][0]
    evidence = (
        f"{judged(cell)}: {good} of {len(differences)} cells with {params.floor:g} % of the weights or more are no "
        f"more than {params.loss:g} points below dense; the lowest, at {cell.density.mean:.3g} %: {shown(lowest)}"
    )
    if params.by == "intervals":
        evidence += "; intervals decide"
    if missing:
        evidence += f"; {missing} of {how_many(len(planned), 'cell')} have no finished run"
    runs = [str(run["id"]) for pair in beside for cell in pair for run in cell.finished]
    return Answer(verdict, evidence, lowest.mean, lowest.low, lowest.high, -params.loss, tuple(dict.fromkeys(runs)))
