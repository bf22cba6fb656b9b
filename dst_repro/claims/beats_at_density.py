"""Which of two methods is more accurate at a density."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dst_repro.claims.at_density import Reached, accuracies, dense_beside, judged, known, of_method, own, reached
from dst_repro.claims.base import Answer, Verdict, above, not_run, shown, together
from dst_repro.compare.cells import Cell
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import Paired, holm, paired
from dst_repro.tables.cells import Selected

Percents = Annotated[tuple[float, ...], Field(strict=False)]


class BeatsParams(Selected):
    method: str = "dst"
    """The one that is said to be ahead."""
    other: str
    percents: Annotated[Percents, Field(min_length=1)]
    """The densities, in percent."""
    other_percents: Percents = ()
    """Those of the other method, where they differ."""
    from_dense: bool = True
    """Whether the differences from the dense networks of both are asked, too, where each has its own."""


@claims.register("beats-at-density", BeatsParams)
def beats_at_density(frames: Frames, params: BeatsParams) -> Answer:
    """One method is more accurate than another at a density, seed by seed

    At each of the densities, and likewise by their differences from dense networks that were trained as they were: all
    have to be above zero by their intervals. Runs of a sweep are interpolated (`statistics.matching`). The statistic is
    the lowest of the mean differences, in points.
    """
    found = known(frames, params.where)
    found_here: list[Paired] = []
    words: list[str] = []
    runs: list[str] = []
    for percent, beside in zip(params.percents, params.other_percents or params.percents, strict=True):
        pair = [reached(of_method(found, slug), at) for slug, at in ((params.method, percent), (params.other, beside))]
        plain = paired(pair[0].values, pair[1].values)
        if plain.n == 0:
            continue
        places = f"{percent:g} %" if percent == beside else f"{percent:g} against {beside:g} %"
        epochs = judged(*(side.cells[0] for side in pair))
        words.append(f"at {places} ({epochs}) {shown(plain)}{pair[0].without}{pair[1].without}")
        found_here.append(plain)
        both = pair[0].values.keys() & pair[1].values.keys()
        runs += [str(run["id"]) for side in pair for cell in side.cells for run in cell.finished if run["seed"] in both]
        if params.from_dense:
            dense = [_own_dense(found, side) for side in pair]
            if dense[0] is dense[1] is not None:
                words[-1] += ", one dense network for both"
            elif None in dense:
                words[-1] += ", not both have a dense network of their own"
            else:
                less = paired(*(_less(side, one) for side, one in zip(pair, dense, strict=True) if one is not None))
                words[-1] += f", less dense {shown(less)}"
                found_here.append(less)
    if not found_here:
        return not_run(f"no seed has {params.method} and {params.other} at any of these densities")
    verdicts: list[Verdict] = [above(one) for one in found_here]
    verdict = together(verdicts)
    if len(words) < len(params.percents) and verdict == "holds":
        verdict = "inconclusive"
    lowest = min(found_here, key=lambda one: one.mean)
    corrected = [p for p in holm([one.p for one in found_here]) if p == p]
    evidence = f"{params.method} less {params.other} {'; '.join(words)}; asked above 0"
    if len(corrected) > 1:
        evidence += f"; largest p {max(corrected):.2g} (Holm)"
    if len(words) < len(params.percents):
        evidence += f"; {len(params.percents) - len(words)} of {len(params.percents)} densities are not reached"
    return Answer(verdict, evidence, lowest.mean, lowest.low, lowest.high, 0.0, tuple(dict.fromkeys(runs)))


def _own_dense(found: list[Cell], side: Reached) -> Cell | None:
    dense = dense_beside(found, side.cells[0])
    return dense if dense is not None and dense.finished and own(dense, side.cells[0]) else None


def _less(side: Reached, dense: Cell) -> dict[int, float]:
    """Seed -> sparse less dense accuracy."""
    level = accuracies(dense)
    return {seed: value - level[seed] for seed, value in side.values.items() if seed in level}
