"""What is kept and how well it does, epoch by epoch."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import Field

from dst_repro.plots import beside, sizes, style
from dst_repro.plots.curves import AS_SET, network_curves
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.cells import Beside

Metric = Literal["density", "test_accuracy", "validation_accuracy", "density_with_ghosts", "beta", "skip_weight",
                 "label_smoothing"]  # fmt: skip
LABELS = {
    "density": "density (%)",
    "test_accuracy": "test accuracy (%)",
    "validation_accuracy": "validation accuracy (%)",
    "density_with_ghosts": "density,\nwith ghosts (%)",
    "beta": "beta of\nsoft neurons",
    "skip_weight": "weight of\nghost skips",
    "label_smoothing": "label smoothing",
}


class SparsityParams(Beside):
    metrics: Annotated[tuple[Metric, ...], Field(strict=False, min_length=1)] = ("density", "test_accuracy")
    log: bool = True
    """Whether the axis of the density is logarithmic."""


@plots.register("sparsity-over-epochs", SparsityParams)
class SparsityOverEpochs:
    """Density and accuracy over epochs, the dense line beside; mean over seeds, band from the lowest to the highest"""

    @staticmethod
    def frame(frames: Frames, params: SparsityParams) -> pd.DataFrame:
        """One row a (cell, metric, epoch); mean, std, lowest and highest seed in percent."""
        curves = [network_curves(frames, params.where, metric) for metric in params.metrics]
        found = [curve for curve in curves if len(curve)]
        frame = pd.concat(found, ignore_index=True) if found else curves[0]
        return beside.with_published(frame, frames, params)

    @staticmethod
    def figure(frame: pd.DataFrame, params: SparsityParams) -> Figure:
        looks = style.looks(frame)
        facets = style.facets(frame)
        metrics = [metric for metric in params.metrics if metric in set(frame["metric"])]
        panels = [(metric, title, rows) for metric in metrics for title, rows in facets]
        across = len(facets) if len(facets) > 1 else sizes.across(len(panels))  # the metrics of one network wrap
        down = math.ceil(len(panels) / across)
        figure = Figure(figsize=(sizes.width(across > 1), 1.9 * down + 0.5))
        grid = figure.subplots(down, across, squeeze=False, sharex="col", sharey="row" if len(facets) > 1 else False)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        for number, ((metric, title, rows), axes) in enumerate(zip(panels, grid.flat, strict=False)):
            _draw(axes, rows[rows["metric"] == metric], looks)
            if len(facets) > 1 and metric == metrics[0]:
                axes.set_title(title)
            if len(facets) == 1 or number % across == 0:
                axes.set_ylabel(LABELS[metric])
                _scale(axes, frame[frame["metric"] == metric], metric, params.log)
            if number + across >= len(panels):
                axes.set_xlabel("epoch")
                axes.tick_params(labelbottom=True)
                style.whole_numbers(axes)
        samples = [look.line() for look in looks.values()] + beside.sample(frame)
        style.legend(figure, samples, title=facets[0][0] if len(facets) == 1 else None)
        return figure


def _draw(axes: Axes, rows: pd.DataFrame, looks: dict[tuple[str, str], style.Look]) -> None:
    for number, ((method, setting), curve) in enumerate(style.settings(rows)):
        look = looks[method, setting]
        style.spread(axes, curve, "epoch", look.colour)
        every = max(1, len(curve) // 6)
        # markers start one apart, so that they show where curves lie on one another
        axes.plot(curve["epoch"], curve["mean"], **look.drawn(), markevery=(number % every, every))
        beside.end_values(axes, curve, look)


def _scale(axes: Axes, rows: pd.DataFrame, metric: str, log: bool) -> None:
    """Log for densities; accuracies from where the curves are after a quarter of training, not from chance level."""
    if metric in AS_SET:
        return
    if metric.startswith("density"):
        if log:
            style.log_percent(axes)
            axes.set_ylim(0.8 * rows.loc[rows["mean"] > 0, "mean"].min(), 115)
        else:
            axes.set_ylim(0, 103)
        return
    later = rows[rows["epoch"] >= rows["epoch"].max() / 4]
    tops = rows[["mean", *({beside.LABEL} & set(rows))]]
    low, high = later["mean"].min(), tops.max().max()
    margin = max(0.08 * (high - low), 0.2)
    axes.set_ylim(low - margin, min(high + 2 * margin, 100 + margin / 2))
