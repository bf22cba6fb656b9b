"""Which layers keep their weights: at the end, and on the way there."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from pydantic import Field

from dst_repro.errors import UserError, did_you_mean
from dst_repro.plots import beside, layer_lines, sizes, style
from dst_repro.plots.curves import layer_curves
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.cells import Beside

HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\", "++++")


class LayerParams(Beside):
    layers: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Which layers are shown; by default all."""
    show: Literal["both", "bars", "curves"] = "both"
    dense: bool = False
    """Whether dense cells, whose layers keep everything, get bars and a panel too."""


@plots.register("layer-remaining-ratio", LayerParams)
class LayerRemainingRatio:
    """Remaining ratio of each layer: bars at the end, curves over training; mean and spread over seeds"""

    @staticmethod
    def frame(frames: Frames, params: LayerParams) -> pd.DataFrame:
        """One row a (cell, layer, epoch); mean, std, lowest and highest seed in percent of the layer's `numel`.

        The bars are the last epoch, error bars the std. Published end values are drawn where there are curves.
        """
        frame = layer_curves(frames, params.where, "kept", "epoch")
        frame = frame if params.dense else frame[frame["method"] != "dense"]
        if params.show == "bars":
            frame = frame[frame["epoch"] == frame.groupby("cell")["epoch"].transform("max")]
        for layer in params.layers if len(frame) else ():
            if layer not in set(frame["layer"]):
                raise UserError(f"layers: no layer '{layer}'{did_you_mean(layer, frame['layer'].unique())}")
        if params.layers:
            frame = frame[frame["layer"].isin(params.layers)]
        return beside.with_published(frame.reset_index(drop=True), frames, params)

    @staticmethod
    def figure(frame: pd.DataFrame, params: LayerParams) -> Figure:
        models = [rows for _, rows in style.facets(frame)]
        if frame["cell"].nunique() == 1:  # one bar chart and one panel stand side by side
            both = params.show == "both"
            figure = Figure(figsize=(sizes.width(both), 2.6))
            parts = list(figure.subfigures(1, 2 if both else 1, squeeze=False).flat)
            return _fill(figure, parts, frame, models, params)
        heights = [] if params.show == "curves" else [2.3]
        if params.show != "bars":
            heights += [0.7 + 1.35 * layer_lines.panel_rows(rows) for rows in models]
        figure = Figure(figsize=(sizes.width(), sum(heights)))
        parts = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).flat)
        return _fill(figure, parts, frame, models, params)


def _fill(figure: Figure, parts: list[Any], frame: pd.DataFrame, models: list[Any], params: LayerParams) -> Figure:
    """The bars into the first part, the curves of each model into the following ones, as far as they are shown."""
    if params.show != "curves":
        _bars(parts.pop(0), frame)
    for part, rows in zip(parts, models, strict=False):
        layer_lines.lines(part, rows, "epoch", "epoch")
    return figure


def _bars(canvas: Any, frame: pd.DataFrame) -> None:
    """Groups of bars, one group a layer."""
    frame = frame[frame["epoch"] == frame.groupby("cell")["epoch"].transform("max")]
    looks = style.looks(frame)
    hatch = dict(zip(looks, itertools.cycle(HATCHES), strict=False))  # bars of near colours must differ in print
    columns = style.facets(frame)
    layers = [rows["layer"].nunique() for _, rows in columns]
    line = canvas.subplots(1, len(columns), squeeze=False, sharey=True, width_ratios=layers)[0]
    for (title, rows), axes in zip(columns, line, strict=True):
        names = list(rows.sort_values("position")["layer"].drop_duplicates())
        groups = style.settings(rows)
        width = 0.84 / len(groups)
        for number, ((method, setting), bars) in enumerate(groups):
            x = np.array([names.index(layer) for layer in bars["layer"]]) + (number - (len(groups) - 1) / 2) * width
            axes.bar(x, bars["mean"], width, yerr=bars["std"].fillna(0), color=looks[method, setting].colour,
                     edgecolor="white", linewidth=0.4, hatch=hatch[method, setting],
                     error_kw={"elinewidth": 0.8, "capsize": 1.5})  # fmt: skip
        axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 8 else 0)
        axes.grid(axis="x", visible=False)
        axes.set_title(title)
    line[0].set_ylim(0, 103)
    line[0].set_ylabel("density\nat the end (%)")
    samples = [Patch(facecolor=v.colour, edgecolor="white", hatch=hatch[k], label=v.label) for k, v in looks.items()]
    style.legend(canvas, samples)
