"""Masks that were found in training, trained from scratch, beside the runs that found them."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from dst_repro.plan.catalogue import label
from dst_repro.plots import scale, sizes, style
from dst_repro.plots.scale import Scale
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.cells import Selected
from dst_repro.tables.retraining import retrained

COLUMNS = [*style.CELL, "line", "density", "accuracy", "accuracy_std", "n", "planned"]
OWN = ""
"""The line of the run that found the mask."""


class RetrainedParams(Selected):
    least: float | None = None
    """Where the axis of the accuracy begins, in percent; what lies below is not shown."""
    scale: Scale = "accuracy"
    """Accuracy, or the error on a logarithmic axis."""


@plots.register("retrained", RetrainedParams)
class RetrainedMasks:
    """Accuracy of masks trained from scratch against their density, and of the runs that found them"""

    @staticmethod
    def frame(frames: Frames, params: RetrainedParams) -> pd.DataFrame:
        """One row a cell and one for each run that found its mask; `method` is that of the latter. In percent, over the
        seeds of which both have finished.
        """
        rows: list[dict[str, object]] = []
        for one in retrained(frames.runs, params.where):
            accuracy, density = one.pairs("last.test_accuracy"), one.pairs("last.density")
            if accuracy.empty:
                continue
            for name, line, cell in (("source", OWN, one.source), ("retrained", one.variant, one.cell)):
                rows.append({
                    "dataset": cell.dataset, "model": cell.model, "method": one.source.method,
                    "setting": one.source.setting, "cell": cell.id, "line": line, "density": density[name].mean(),
                    "accuracy": accuracy[name].mean(), "accuracy_std": accuracy[name].std(), "n": len(accuracy),
                    "planned": cell.planned,
                })  # fmt: skip
        return pd.DataFrame(rows, columns=COLUMNS).drop_duplicates(["cell", "line"]).reset_index(drop=True)

    @staticmethod
    def figure(frame: pd.DataFrame, params: RetrainedParams) -> Figure:
        frame = frame.assign(accuracy=scale.shown(frame["accuracy"], params.scale))
        panels = [(title, method, part) for title, rows in style.facets(frame)
                  for method, part in rows.groupby("method", sort=False)]  # fmt: skip
        lines = list(dict.fromkeys(frame["line"]))
        across = sizes.across(len(panels))
        down = math.ceil(len(panels) / across)
        figure = Figure(figsize=(sizes.width(across > 1, sizes.HALF + 0.3), 0.5 + 2.5 * down))
        grid = figure.subplots(down, across, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        handles = {}
        for (title, method, rows), axes in zip(panels, grid.flat, strict=False):
            for line, points in rows.groupby("line", sort=False):
                look = _look(str(method), str(line), lines.index(str(line)))
                drawn = points.sort_values("density")
                axes.errorbar(drawn["density"], drawn["accuracy"], drawn["accuracy_std"].fillna(0), **look.spread())
                handles[look.label] = look.line()
            style.log_percent(axes, "x")
            axes.set_title(style.wrapped(f"{title}, {label('method', str(method))}", max(across, 2)))
            axes.set_xlabel("density (%)")
            scale.limit(axes, rows["accuracy"], rows["accuracy_std"].fillna(0), params.scale, params.least)
        for axes in grid[:, 0]:
            axes.set_ylabel(f"{scale.label(params.scale)}, last epoch")
        style.legend(figure, list(handles.values()))
        return figure


def _look(method: str, line: str, number: int) -> style.Look:
    if line == OWN:
        return style.look(method, f"{label('method', method)}, as it was found")
    return style.Look(style.COLOURS[(number + 5) % 10], style.MARKERS[number % len(style.MARKERS)], "full",
                      style.STROKES[number % len(style.STROKES)], line)  # fmt: skip
