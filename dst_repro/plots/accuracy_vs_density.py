"""What accuracy is paid for sparsity."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field

from dst_repro.errors import UserError
from dst_repro.plots import scale, sizes, style
from dst_repro.plots.scale import Scale
from dst_repro.published import loader as published
from dst_repro.records.frames import Frames
from dst_repro.records.sparsest import with_sparsest
from dst_repro.registry import plots
from dst_repro.tables import fields
from dst_repro.tables.cells import Beside, Cell, cells, plain

EPOCHS = {"last": "last epoch", "best_on_validation": "best epoch on validation", "best_on_test": "best epoch on test",
          "sparsest": "sparsest epoch"}  # fmt: skip
COLUMNS = [*style.CELL, "line", "what", "seed", "density", "density_std", "accuracy", "accuracy_std", "n", "planned"]


class TradeOffParams(Beside):
    """Of published numbers, too, only those are shown whose method `where` names, if it names any."""

    selection: Literal["last", "best_on_validation", "best_on_test", "sparsest"] = "last"
    """The epoch by which a run is judged."""
    lines: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Fields of which each value has a line of its own, for the methods whose cells differ in them."""
    least: float | None = None
    """Where the axis of the accuracy begins, in percent; what lies below is not shown."""
    scale: Scale = "accuracy"
    """Accuracy, or the error on a logarithmic axis."""


@plots.register("accuracy-vs-density", TradeOffParams)
class AccuracyVsDensity:
    """Accuracy against the density reached: seeds, and mean ± std of each cell; dense and published levels beside"""

    @staticmethod
    def frame(frames: Frames, params: TradeOffParams) -> pd.DataFrame:
        """Rows `what` = run (one seed), mean (one cell, with the std of both axes) or published; all in percent."""
        runs = with_sparsest(frames) if params.selection == "sparsest" else frames.runs
        rows: list[dict[str, object]] = []
        x, y = f"{params.selection}.density", f"{params.selection}.test_accuracy"
        known = cells(runs, params.where)
        lines = lines_of(known, params.lines)
        for cell in known:
            done = cell.finished.dropna(subset=[x, y])
            if done.empty:
                continue
            common = {"dataset": cell.dataset, "model": cell.model, "method": cell.method, "setting": cell.setting,
                      "cell": cell.id, "planned": cell.planned, "line": lines[cell.id]}  # fmt: skip
            points = zip(done["seed"], 100 * done[x], 100 * done[y], strict=True)
            rows += [common | {"what": "run", "seed": s, "density": d, "accuracy": a, "n": 1} for s, d, a in points]
            mean, std = 100 * done[[x, y]].mean(), 100 * done[[x, y]].std()
            rows.append(common | {"what": "mean", "density": mean[x], "density_std": std[x], "accuracy": mean[y],
                                  "accuracy_std": std[y], "n": len(done)})  # fmt: skip
        nets = {(row["dataset"], row["model"]) for row in rows}
        for number in published.sparse_accuracies(params.published):
            wanted = params.where.get("method")
            if wanted and published.METHODS.get(number["method"], number["method"]) not in wanted:
                continue
            if (number["dataset"], number["model"]) in nets:
                rows.append({key: number[key] for key in (*style.FACET, "method")}
                            | {"what": "published", "line": "", "density": number["density_percent"],
                               "accuracy": number["value"], "accuracy_std": number["spread"],
                               "n": number["n_seeds"]})  # fmt: skip
        frame = pd.DataFrame(rows, columns=COLUMNS)
        return frame.astype({"seed": "Int64"})

    @staticmethod
    def figure(frame: pd.DataFrame, params: TradeOffParams) -> Figure:
        frame = frame.assign(accuracy=scale.shown(frame["accuracy"], params.scale))
        columns = style.facets(frame)
        looks = style.looks(frame.assign(setting=frame["line"]))  # what else there is are the points of a line
        printed = frame["what"] == "published"
        ours = set(frame.loc[~printed, ["method", "line"]].itertuples(index=False, name=None))
        handles = [look.line() for pair, look in looks.items() if pair in ours]
        handles += [looks[str(method), ""].published_line() for method in frame.loc[printed, "method"].unique()]
        wide = len(columns) > 1 or len(handles) > 6
        across = sizes.across(len(columns))
        down = math.ceil(len(columns) / across)
        figure = Figure(figsize=(sizes.width(wide), 2.9 if down == 1 else 2.1 * down + 0.6))
        grid = figure.subplots(down, across, squeeze=False)
        for axes in grid.flat[len(columns) :]:
            axes.set_axis_off()
        for (title, rows), axes in zip(columns, grid.flat, strict=False):
            for (method, name), points in rows.groupby(["method", "line"], sort=False):
                (_level if method == "dense" else _points)(axes, points, looks[str(method), str(name)])
            style.log_percent(axes, "x")
            _widen(axes, rows)
            axes.set_title(style.wrapped(title, across))
            axes.set_xlabel("density (%)")
            scale.limit(axes, rows["accuracy"], rows["accuracy_std"].fillna(0), params.scale, params.least)
        between = "\n" if down > 1 or sizes.width() < sizes.HALF else " "  # panels that are low take two lines
        for axes in grid[:, 0]:
            axes.set_ylabel(f"{scale.label(params.scale)},{between}{EPOCHS[params.selection]}")
        style.legend(figure, handles)
        return figure


