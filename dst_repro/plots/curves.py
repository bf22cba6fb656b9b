"""From the long history to curves: mean and standard deviation over the finished seeds of a cell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dst_repro.records.frames import Frames
from dst_repro.tables.cells import Cell, cells

Where = Mapping[str, Sequence[Any]]
AS_SET = ("beta", "skip_weight", "label_smoothing")
"""What is no share."""
COUNTS = ["mean", "std", "low", "high", "n", "planned"]  # low, high: the lowest and the highest seed


def _with_cell(cell: Cell, rows: pd.DataFrame) -> pd.DataFrame:
    names = {"dataset": cell.dataset, "model": cell.model, "method": cell.method, "setting": cell.setting}
    return rows.assign(**names, cell=cell.id, planned=cell.planned)


def _summary(values: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    groups = values.groupby(by, sort=False)["value"]
    return groups.agg(mean="mean", std="std", low="min", high="max", n="count").reset_index()


def _join(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def layer_curves(frames: Frames, where: Where, name: str, at: str) -> pd.DataFrame:
    """Percent of each layer's weights that are kept, against `at` (`epoch` or `step`).

    `name` is `kept` or `step_kept`. One row a (cell, layer, time); layers in the order of the network, with `numel`.
    """
    columns = ["dataset", "model", "method", "setting", "cell", "layer", "position", "numel", at, *COUNTS]
    history = frames.history[frames.history["name"] == name]
    parts = []
    for cell in cells(frames.runs, where):
        rows = history[history["id"].isin(cell.finished["id"])]
        if len(rows):
            layers = json.loads(cell.finished["layers"].iloc[0])
            size = {layer["name"]: (place, layer["numel"]) for place, layer in enumerate(layers)}
            rows = rows.assign(
                position=rows["layer"].map(lambda layer, size=size: size[layer][0]),
                numel=rows["layer"].map(lambda layer, size=size: size[layer][1]),
            )
            rows = rows.assign(value=100 * rows["value"] / rows["numel"]).sort_values(["position", at, "id"])
            parts.append(_with_cell(cell, _summary(rows, ["layer", "position", "numel", at])))
    return _join(parts, columns)


def network_curves(frames: Frames, where: Where, name: str) -> pd.DataFrame:
    """`density` or an accuracy in percent, or what a trick has set, against the epoch; one row a (cell, epoch).

    Density is counted from the layers, so that epoch 0 has the network before training.
    """
    columns = ["dataset", "model", "method", "setting", "cell", "metric", "epoch", *COUNTS]
    history = frames.history[frames.history["name"] == ("kept" if name == "density" else name)]
    parts = []
    for cell in cells(frames.runs, where):
        rows = history[history["id"].isin(cell.finished["id"])]
        if rows.empty:
            continue
        if name == "density":
            rows = rows.groupby(["id", "epoch"])["value"].sum().reset_index()
            numel = cell.finished.set_index("id")["numel"]
            rows = rows.assign(value=rows["value"] / rows["id"].map(numel))
        percent = 1 if name in AS_SET else 100
        rows = rows.assign(value=percent * rows["value"]).sort_values(["epoch", "id"])
        parts.append(_with_cell(cell, _summary(rows, ["epoch"]).assign(metric=name)))
    return _join(parts, columns)
