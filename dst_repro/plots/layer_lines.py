"""Panels with one line a layer: colours, marks and strokes from the first layer (dark) to the last (light)."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from dst_repro.plots import beside, style


def panel(axes: Axes, rows: pd.DataFrame, x: str, looks: dict[str, style.Look]) -> None:
    """The layers of one cell."""
    for layer, curve in rows.groupby("layer", sort=False):
        look, number = looks[str(layer)], list(looks).index(str(layer))
        style.spread(axes, curve, x, look.colour)
        every = max(1, len(curve) // 6)
        axes.plot(curve[x], curve["mean"], **look.drawn(), markevery=(number * every // len(looks), every))
        beside.end_values(axes, curve, look)
    axes.set_ylim(0, 103)


def lines(canvas: Any, frame: pd.DataFrame, x: str, xlabel: str, across: int = 4) -> int:
    """One panel a cell of `frame` (one data set and model) on a figure or subfigure. Returns the rows of panels."""
    layers = style.in_order(list(frame.sort_values("position")["layer"].drop_duplicates()))
    looks = style.looks(frame)
    groups = style.settings(frame)
    height, width = panel_rows(frame, across), min(across, len(groups))
    grid = canvas.subplots(height, width, squeeze=False, sharex=True, sharey=True)
    for axes, (key, rows) in zip(grid.flat, groups, strict=False):
        panel(axes, rows, x, layers)
        axes.set_title(looks[key].label)
    for axes in list(grid.flat)[len(groups) :]:
        axes.set_axis_off()
    for column in range(width):
        last = max(row for row in range(height) if row * width + column < len(groups))
        grid[last, column].set_xlabel(xlabel)
        style.whole_numbers(grid[last, column])
        grid[last, column].tick_params(labelbottom=True)
    for row in grid:
        row[0].set_ylabel("density (%)")
    samples = [look.line() for look in layers.values()]
    style.legend(canvas, samples + beside.sample(frame), title=style.facets(frame)[0][0])
    return height


def panel_rows(frame: pd.DataFrame, across: int = 4) -> int:
    return math.ceil(frame["cell"].nunique() / across)
