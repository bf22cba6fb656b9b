"""Densities as DST's released LSTM code prints them, of runs that recorded what it counts.

Of the output gate it sums the masked weights instead of their mask, so that it prints less than is kept: about three
quarters where all gates are equally dense. Everywhere else what it counts is what is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from dst_repro.records.frames import Frames

Counted = Literal["true-mask", "as-printed"]
COUNT = "kept_as_printed"
"""The name of these rows in the history, one a layer and epoch, with `fidelity: released` only."""

Printed = Mapping[tuple[str, int], float]


def as_printed(frames: Frames) -> Printed:
    """(id of a run, epoch) -> printed density, in [0, 1]; nothing of runs that recorded no such count."""
    rows = frames.history[frames.history["name"] == COUNT]
    if rows.empty:
        return {}
    sums = rows.astype({"id": str}).groupby(["id", "epoch"], as_index=False)["value"].sum()
    weights = dict(zip(frames.runs["id"], frames.runs["numel"], strict=True))
    return {
        (run, epoch): value / weights[run]
        for run, epoch, value in zip(sums["id"], sums["epoch"], sums["value"], strict=True)
    }


def recorded(runs: Iterable[str], printed: Printed) -> bool:
    """Whether one of these runs, by id, recorded what the released code counts."""
    return not {run for run, _ in printed}.isdisjoint(runs)


def density(run: Mapping[str, Any], selection: str, printed: Printed) -> float:
    """Of a row of `Frames.runs` at one of its epochs, in [0, 1]: the printed one, the true one where there is none."""
    true = run[f"{selection}.density"]
    epoch = run.get(f"{selection}.epoch")
    found = true if epoch is None or epoch != epoch else printed.get((run["id"], int(epoch)), true)
    return float("nan") if found is None else float(found)
