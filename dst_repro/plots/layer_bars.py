"""What is left of each layer: one panel a cell, the published bars beside ours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dst_repro.plots import beside, sizes, style
from dst_repro.plots.curves import layer_curves
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.cells import Beside

PUBLISHED: dict[str, Any] = {"facecolor": "white", "hatch": "/////", "linewidth": 0.8}


@plots.register("layer-bars", Beside)
class LayerBars:
    """Remaining ratio of each layer at the end, a panel a sparse cell, published bars beside ours"""

    @staticmethod
    def frame(frames: Frames, params: Beside) -> pd.DataFrame:
        """One row a (cell, layer) at the last epoch; mean, std, lowest and highest seed in percent of `numel`."""
        frame = layer_curves(frames, params.where, "kept", "epoch")
        frame = frame[frame["method"] != "dense"]
        frame = frame[frame["epoch"] == frame.groupby("cell")["epoch"].transform("max")]
        return beside.with_published(frame.reset_index(drop=True), frames, params)

    @staticmethod
    def figure(frame: pd.DataFrame, params: Beside) -> Figure:
        panels = [(title, *panel) for title, rows in style.facets(frame) for panel in style.settings(rows)]
        looks = style.looks(frame)
        figure = Figure(figsize=(sizes.width(), 0.7 + 1.35 * len(panels)))
        grid = figure.subplots(len(panels), 1, squeeze=False, sharey=True)[:, 0]
        last = {title: number for number, (title, *_) in enumerate(panels)}
        for number, ((title, key, rows), axes) in enumerate(zip(panels, grid, strict=True)):
            _bars(axes, rows.sort_values("position"), looks[key].colour)
            axes.tick_params(labelbottom=number == last[title])  # the panels of one network have the same layers
            axes.set_title(f"{title}, {looks[key].label}", loc="left")
        grid[0].set_ylim(0, 103)
        figure.supylabel("density at the end (%)", fontsize=8)
        if beside.LABEL in frame:
            printed = Patch(edgecolor="0.4", label=beside.LABEL, **PUBLISHED)
            style.legend(figure, [Patch(facecolor="0.4", edgecolor="0.4", label="ours"), printed])
        return figure


def _bars(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    x = np.arange(len(rows))
    two = beside.LABEL in rows and rows[beside.LABEL].notna().any()
    width = 0.4 if two else 0.8
    axes.bar(x - two * width / 2, rows["mean"], width, yerr=rows["std"].fillna(0), color=colour, edgecolor=colour,
             linewidth=0.8, error_kw={"elinewidth": 0.8, "capsize": 1.5})  # fmt: skip
    if two:
        axes.bar(x + width / 2, rows[beside.LABEL], width, edgecolor=colour, **PUBLISHED)
    crowded = rows["layer"].str.len().max() * len(rows) > 110  # letters across the page
    axes.set_xticks(x, rows["layer"], rotation=90 if crowded else 0)
    axes.set_xlim(-0.7, len(rows) - 0.3)
    axes.grid(axis="x", visible=False)
