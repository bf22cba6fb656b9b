"""One more epoch that a run may be judged by: the sparsest. It is read from the history, not kept in the record."""

from __future__ import annotations

import math

import pandas as pd

from dst_repro.records.frames import Frames

METRICS = ("epoch", "density", "test_accuracy", "validation_accuracy", "train_loss", "test_loss")
COLUMNS = tuple(f"sparsest.{name}" for name in METRICS)


def with_sparsest(frames: Frames) -> pd.DataFrame:
    """`frames.runs` with `sparsest.epoch`, `sparsest.density` and so on of every finished run.

    The latest of equally sparse epochs; accuracy has no part in the choice. The released code of DST keeps this epoch
    and the one that is best on the test set. Where layers are reset now and then, the density of the last epoch is a
    matter of chance, that of the sparsest is not.
    """
    history = frames.history
    history = history[(history["epoch"] > 0) & history["name"].isin(METRICS) & (history["layer"] == "")]
    wide = history.astype({"id": str, "name": str}).pivot(index=["id", "epoch"], columns="name", values="value")
    wide = wide.reset_index().reindex(columns=["id", *METRICS])
    wide = wide.dropna(subset=["density"]).sort_values(["density", "epoch"], ascending=[True, False])
    chosen = wide.drop_duplicates("id").set_index("id")[list(METRICS)].astype(float).add_prefix("sparsest.")
    runs = frames.runs.join(chosen, on="id")
    runs.loc[runs["status"] != "finished", list(COLUMNS)] = math.nan
    return runs
