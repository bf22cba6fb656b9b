"""How far a mask moves: its overlap with the initial one, and the weights that were ever active."""

from __future__ import annotations

import json
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dst_repro.errors import UserError
from dst_repro.plots import names, overlap, sizes, style
from dst_repro.plots.accuracy_grid import places
from dst_repro.plots.curves import COUNTS
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables import fields
from dst_repro.tables.cells import Cell, Selected, cells

LABELS = {"jaccard": "Jaccard index with\nthe initial mask", "explored": "weights ever active (%)"}
COLUMNS = [*style.CELL, "column", "line", "metric", "over", "epoch", *COUNTS, "random"]


class OverlapParams(Selected):
    line: str = "method_params.drop"
    """The field that tells lines apart. A cell without it is a line of its method."""
    column: str | None = "density"
    """The field of which each value has a column of panels, for each data set and model."""
    over: Literal["network", "layers"] = "network"
    """Whether the weights of all layers are one mask, or the mean of the layers' indices is drawn. The CSV has both."""
    full_layers: bool = False
    """Whether layers that keep all their weights count, though they cannot change."""


@plots.register("mask-overlap", OverlapParams)
class MaskOverlap:
    """Jaccard index of the mask with the initial one, and share of the weights ever active, over epochs"""

    @staticmethod
    def frame(frames: Frames, params: OverlapParams) -> pd.DataFrame:
        """One row a (cell, metric, over, epoch) over seeds. `explored` is in percent; for `jaccard`, `random` is the
        index expected of two random masks, d / (2 - d) at density d.
        """
        parts = [_curves(cell, frames.history, params) for cell in cells(frames.runs, params.where)]
        found = [part for part in parts if part is not None]
        frame = pd.concat(found, ignore_index=True)[COLUMNS] if found else pd.DataFrame(columns=COLUMNS)
        if frame.duplicated([*style.FACET, "column", "line", "metric", "over", "epoch"]).any():
            raise UserError("mask-overlap: two cells are one line: choose by `where`, or name their field in `column`")
        return frame

    @staticmethod
    def figure(frame: pd.DataFrame, params: OverlapParams) -> Figure:
        columns = [
            (", ".join(filter(None, [title, names.words(column)])), rows[rows["column"] == column])
            for title, rows in style.facets(frame)
            for column in places(rows, "column")
        ]
        looks = style.treatments(frame["line"])
        lying = len(columns) == 1
        figure = Figure(figsize=(sizes.width(), 2.4 if lying else 3.9))
        shape = (1, 2) if lying else (2, len(columns))
        panels = iter(figure.subplots(*shape, squeeze=False, sharex="col").flat)
        for number, (metric, label) in enumerate(LABELS.items()):
            for title, rows in columns:
                axes = next(panels)
                over = params.over if metric == "jaccard" else "network"
                _draw(axes, rows[(rows["metric"] == metric) & (rows["over"] == over)], looks)
                axes.set_ylim(0, 1.02 if metric == "jaccard" else 103)
                if lying or number == 0:
                    axes.set_title(title)
                if lying or rows is columns[0][1]:
                    axes.set_ylabel(label)
                if lying or number == 1:
                    axes.set_xlabel("epoch")
        samples = [look.line() for look in looks.values()]
        style.legend(figure, [*samples, Line2D([], [], label="two random masks, expected", **overlap.CHANCE)])
        return figure


def _curves(cell: Cell, history: pd.DataFrame, params: OverlapParams) -> pd.DataFrame | None:
    names = history["name"].isin(["kept", "from_start", "explored"])
    counts = overlap.wide(history, cell.finished["id"], names)
    if not {"from_start", "explored"} <= set(counts):
        return None
    sizes = {layer["name"]: layer["numel"] for layer in json.loads(cell.finished["layers"].iloc[0])}
    counts = counts.assign(among=counts["layer"].map(sizes)).dropna()
    if not params.full_layers:
        counts = counts[counts["kept"] < counts["among"]]
    sets = counts.assign(common=counts["from_start"], a=counts["kept"], b=counts["kept"])
    sums = counts.groupby(["id", "epoch"])[["explored", "among"]].sum()
    shares = (100 * sums["explored"] / sums["among"]).groupby("epoch")
    explored = shares.agg(mean="mean", std="std", low="min", high="max", n="count").reset_index()
    known: dict[str, Any] = {key: getattr(cell, "id" if key == "cell" else key) for key in style.CELL}
    parts = [overlap.jaccard(sets).assign(metric="jaccard"), explored.assign(metric="explored", over="network")]
    known["column"] = fields.heading(params.column, cell.field(params.column)) if params.column else ""
    return pd.concat(parts).assign(**known, line=fields.treatment(cell, params.line), planned=cell.planned)


def _draw(axes: Axes, rows: pd.DataFrame, looks: dict[str, style.Look]) -> None:
    for name, look in looks.items():
        curve = rows[rows["line"] == name].sort_values("epoch")
        style.spread(axes, curve, "epoch", look.colour)
        axes.plot(curve["epoch"], curve["mean"], **look.drawn(),
                  markevery=max(1, len(curve) // 6))  # fmt: skip
    chance = rows.dropna(subset=["random"]).groupby("epoch")["random"].mean()
    if len(chance):
        axes.plot(chance.index, chance, **overlap.CHANCE)
    style.whole_numbers(axes)
