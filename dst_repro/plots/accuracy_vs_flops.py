"""What accuracy costs to train, and to use."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, LogLocator, NullFormatter
from pydantic import Field

from dst_repro.errors import UserError
from dst_repro.plan.config import RunConfig
from dst_repro.plots import scale, sizes, style
from dst_repro.plots.accuracy_vs_density import lines_of
from dst_repro.plots.scale import Scale
from dst_repro.records import flops
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.cells import Cell, Selected, cells

LABELS = {"training": "training FLOPs", "inference": "inference FLOPs per image"}
COLUMNS = [*style.CELL, "line", *LABELS, "accuracy", "accuracy_std", "n", "planned"]


class FlopsParams(Selected):
    lines: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Fields of which each value has a line of its own, for the methods whose cells differ in them."""
    least: float | None = None
    """Where the axis of the accuracy begins, in percent; what lies below is not shown."""
    scale: Scale = "accuracy"
    """Accuracy, or the error on a logarithmic axis."""


@plots.register("accuracy-vs-flops", FlopsParams)
class AccuracyVsFlops:
    """Accuracy against the operations of training, and of inference; the runs that a run starts from count, too"""

    @staticmethod
    def frame(frames: Frames, params: FlopsParams) -> pd.DataFrame:
        """One row a cell: means over seeds, accuracies in percent, after the last epoch.

        Raises `UserError` for a run that starts from one that the item's experiments don't have.
        """
        known = cells(frames.runs, params.where)
        histories = {str(run): rows for run, rows in frames.history.groupby("id", sort=False)}
        lines = lines_of(known, params.lines)
        rows = [_row(cell, histories, lines[cell.id]) for cell in known if len(cell.finished)]
        frame = pd.DataFrame(rows, columns=COLUMNS)
        return frame.dropna(subset=list(LABELS)).reset_index(drop=True)

    @staticmethod
    def figure(frame: pd.DataFrame, params: FlopsParams) -> Figure:
        frame = frame.assign(accuracy=scale.shown(frame["accuracy"], params.scale))
        facets = style.facets(frame)
        looks = {key: look.point() for key, look in style.looks(frame.assign(setting=frame["line"])).items()}
        figure = Figure(figsize=(sizes.width(), 0.5 + 2.3 * len(facets)))
        grid = figure.subplots(len(facets), len(LABELS), squeeze=False, sharey="row")
        for (title, rows), line in zip(facets, grid, strict=True):
            for (what, label), axes in zip(LABELS.items(), line, strict=True):
                _draw(axes, rows, what, looks)
                axes.set_title(title)
                axes.set_xlabel(label)
            scale.limit(line[0], rows["accuracy"], rows["accuracy_std"].fillna(0), params.scale, params.least)
            line[0].set_ylabel(f"{scale.label(params.scale)}, last epoch")
        style.legend(figure, [look.line() for look in looks.values()])
        return figure


def _row(cell: Cell, histories: dict[str, pd.DataFrame], line: str) -> dict[str, Any]:
    done = cell.finished
    runs = {str(row["id"]): RunConfig.parse(json.loads(row["config"])) for row in done.to_dict("records")}
    spent = [_spent(own, run, histories) for own, run in runs.items()]
    kept = [{layer["name"]: layer["kept"] for layer in json.loads(str(text))} for text in done["layers"]]
    used = [flops.inference(run, found) for run, found in zip(runs.values(), kept, strict=True)]
    accuracy = 100 * done["last.test_accuracy"]
    return {
        "dataset": cell.dataset, "model": cell.model, "method": cell.method, "setting": cell.setting, "cell": cell.id,
        "line": line, "training": sum(spent) / len(spent), "inference": sum(used) / len(used),
        "accuracy": accuracy.mean(), "accuracy_std": accuracy.std(), "n": len(done), "planned": cell.planned,
    }  # fmt: skip


def _spent(own: str, run: RunConfig, histories: dict[str, pd.DataFrame]) -> float:
    """Training of a run and of all that it starts from, each once."""
    for one in run.ancestors:
        if one.id not in histories:
            raise UserError(f"accuracy-vs-flops: {own} starts from {one.id}: name that one's experiment, too")
    before = sum(flops.training(one, histories[one.id]) for one in run.ancestors)
    return before + flops.training(run, histories[own])


def _draw(axes: Axes, rows: pd.DataFrame, what: str, looks: dict[tuple[str, str], style.Look]) -> None:
    for (method, name), points in rows.groupby(["method", "line"], sort=False):
        points = points.sort_values(what)
        look = looks[str(method), str(name)]
        axes.errorbar(points[what], points["accuracy"], points["accuracy_std"].fillna(0), **look.spread())
    axes.set_xscale("log")
    low, high = axes.dataLim.intervalx
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if high > 30 * low else (1, 2, 5)))
    axes.xaxis.set_major_formatter(LogFormatterSciNotation(labelOnlyBase=False, minor_thresholds=(9, 9)))
    axes.xaxis.set_minor_formatter(NullFormatter())
