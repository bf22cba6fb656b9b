"""Whether sparse accuracy goes along with dense accuracy during the whole training."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dst_repro.claims.base import Answer, Verdict, gaps, not_run, of_share, settled
from dst_repro.claims.over_time import accuracy
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.summary import summarise
from dst_repro.tables.cells import Cell, Selected, cells
from dst_repro.words import how_many

Pair = tuple[pd.DataFrame, tuple[str, ...], list[Cell]]


class TracksDenseParams(Selected):
    method: str = "dst"
    first: int = 3
    """The epoch from which on it is asked."""
    points: float = 0.5
    """The largest difference, either way."""


def _differences(frames: Frames, params: Selected, method: str) -> Pair | str:
    """Sparse less dense, one row an epoch, one column a seed that both have; the runs; the cells. Or why not."""
    known = cells(frames.runs, params.where)
    pair = [[cell for cell in known if cell.method == name] for name in (method, "dense")]
    if [len(same) for same in pair] != [1, 1]:
        return f"needs one cell of {method} and a dense one, there are {len(pair[0])} and {len(pair[1])}"
    finished: list[list[Any]] = [same[0].finished.to_dict("records") for same in pair]
    sparse, dense = (accuracy(frames, runs) for runs in finished)
    both = [seed for seed in sparse if seed in dense]
    if not both:
        return "no seed of which a sparse and a dense run are finished"
    used = tuple(str(run["id"]) for runs in finished for run in runs if run["seed"] in both)
    return sparse[both] - dense[both], used, [pair[0][0], pair[1][0]]


@claims.register("tracks-dense", TracksDenseParams)
def tracks_dense(frames: Frames, params: TracksDenseParams) -> Answer:
    """Sparse and dense accuracy differ little at every epoch after the first ones

    Of means over seeds. The statistic is the difference at the epoch where it is largest, with its interval.
    """
    found = _differences(frames, params, params.method)
    if isinstance(found, str):
        return not_run(found)
    differences, used, known = found
    after = differences[differences.index >= params.first]
    if after.empty:
        return not_run(f"no epoch from {params.first} on")
    place = int(after.mean(axis=1).abs().to_numpy().argmax())
    worst = summarise(after.to_numpy()[place])
    verdict: Verdict = "holds" if abs(worst.mean) <= params.points else "fails"
    low, high = worst.interval()
    evidence = (
        f"sparse less dense from epoch {params.first} on: at most {worst.mean:+.2f} points [{low:+.2f}, {high:+.2f}] "
        f"({how_many(worst.n, 'seed')}), at epoch {after.index[place]}; asked within {params.points:g}{gaps(known)}"
    )
    return Answer(settled(verdict, [worst.n]), evidence, worst.mean, low, high, params.points, used)


class KeepsUpParams(Selected):
    method: str = "dst"
    after: int = 20
    """The epochs after this one count."""
    window: int = 5
    """Epochs over which both accuracies are averaged, this one and those before."""
    points: float = 0.5
    """How far the sparse average may be below the dense one."""
    share: float = 0.9
    """Of the epochs, at least."""


@claims.register("keeps-up-with-dense", KeepsUpParams)
def keeps_up_with_dense(frames: Frames, params: KeepsUpParams) -> Answer:
    """Averaged over a few epochs, sparse accuracy is at most slightly below dense accuracy, at nearly all epochs

    Of means over seeds. The statistic is the share of epochs.
    """
    found = _differences(frames, params, params.method)
    if isinstance(found, str):
        return not_run(found)
    differences, used, known = found
    average = differences.mean(axis=1).rolling(params.window).mean()
    average = average[average.index > params.after].dropna()
    if average.empty:
        return not_run(f"no epoch after {params.after}")
    hits = int((average >= -params.points).sum())
    seeds = differences.shape[1]
    evidence = (
        f"sparse at most {params.points:g} points below dense, averaged over {params.window} epochs, at {hits} of "
        f"{len(average)} epochs after {params.after}, asked {100 * params.share:g} %; on average "
        f"{average.mean():+.2f} points ({how_many(seeds, 'seed')}{gaps(known)})"
    )
    verdict = settled(of_share(hits, len(average), params.share), [seeds])
    return Answer(verdict, evidence, hits / len(average), threshold=params.share, runs=used)
