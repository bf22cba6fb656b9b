"""Whether pruned weights come back: in single steps, for good, and in a layer that is hardly pruned."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dst_repro.claims.base import Answer, Verdict, decided, gaps, not_run, of_share, settled
from dst_repro.claims.over_time import Run, kept, sizes, steps
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.summary import summarise
from dst_repro.tables.cells import Cell, Selected, cells
from dst_repro.words import how_many

RESET = 50.0
"""A step that brings back more than this of a layer, in percent, is a reset: it finds 1 % kept, and leaves all."""


def _runs(frames: Frames, params: Selected) -> tuple[list[Cell], list[Run]]:
    known = [cell for cell in cells(frames.runs, params.where) if len(cell.finished)]
    runs: list[Any] = [run for cell in known for run in cell.finished.to_dict("records")]
    return known, runs


@claims.register("both-ways", Selected)
def both_ways(frames: Frames, params: Selected) -> Answer:
    """In every layer single steps prune weights and bring weights back, resets aside

    The statistic is the smallest number of weights that a layer of a run got back over the recorded steps.
    """
    known, runs = _runs(frames, params)
    least: dict[str, tuple[float, float]] = {}
    for run in runs:
        back, gone = steps(frames, run, "step_recovered"), steps(frames, run, "step_pruned")
        if len(back):
            counts = [
                (moved.where(back <= RESET, 0.0).sum() * pd.Series(sizes(run)) / 100).min() for moved in (back, gone)
            ]
            least[str(run["id"])] = (round(counts[0]), round(counts[1]))
    if not least:
        return not_run("no finished run recorded its steps")
    hits = sum(back > 0 and gone > 0 for back, gone in least.values())
    fewest = [min(counts) for counts in zip(*least.values(), strict=True)]
    evidence = (
        f"every layer has weights pruned and brought back in {hits} of {how_many(len(least), 'run')}; the fewest of "
        f"a layer in the recorded steps of a run: {fewest[1]} pruned, {fewest[0]} brought back{gaps(known)}"
    )
    verdict = settled(of_share(hits, len(least), 1.0), [len(least)])
    return Answer(verdict, evidence, fewest[0], threshold=0.0, runs=tuple(least))


@claims.register("active-again", Selected)
def active_again(frames: Frames, params: Selected) -> Answer:
    """In every layer some weights that were masked are active at the end

    Only counts are recorded, not which weights: a layer that keeps more at the end than at some time before, resets
    aside, has at least so many. Where it doesn't, nothing is said. The statistic is that bound for the layer with the
    least, in percent of its weights.
    """
    known, runs = _runs(frames, params)
    bounds, used = [], []
    for run in runs:
        counts, of_steps = {}, steps(frames, run, "step_kept")
        for layer in sizes(run):
            epochs = kept(frames, [run], layer).to_numpy()[:, 0]
            lowest = min(epochs.min(), of_steps[layer].min() if len(of_steps) else 100.0)
            counts[layer] = float(epochs[-1] - lowest)
        if not _resets(frames, run):
            bounds.append(counts)
            used.append(str(run["id"]))
    if not used:
        return not_run("no finished run without resets")
    least = {layer: min(bound[layer] for bound in bounds) for layer in bounds[0]}
    shown = [name for name, bound in least.items() if bound > 0]
    verdict: Verdict = settled("holds" if len(shown) == len(least) else "inconclusive", [len(used)])
    evidence = (
        f"by counts alone shown of {len(shown)} of {len(least)} layers ({', '.join(shown) or 'none'}), in {len(used)} "
        f"runs; which weights are masked is not recorded{gaps(known)}"
    )
    return Answer(verdict, evidence, min(least.values()), threshold=0.0, runs=tuple(used))


def _resets(frames: Frames, run: Run) -> bool:
    history = frames.history
    rows = history[(history["id"] == run["id"]) & (history["name"] == "resets")]
    return bool((rows["value"] > 0).any())


class DipsParams(Selected):
    layer: str = "fc3"
    below: float = 99.0
    """What it keeps at its lowest, in percent: less than this."""
    within: int = 200
    """The steps in which that happens."""
    back_at: float = 99.0
    """What it keeps at the end, in percent, at least."""


@claims.register("dips-and-recovers", DipsParams)
def dips_and_recovers(frames: Frames, params: DipsParams) -> Answer:
    """A layer loses weights in the first steps and has them back at the end

    Of the mean over seeds. The statistic is the mean of the lowest percentage within those steps, with its interval.
    """
    known, runs = _runs(frames, params)
    lows, ends, used = [], [], []
    for run in runs:
        counts = steps(frames, run, "step_kept")
        if len(counts):
            lows.append(float(counts.loc[counts.index <= params.within, params.layer].min()))
            ends.append(float(kept(frames, [run], params.layer).to_numpy()[-1, 0]))
            used.append(str(run["id"]))
    if not used:
        return not_run("no finished run recorded its steps")
    low, end = summarise(lows), summarise(ends)
    dips: Verdict = "holds" if low.mean < params.below else "fails"
    verdict = dips if decided(end, params.back_at, "means") != "fails" else "fails"
    evidence = (
        f"{params.layer} is at {low.mean:.2f} % at its lowest within {params.within} steps, asked below "
        f"{params.below:g} %, and at {end.mean:.2f} % at the end, asked at least {params.back_at:g} % "
        f"({how_many(len(used), 'run')}{gaps(known)})"
    )
    return Answer(settled(verdict, [len(used)]), evidence, low.mean, *low.interval(), params.below, tuple(used))
