"""Curves of single runs: accuracies and kept weights over epochs, kept weights over steps."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pandas as pd

from dst_repro.records.frames import Frames

Run = dict[str, Any]


def sizes(run: Run) -> dict[str, int]:
    """Layer -> its weights, in the order of the network."""
    return {layer["name"]: layer["numel"] for layer in json.loads(run["layers"])}


def accuracy(frames: Frames, runs: Iterable[Run]) -> pd.DataFrame:
    """Test accuracy in percent: one row an epoch, one column a seed."""
    return pd.DataFrame({run["seed"]: 100 * _curve(frames, run, "test_accuracy", "") for run in runs})


def kept(frames: Frames, runs: Iterable[Run], layer: str = "") -> pd.DataFrame:
    """Percent of a layer's weights that are kept, or of the network's: one row an epoch from 0, one column a seed."""
    columns = {}
    for run in runs:
        size = sizes(run)
        names = [layer] if layer else list(size)
        counts = sum(_curve(frames, run, "kept", name) for name in names)
        columns[run["seed"]] = 100 * counts / sum(size[name] for name in names)
    return pd.DataFrame(columns)


def steps(frames: Frames, run: Run, name: str) -> pd.DataFrame:
    """Percent of each layer's weights: `step_kept`, `step_pruned` or `step_recovered`; one row a step."""
    size = sizes(run)
    curves = {layer: 100 * _curve(frames, run, name, layer, "step") / numel for layer, numel in size.items()}
    return pd.DataFrame(curves).dropna()


def _curve(frames: Frames, run: Run, name: str, layer: str, at: str = "epoch") -> pd.Series[float]:
    history = frames.history
    rows = history[(history["id"] == run["id"]) & (history["name"] == name) & (history["layer"] == layer)]
    curve: pd.Series[float] = rows.set_index(at)["value"].sort_index()
    return curve