def lines_of(known: list[Cell], wanted: tuple[str, ...]) -> dict[str, str]:
    """Cell -> what tells its line from others of its method: the fields in which they differ.

    Raises `UserError` where two cells of one line are to have the same density: it would run back and forth.
    """
    lines = {cell.id: _line(cell, known, wanted) for cell in known}
    places = [(cell.dataset, cell.model, cell.method, lines[cell.id], cell.field("density")) for cell in known]
    for place, cell in zip(places, known, strict=True):
        if cell.field("density") and places.count(place) > 1:
            raise UserError(f"two cells of {cell.method} on {cell.dataset}, {cell.model} are to have "
                            f"{cell.field('density')}: choose by `where`, or name their field in `lines`")  # fmt: skip
    return lines


def _line(cell: Cell, known: list[Cell], wanted: tuple[str, ...]) -> str:
    same = [other.runs for other in known if other.method == cell.method]
    differ = [f for f in wanted if f in cell.runs and len({plain(runs[f].iloc[0]) for runs in same}) > 1]
    words = {name: fields.heading(name, cell.field(name)) for name in differ if cell.field(name)}
    return ", ".join(f"from {word}" if name.startswith("weights_from.") else word for name, word in words.items())


def _widen(axes: Axes, rows: pd.DataFrame) -> None:
    """At least a factor of four across: a few hundredths of a percent are no distance."""
    sparse = rows[rows["method"] != "dense"]
    if len(sparse):
        ends = [sparse["density"] + sign * sparse["density_std"].fillna(0) for sign in (-1, 1)]
        low, high = max(ends[0].min(), sparse["density"].min() / 3), ends[1].max()
        by = max(1.2, 2 * (low / high) ** 0.5)
        axes.set_xlim(low / by, min(high * by, 120))
        if high * by < 5 * low / by:
            style.even_ticks(axes.xaxis)


def _level(axes: Axes, rows: pd.DataFrame, look: style.Look) -> None:
    means = rows[rows["what"] == "mean"]
    for mean, std in zip(means["accuracy"], means["accuracy_std"], strict=True):
        style.level(axes, mean, std, look)


def _points(axes: Axes, rows: pd.DataFrame, look: style.Look) -> None:
    runs = rows[rows["what"] == "run"]
    axes.scatter(runs["density"], runs["accuracy"], s=7, color=look.colour, marker=look.marker, alpha=0.45, lw=0)
    printed = rows[rows["what"] == "published"].sort_values("density")
    axes.plot(printed["density"], printed["accuracy"], **look.published())
    mean = rows[rows["what"] == "mean"].sort_values("density")
    up, across = mean["accuracy_std"].fillna(0), mean["density_std"].fillna(0)
    axes.errorbar(mean["density"], mean["accuracy"], up, across, **look.spread())
