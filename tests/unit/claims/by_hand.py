"""Runs of a sweep over alpha, dense ones beside, and histories: all by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pandas as pd

from dst_repro.records.frames import SELECTIONS, Frames
from tests.small import HISTORY, frames, run

Row = dict[str, object]


def dst(alpha: float, seed: int, density: float, accuracy: float, **fields: object) -> Row:
    """A finished run that keeps `density` percent and is right on `accuracy` percent, at every epoch alike."""
    reached = {f"{name}.density": density / 100 for name in SELECTIONS if name != "best_on_validation"}
    epochs = {f"{name}.epoch": 1.0 for name in SELECTIONS}
    row = run("dst", seed, accuracy / 100, **{"method_params.alpha": alpha}) | reached | epochs
    config = {"method": "dst", "method_params": {"alpha": alpha}, "seed": seed}
    return row | {"model": "vgg-16", "dataset": "cifar10", "config": json.dumps(config)} | fields


def unfinished(alpha: float, seed: int, status: str = "missing") -> Row:
    row = run("dst", seed, None, status, **{"method_params.alpha": alpha})
    config = {"method": "dst", "method_params": {"alpha": alpha}, "seed": seed}
    return row | {"model": "vgg-16", "dataset": "cifar10", "config": json.dumps(config)}


def dense(seed: int, accuracy: float, **fields: object) -> Row:
    config = {"seed": seed}
    row = run("dense", seed, accuracy / 100)
    return row | {"model": "vgg-16", "dataset": "cifar10", "config": json.dumps(config)} | fields


def layers(**percent: float) -> str:
    """Of layers of 1,000 weights each."""
    kept = [{"name": name, "shape": [10, 100], "numel": 1000, "kept": round(10 * p)} for name, p in percent.items()]
    return json.dumps(kept)


def with_history(rows: Iterable[Row], history: Mapping[tuple[str, str], Mapping[str, list[float]]], first: int = 0,
                 at: str = "epoch") -> Frames:  # fmt: skip
    """(name, layer) -> id -> values, the first of them at epoch, or step, `first`."""
    made = frames(*rows)
    long = [
        (run_id, place if at == "step" else 0, 1 if at == "step" else place, layer, name, value)
        for (name, layer), of_runs in history.items()
        for run_id, values in of_runs.items()
        for place, value in enumerate(values, start=first)
    ]
    return Frames(made.runs, pd.DataFrame(long, columns=HISTORY))
