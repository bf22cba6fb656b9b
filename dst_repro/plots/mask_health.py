"""The health of masks, layer by layer: what is kept, and how much of it lies on a path from input to output."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator
from pydantic import Field

from dst_repro.plots import sizes, style
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.cells import Cell, Selected, cells
from dst_repro.tables.mask_health import NOT_RECORDED, layer_counts

LABELS = 60  # so many names of layers fit below a panel
COLUMNS = [*style.CELL, "layer", "position", "numel", "kept", "kept_std", "effective", "effective_std", "n", "recorded",
           "collapsed", "planned"]  # fmt: skip


class MaskHealthParams(Selected):
    density: Annotated[float, Field(gt=0, le=1)] | None = None
    """Target density of the cells that are shown, and of methods that take none; by default, all."""
    log: bool = True
    """Whether densities are on a logarithmic axis."""


@plots.register("mask-health", MaskHealthParams)
class MaskHealth:
    """Kept and effective density of each layer at the end, a panel a sparse cell; collapsed layers are marked"""

    @staticmethod
    def frame(frames: Frames, params: MaskHealthParams) -> pd.DataFrame:
        """One row a (cell, layer): means and std over seeds in percent of `numel`, nan where not recorded.

        `n` seeds have finished, `recorded` of them had their paths counted, and in `collapsed` of these no weight of
        the layer lies on a path.
        """
        where = params.where | ({} if params.density is None else {"density": [params.density]})
        found = [_layers(cell) for cell in cells(frames.runs, where) if cell.method != "dense"]
        found = [rows for rows in found if len(rows)]
        return pd.concat(found, ignore_index=True)[COLUMNS] if found else pd.DataFrame(columns=COLUMNS)

    @staticmethod
    def figure(frame: pd.DataFrame, params: MaskHealthParams) -> Figure:
        facets = style.facets(frame)
        panels = [(title, *panel) for title, rows in facets for panel in style.settings(rows)]
        looks = style.looks(frame)
        names = sum(0.055 * rows["layer"].str.len().max() for _, rows in facets if _crowded(rows["layer"].unique()))
        figure = Figure(figsize=(sizes.width(), 0.9 + 1.35 * len(panels) + names))
        grid = figure.subplots(len(panels), 1, squeeze=False, sharey=True)[:, 0]
        last = {title: number for number, (title, *_) in enumerate(panels)}
        lowest = _lowest(frame) if params.log else 0.0
        if params.log:
            style.log_percent(grid[0])
            grid[0].yaxis.set_major_locator(LogLocator(numticks=20))  # powers of ten
        grid[0].set_ylim(lowest, 125 if params.log else 103)
        for number, ((title, key, rows), axes) in enumerate(zip(panels, grid, strict=True)):
            _bars(axes, rows.sort_values("position"), looks[key].colour)
            axes.tick_params(labelbottom=number == last[title])  # the panels of one network have the same layers
            axes.set_title(f"{title}, {looks[key].label}", loc="left")
        figure.supylabel("density at the end (%)", fontsize=8)
        style.legend(figure, _samples(frame))
        return figure


def _layers(cell: Cell) -> pd.DataFrame:
    counts = layer_counts(cell)
    shares = counts.assign(
        kept=100 * counts["kept"] / counts["numel"],
        effective=100 * counts["effective"] / counts["numel"],
        lost=counts["effective"] == 0,
    )
    found = shares.groupby(["layer", "position", "numel"], sort=False).agg(
        kept=("kept", "mean"), kept_std=("kept", "std"), effective=("effective", "mean"),
        effective_std=("effective", "std"), n=("kept", "count"), recorded=("effective", "count"),
        collapsed=("lost", "sum"),
    )  # fmt: skip
    known = {key: getattr(cell, "id" if key == "cell" else key) for key in style.CELL}
    return found.reset_index().assign(**known, planned=cell.planned)


def _crowded(layers: Collection[str]) -> bool:
    return max(map(len, layers)) * len(layers) > 110  # letters across the page


def _lowest(frame: pd.DataFrame) -> float:
    """Where a logarithmic axis begins: a power of ten below all densities but zero."""
    densities = pd.concat([frame["kept"], frame["effective"]])
    least = min(densities[densities > 0], default=100.0)
    return float(10.0 ** math.floor(math.log10(least / 1.5)))


def _bars(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    x = np.arange(len(rows))
    axes.bar(x, rows["kept"], 0.8, facecolor="white", edgecolor=colour, linewidth=0.8)
    axes.bar(x, rows["effective"].fillna(0), 0.8, yerr=rows["effective_std"].fillna(0), color=colour,
             edgecolor=colour, linewidth=0.8, error_kw={"elinewidth": 0.8, "capsize": 1.5})  # fmt: skip
    lost = x[rows["collapsed"].to_numpy() > 0]
    axes.plot(lost, np.full(len(lost), 0.08), transform=axes.get_xaxis_transform(), **CROSS)
    recorded, seeds = int(rows["recorded"].min()), int(rows["n"].max())
    if recorded < seeds:
        said = NOT_RECORDED if recorded == 0 else f"recorded for {recorded} of {seeds} seeds"
        axes.set_title(f"effective: {said}", loc="right", color="0.4")
    step = math.ceil(len(rows) / LABELS)
    axes.set_xticks(x[::step], rows["layer"][::step], rotation=90 if _crowded(rows["layer"]) else 0)
    axes.set_xlim(-0.7, len(rows) - 0.3)
    axes.grid(axis="x", visible=False)


CROSS: dict[str, Any] = {"marker": "x", "color": "black", "linestyle": "none", "markersize": 4}


def _samples(frame: pd.DataFrame) -> list[Patch | Line2D]:
    kept = Patch(facecolor="white", edgecolor="0.4", label="kept")
    on_path = Patch(facecolor="0.4", edgecolor="0.4", label="effective: on a path from input to output")
    lost = [Line2D([], [], label="collapsed in some seed", **CROSS)] if frame["collapsed"].any() else []
    return [kept, on_path, *lost]
