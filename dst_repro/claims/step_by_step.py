"""Whether weights are pruned step by step from the first epoch on, a few at a time."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from dst_repro.claims.base import Answer, gaps, not_run, of_share, settled
from dst_repro.claims.over_time import kept, steps
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.tables.cells import Selected, cells
from dst_repro.words import how_many


class StepByStepParams(Selected):
    layers: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] = ("fc1", "fc2")
    """The layers that are pruned throughout."""
    changing: float = 50.0
    """Percent of the recorded steps in which the count of each of them changes: more than this."""
    at_once: float = 5.0
    """Percent of any layer that one step removes at most. A reset removes nothing, so none is left out."""
    rise: float = 0.5
    """Points by which the mean over seeds may rise from one epoch to the next."""


@claims.register("step-by-step", StepByStepParams)
def step_by_step(frames: Frames, params: StepByStepParams) -> Answer:
    """Counts change in most steps of the first epoch, none of which removes much, and fall epoch by epoch

    The statistic is the smallest share, in percent, of steps in which one of the layers changes.
    """
    known = [cell for cell in cells(frames.runs, params.where) if len(cell.finished)]
    changed, most, falls, seeds, used = [], [], [], [], []
    for cell in known:
        runs: list[dict[str, Any]] = cell.finished.to_dict("records")  # type: ignore[assignment]
        counted = [(run, counts) for run in runs if len(counts := steps(frames, run, "step_kept"))]
        for run, counts in counted:
            for layer in params.layers:
                now = counts[layer].to_list()
                before = [float(kept(frames, [run], layer).to_numpy()[0, 0]), *now[:-1]]
                moves = [abs(one - other) > 1e-9 for one, other in zip(now, before, strict=True)]
                changed.append(100 * sum(moves) / len(moves))
            most.append(steps(frames, run, "step_pruned").max().max())
        if counted:
            means = [kept(frames, [run for run, _ in counted], layer).mean(axis=1) for layer in params.layers]
            falls += [bool(mean.iloc[1] < 100 and (mean.diff().iloc[1:] <= params.rise).all()) for mean in means]
            seeds.append(len(counted))
            used += [str(run["id"]) for run, _ in counted]
    if not used:
        return not_run("no finished run recorded its steps")
    holds = [min(changed) > params.changing, max(most) <= params.at_once, all(falls)]
    evidence = (
        f"{' and '.join(params.layers)} change in at least {min(changed):.1f} % of the recorded steps, asked more than "
        f"{params.changing:g} %; one step removes at most {max(most):.2f} % of a layer, asked {params.at_once:g} %; "
        f"{sum(falls)} of {len(falls)} layers fall epoch by epoch ({how_many(len(used), 'run')}{gaps(known)})"
    )
    verdict = settled(of_share(sum(holds), len(holds), 1.0), seeds)
    return Answer(verdict, evidence, min(changed), threshold=params.changing, runs=tuple(used))
