"""Published numbers beside single cells: the first published item beside the first sparse cell, and so on."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dst_repro.errors import UserError
from dst_repro.plots.style import Look
from dst_repro.published import loader as published
from dst_repro.records.frames import Frames
from dst_repro.tables.cells import Beside, Cell, cells

LABEL = "published"
HOLLOW: dict[str, Any] = {"markerfacecolor": "white", "markersize": 5, "linestyle": "none"}
PRINTED = {"remaining_percent": "density", "top1": "test_accuracy"}


def with_published(frame: pd.DataFrame, frames: Frames, params: Beside) -> pd.DataFrame:
    """A frame of curves with the printed end values, in percent, in a column `published` of each curve's last epoch.

    Rows are matched by `layer` or `metric`. The sparse cells of the item, finished or not, take the published items in
    their order, dense cells the dense numbers of all. Raises `UserError` if there are more or fewer items than sparse
    cells. Without published items the frame stays as it is.
    """
    if not params.published:
        return frame
    known = cells(frames.runs, params.where)
    sparse = [cell for cell in known if cell.method != "dense"]
    if len(sparse) != len(params.published):
        raise UserError(
            f"published: {len(params.published)} items for {len(sparse)} sparse cells; there must be as many"
        )
    values = {(cell.id, *key): value for cell, item in zip(sparse, params.published, strict=True)
              for key, value in _values(item, cell).items()}  # fmt: skip
    values |= {(cell.id, *key): value for cell in known if cell.method == "dense" for item in params.published
               for key, value in _values(item, cell).items()}  # fmt: skip
    what = "layer" if "layer" in frame else "metric"
    last = frame["epoch"] == frame.groupby(["cell", what])["epoch"].transform("max")
    found = [values.get(key, math.nan) for key in zip(frame["cell"], frame[what], strict=True)]
    return frame.assign(published=pd.Series(found, frame.index, dtype=float).where(last))


def end_values(axes: Axes, rows: pd.DataFrame, look: Look) -> None:
    """The published end values of one curve, as hollow marks of its own at its last epoch."""
    if LABEL in rows:
        ends = rows.dropna(subset=[LABEL])
        marker = look.point().marker
        (marks,) = axes.plot(ends["epoch"], ends[LABEL], color=look.colour, marker=marker, zorder=3, **HOLLOW)
        marks.set_clip_on(False)  # they may lie on the frame
        marks.set_in_layout(False)


def sample(frame: pd.DataFrame) -> list[Line2D]:
    """For the legend, if the frame has published values."""
    return [Line2D([], [], color="0.4", marker="o", label=f"{LABEL}, hollow", **HOLLOW)] if LABEL in frame else []


def _values(item: str, cell: Cell) -> dict[tuple[str], float]:
    """(layer or metric) -> printed value of the cell's network. Layers are named as in it, without capitals."""
    numbers = published.items([item])
    same = (numbers["dataset"] == cell.dataset) & (numbers["model"] == cell.model)
    numbers = numbers[same & ((numbers["method"] == "dense") == (cell.method == "dense"))]
    return {
        (str(row["settings"]["layer"]).lower() if row["metric"] == "layer_remaining" else PRINTED[row["metric"]],):
            row["value"]
        for row in numbers.to_dict("records")
        if row["metric"] == "layer_remaining" or row["metric"] in PRINTED
    }  # fmt: skip
