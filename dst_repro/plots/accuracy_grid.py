"""Accuracy against the density or another field: one line a criterion, panels by growth and what else there is."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dst_repro.errors import UserError
from dst_repro.plots import names, scale, sizes, style
from dst_repro.plots.curves import COUNTS
from dst_repro.plots.scale import Scale
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.statistics.summary import summarise
from dst_repro.tables import fields
from dst_repro.tables.cells import Cell, Selected, cells

COLUMNS = [*style.CELL, "column", "row", "line", "x", *COUNTS]


class GridParams(Selected):
    x: str = "density"
    """The field on the x axis: the target density, or a parameter such as `method_params.update_period`."""
    line: str = "method_params.drop"
    """The field that tells lines apart. A cell without it is a line of its method."""
    row: str | None = "method_params.grow"
    """The field of which each value has a row of panels."""
    column: str | None = None
    """The field of which each value has a column of panels, for each data set and model. A cell without a value for
    rows or columns, as static and dense ones, stands in all of them."""
    selection: Literal["last", "best_on_validation", "best_on_test"] = "last"
    """The epoch by which a run is judged."""
    least: float | None = None
    """Where the axis of the accuracy begins, in percent; what lies below is not shown. Panels that lie wholly below it
    are shown as they are."""
    scale: Scale = "accuracy"
    """Accuracy, or the error on a logarithmic axis."""


@plots.register("accuracy-grid", GridParams)
class AccuracyGrid:
    """Accuracy against density or a parameter, a line a criterion, in rows and columns of panels"""

    @staticmethod
    def frame(frames: Frames, params: GridParams) -> pd.DataFrame:
        """One row a cell: mean, std, lowest and highest seed in percent. Cells without `x` are levels across."""
        rows = [_row(cell, params) for cell in cells(frames.runs, params.where) if len(cell.finished)]
        frame = pd.DataFrame(rows, columns=COLUMNS)
        twice = frame[frame.duplicated(["dataset", "model", "column", "row", "line", "x"])]
        if len(twice):
            raise UserError(f"accuracy-grid: two cells of '{twice['line'].iloc[0]}' have one {params.x}: choose by "
                            "`where`, or name the field in which they differ in `row` or `column`")  # fmt: skip
        return frame.reset_index(drop=True)

    @staticmethod
    def figure(frame: pd.DataFrame, params: GridParams) -> Figure:
        frame = _scaled(frame, params.scale)
        down = places(frame, "row")
        across = [(title, column, rows) for title, rows in style.facets(frame) for column in places(rows, "column")]
        lying = len(across) == 1  # a single column of panels is laid down
        each = sizes.across(len(down if lying else across))
        chunks = [across[start : start + each] for start in range(0, len(across), each)]
        lines = [[(row, *place) for place in chunk] for chunk in chunks for row in down]
        if lying:
            lines = [[line[0] for line in lines[start : start + each]] for start in range(0, len(lines), each)]
        most = len(lines[0])
        looks = style.treatments(frame["line"])
        figure = Figure(figsize=(sizes.width(most > 1), 0.8 + (1.6 if most > 2 else 1.9) * len(lines)))
        grid = figure.subplots(len(lines), most, squeeze=False)
        first: dict[tuple[str, str], Axes] = {}
        for line, all_axes in zip(lines, grid, strict=True):
            for axes in all_axes[len(line) :]:
                axes.set_axis_off()
            for place, ((row, title, column, rows), axes) in enumerate(zip(line, all_axes, strict=False)):
                other = first.setdefault((title, column), axes)
                if other is not axes:
                    axes.sharex(other)
                    axes.sharey(other)
                panels = rows[rows["column"].isin([column, ""])]
                _draw(axes, panels[panels["row"].isin([row, ""])], looks)
                _limit(axes, panels, params)
                if lying or row == down[0]:
                    words = ", ".join(filter(None, [title, *map(names.words, [column, row if lying else ""])]))
                    axes.set_title(style.wrapped(words, max(most, 2)))
                if lying or row == down[-1]:
                    axes.set_xlabel(_name(params.x))
                if place == 0:
                    axes.set_ylabel(
                        "\n".join(filter(None, ["" if lying else names.words(row), scale.label(params.scale)]))
                    )
                axes.tick_params(labelbottom=lying or row == down[-1], labelleft=place == 0 or not lying)
        style.legend(figure, [look.line() for look in looks.values()])
        return figure


def _scaled(frame: pd.DataFrame, wanted: Scale) -> pd.DataFrame:
    mean, low, high = (scale.shown(frame[name], wanted) for name in ("mean", "low", "high"))
    return frame.assign(mean=mean, low=low, high=high)


def _limit(axes: Axes, rows: pd.DataFrame, params: GridParams) -> None:
    """One for all panels that share the axis."""
    best = scale.shown(rows["high"], params.scale).max()  # back from what is shown
    least = params.least if params.least is not None and best > params.least else None
    scale.limit(axes, rows["mean"], (rows["high"] - rows["mean"]).abs(), params.scale, least)


def _name(x: str) -> str:
    return "density (%)" if x == "density" else x.rpartition(".")[2].replace("_", " ")


def _row(cell: Cell, params: GridParams) -> dict[str, Any]:
    found = 100 * cell.finished[f"{params.selection}.test_accuracy"].dropna()
    summary = summarise(found)
    place = {
        key: fields.heading(name, cell.field(name)) if name else ""
        for key, name in (("column", params.column), ("row", params.row))
    }
    return {
        "dataset": cell.dataset, "model": cell.model, "method": cell.method, "setting": cell.setting, "cell": cell.id,
        **place, "line": fields.treatment(cell, params.line), "x": fields.number(cell, params.x),
        "mean": summary.mean, "std": summary.std, "low": found.min(), "high": found.max(), "n": summary.n,
        "planned": cell.planned,
    }  # fmt: skip


def places(frame: pd.DataFrame, name: str) -> list[str]:
    """The values that have panels of their own: random growth first, densities rising, else in the frame's order."""
    words = [str(word) for word in frame[name].unique() if word]
    densities = {word: float(word.removesuffix(" %")) for word in words if word.endswith(" %")}
    return sorted(words, key=lambda word: (word != "random growth", densities.get(word, 0))) or [""]


def _draw(axes: Axes, rows: pd.DataFrame, looks: dict[str, style.Look]) -> None:
    for name, look in looks.items():
        points = rows[rows["line"] == name]
        for mean, std in points.loc[points["x"].isna(), ["mean", "std"]].itertuples(index=False, name=None):
            style.level(axes, mean, std, look)
        line = points.dropna(subset=["x"]).sort_values("x")
        if len(line):
            if line["n"].min() > 1:
                style.spread(axes, line, "x", look.colour)
            else:  # a band would run from the seeds of one point to the single one of the next
                axes.vlines(line["x"], line["low"], line["high"], color=look.colour, linewidth=0.8)
            axes.plot(line["x"], line["mean"], **look.drawn())
            style.log_numbers(axes)
