"""The epochs of a run whose network has no ghosts, and the best of them: read from the history, not kept in the record.

As long as soft neurons or ghost skips are there, the network that is tested is not the sparse one of that density.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from typing import Literal, NamedTuple

import pandas as pd

from dst_repro.records.frames import Frames

TRACES = ("beta", "skip_weight", "ghost_parameters")
"""Rows of the history that are there, and not zero, as long as there are ghosts: of soft neurons; of ghost skips; of
either, how many parameters are trained beside the network."""
METRICS = ("epoch", "density", "test_accuracy", "validation_accuracy", "train_loss", "test_loss")
COLUMN = "epochs_without_ghosts"
COLUMNS = (COLUMN, *(f"best_without_ghosts.{name}" for name in METRICS))

By = Literal["validation", "test"]


class Epoch(NamedTuple):
    """One epoch; shares of 1, the second nan where no image is held out."""

    number: int
    test: float
    validation: float


def with_epochs(frames: Frames) -> pd.DataFrame:
    """`frames.runs` with a column of tuples: of each finished run the epochs without ghosts, as sparse as asked.

    A run that ends as it was asked to has its target's density at the end; epochs with more weights don't count.
    """
    if COLUMN in frames.runs:
        return frames.runs
    wide = _epochs(frames)
    found: dict[str, tuple[Epoch, ...]] = {
        str(run): tuple(Epoch(int(e), float(t), float(v)) for e, t, v in zip(*columns, strict=True))
        for run, group in wide.groupby("id", sort=False)
        if (columns := [group[name] for name in ("epoch", "test_accuracy", "validation_accuracy")])
    }
    runs = frames.runs.copy()
    runs[COLUMN] = pd.Series([found.get(str(run), ()) for run in runs["id"]], runs.index, dtype=object)
    return runs


def with_best(frames: Frames) -> pd.DataFrame:
    """`frames.runs` with `best_without_ghosts.epoch`, `.density` and so on: the earliest best epoch on images held out
    of those that `with_epochs` names; nan for none.
    """
    wide = _epochs(frames).dropna(subset=["validation_accuracy"])
    wide = wide.sort_values(["validation_accuracy", "epoch"], ascending=[False, True]).drop_duplicates("id")
    chosen = wide.set_index("id")[list(METRICS)].astype(float).add_prefix("best_without_ghosts.")
    return frames.runs.join(chosen, on="id")


def _epochs(frames: Frames) -> pd.DataFrame:
    history = frames.history
    history = history[(history["epoch"] > 0) & (history["layer"] == "") & history["name"].isin((*METRICS, *TRACES))]
    wide = history.astype({"id": str, "name": str}).pivot(index=["id", "epoch"], columns="name", values="value")
    wide = wide.reset_index().reindex(columns=["id", *METRICS, *TRACES]).dropna(subset=["test_accuracy"])
    runs = frames.runs[frames.runs["status"] == "finished"].set_index("id")
    wide = wide[wide["id"].isin(runs.index)]
    most = wide["id"].map(runs["density"].combine(runs["last.density"], max)).astype(float)  # nan: no target
    known = wide["ghost_parameters"].notna() | ~wide["id"].isin(runs.index[_tricked(runs)])
    plain = known & ~wide[list(TRACES)].fillna(0).astype(bool).any(axis=1)
    return wide[plain & ~(wide["density"] > most + 1e-9)].sort_values(["id", "epoch"])


def _tricked(runs: pd.DataFrame) -> pd.Series[bool]:
    return runs["tricks"].notna() if "tricks" in runs else pd.Series(False, runs.index)


def best(epochs: Iterable[Epoch], by: By) -> Epoch | None:
    """The earliest best on the images held out, or on the test."""
    known = [epoch for epoch in epochs if not math.isnan(getattr(epoch, by))]
    return max(known, key=lambda epoch: float(getattr(epoch, by)), default=None)


def among(epochs: Iterable[Epoch], numbers: Collection[int]) -> tuple[Epoch, ...]:
    return tuple(epoch for epoch in epochs if epoch.number in numbers)
