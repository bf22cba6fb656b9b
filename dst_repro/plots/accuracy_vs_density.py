"""What accuracy is paid for sparsity."""

from __future__ import annotations

from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dst_repro.aggregate import Frames
from dst_repro.plots import style
from dst_repro.registry import plots
from dst_repro.tables.cells import Selected, cells

EPOCHS = {"last": "last epoch", "best_on_validation": "best epoch on validation", "best_on_test": "best epoch on test"}
COLUMNS = [*style.CELL, "what", "seed", "density", "density_std", "accuracy", "accuracy_std", "n", "planned"]


class TradeOffParams(Selected):
    selection: Literal["last", "best_on_validation", "best_on_test"] = "last"
    """The epoch by which a run is judged."""


@plots.register("accuracy-vs-density", TradeOffParams)
class AccuracyVsDensity:
    """Accuracy against the density reached: seeds, and mean ± std of each cell; the dense level beside"""

    @staticmethod
    def frame(frames: Frames, params: TradeOffParams) -> pd.DataFrame:
        """Rows `what` = run (one seed) or mean (one cell, with the std of both axes); all in percent."""
        rows: list[dict[str, object]] = []
        x, y = f"{params.selection}.density", f"{params.selection}.test_accuracy"
        for cell in cells(frames.runs, params.where):
            runs = cell.finished.dropna(subset=[x, y])
            if runs.empty:
                continue
            common = {"dataset": cell.dataset, "model": cell.model, "method": cell.method, "setting": cell.setting,
                      "cell": cell.id, "planned": cell.planned}  # fmt: skip
            points = zip(runs["seed"], 100 * runs[x], 100 * runs[y], strict=True)
            rows += [common | {"what": "run", "seed": s, "density": d, "accuracy": a, "n": 1} for s, d, a in points]
            mean, std = 100 * runs[[x, y]].mean(), 100 * runs[[x, y]].std()
            rows.append(common | {"what": "mean", "density": mean[x], "density_std": std[x], "accuracy": mean[y],
                                  "accuracy_std": std[y], "n": len(runs)})  # fmt: skip
        frame = pd.DataFrame(rows, columns=COLUMNS)
        return frame.astype({"seed": "Int64"})

    @staticmethod
    def figure(frame: pd.DataFrame, params: TradeOffParams) -> Figure:
        columns = style.facets(frame)
        looks = style.looks(frame.assign(setting=""))  # the settings of a method are its points
        figure = Figure(figsize=(style.WIDTH if len(columns) > 1 else style.WIDTH / 2 + 0.3, 2.9))
        line = figure.subplots(1, len(columns), squeeze=False)[0]
        for (title, rows), axes in zip(columns, line, strict=True):
            for method, points in rows.groupby("method", sort=False):
                (_level if method == "dense" else _points)(axes, points, looks[str(method), ""])
            style.log_percent(axes, "x")
            _widen(axes, rows)
            axes.set_title(title)
            axes.set_xlabel("weights kept (%)")
        line[0].set_ylabel(f"test accuracy (%), {EPOCHS[params.selection]}")
        style.legend(figure, [look.line() for look in looks.values()])
        return figure


def _widen(axes: Axes, rows: pd.DataFrame) -> None:
    """At least a factor of four across: a few hundredths of a percent are no distance."""
    sparse = rows[rows["method"] != "dense"]
    if len(sparse):
        ends = [sparse["density"] + sign * sparse["density_std"].fillna(0) for sign in (-1, 1)]
        low, high = max(ends[0].min(), sparse["density"].min() / 3), ends[1].max()
        by = max(1.2, 2 * (low / high) ** 0.5)
        axes.set_xlim(low / by, min(high * by, 120))


def _level(axes: Axes, rows: pd.DataFrame, look: style.Look) -> None:
    """Dense: a line across, with its spread."""
    means = rows[rows["what"] == "mean"]
    for mean, std in zip(means["accuracy"], means["accuracy_std"], strict=True):
        axes.axhline(mean, color=look.colour, linestyle=look.stroke)
        if std > 0:
            axes.axhspan(mean - std, mean + std, color=look.colour, alpha=0.1, lw=0)


def _points(axes: Axes, rows: pd.DataFrame, look: style.Look) -> None:
    runs = rows[rows["what"] == "run"]
    axes.scatter(runs["density"], runs["accuracy"], s=7, color=look.colour, marker=look.marker, alpha=0.45, lw=0)
    mean = rows[rows["what"] == "mean"].sort_values("density")
    up, across = mean["accuracy_std"].fillna(0), mean["density_std"].fillna(0)
    axes.errorbar(mean["density"], mean["accuracy"], up, across, color=look.colour, marker=look.marker,
                  linestyle=look.stroke, elinewidth=0.8, capsize=1.5)  # fmt: skip
