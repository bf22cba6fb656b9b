"""Whether accuracy falls once few weights remain, more than before."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dst_repro.claims.at_density import along, judged, known, of_method
from dst_repro.claims.base import Answer, Verdict, above, not_run, shown, together
from dst_repro.compare.sweep import sweep_at
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import paired
from dst_repro.tables.cells import Selected


class DropBelowParams(Selected):
    method: str = "dst"
    percents: Annotated[tuple[float, float], Field(strict=False)] = (8.0, 3.5)
    """The densities between which it falls, in percent."""
    points: float = 0.5
    """By how much, at least."""
    larger_than_from: float | None = 20.0
    """The fall is also larger than that from here to the first of the densities; none: not asked."""


@claims.register("drop-below", DropBelowParams)
def drop_below(frames: Frames, params: DropBelowParams) -> Answer:
    """Accuracy falls between two low densities, by more than between two higher ones

    Seed by seed, at each density by interpolation. The statistic is the fall in points; intervals decide.
    """
    first, last = params.percents
    same = of_method(known(frames, params.where), params.method)
    sweep = sweep_at(same, last) or sweep_at(same, first)
    if sweep is None:
        return not_run(f"no seed's runs enclose {first:g} or {last:g} % of the weights")
    above_, below = along(sweep, first), along(sweep, last)
    fall = paired(above_.values, below.values)
    if fall.n == 0:
        return not_run(f"no seed's runs enclose both {first:g} and {last:g} % of the weights")
    verdicts: list[Verdict] = [above(fall, params.points)]
    fell = f"from {first:g} to {last:g} % accuracy falls by {shown(fall)}, asked at least {params.points:g}"
    evidence = f"{judged(sweep.cells[0])}: {fell}"
    runs = above_.runs + below.runs
    if (start := params.larger_than_from) is not None:
        high = along(sweep, start)
        before = {seed: high.values[seed] - value for seed, value in above_.values.items() if seed in high.values}
        falls = {seed: value - below.values[seed] for seed, value in above_.values.items() if seed in below.values}
        more = paired(falls, before)
        verdicts.append(above(more) if more.n else "inconclusive")
        words = f"by {shown(more)} more than from {start:g} to {first:g}, asked more" if more.n else (
            f"no seed's runs enclose {start:g}")  # fmt: skip
        evidence, runs = f"{evidence}; {words}", runs + high.runs
    return Answer(together(verdicts), evidence + below.without, fall.mean, fall.low, fall.high, params.points,
                  tuple(dict.fromkeys(runs)))  # fmt: skip
