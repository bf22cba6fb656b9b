"""Panels with one line a layer: shades of the method's colour, from the first layer (dark) to the last (light)."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dst_repro.plots import beside, style


def shades(colour: str, count: int) -> list[Any]:
    dark, light = sns.blend_palette(["black", colour], 5)[2], sns.blend_palette([colour, "white"], 5)[2]
    return list(sns.blend_palette([dark, colour, light], max(count, 2))[:count])


def panel(axes: Axes, rows: pd.DataFrame, x: str, layers: list[str]) -> None:
    """The layers of one cell; `layers` is the order of the legend."""
    colours = shades(style.colour(str(rows["method"].iloc[0])), len(layers))
    for layer, curve in rows.groupby("layer", sort=False):
        number = layers.index(str(layer))
        style.spread(axes, curve, x, colours[number])
        axes.plot(curve[x], curve["mean"], color=colours[number], linestyle=style.STROKES[number % len(style.STROKES)])
        beside.end_values(axes, curve, colours[number])
    axes.set_ylim(0, 103)


def samples(layers: list[str]) -> list[Line2D]:
    """Legend of the layers in greys, since each panel has its own colour."""
    greys = shades("0.4", len(layers))
    strokes = [style.STROKES[number % len(style.STROKES)] for number in range(len(layers))]
    return [Line2D([], [], color=c, linestyle=s, label=name) for c, s, name in zip(greys, strokes, layers, strict=True)]


def lines(canvas: Any, frame: pd.DataFrame, x: str, xlabel: str, across: int = 4) -> int:
    """One panel a cell of `frame` (one data set and model) on a figure or subfigure. Returns the rows of panels."""
    layers = list(frame.sort_values("position")["layer"].drop_duplicates())
    looks = style.looks(frame)
    groups = style.settings(frame)
    height, width = panel_rows(frame, across), min(across, len(groups))
    grid = canvas.subplots(height, width, squeeze=False, sharex=True, sharey=True)
    for axes, ((method, setting), rows) in zip(grid.flat, groups, strict=False):
        panel(axes, rows, x, layers)
        axes.set_title(looks[method, setting].label, color=looks[method, setting].colour)
    for axes in list(grid.flat)[len(groups) :]:
        axes.set_axis_off()
    for column in range(width):
        last = max(row for row in range(height) if row * width + column < len(groups))
        grid[last, column].set_xlabel(xlabel)
        style.whole_numbers(grid[last, column])
        grid[last, column].tick_params(labelbottom=True)
    for row in grid:
        row[0].set_ylabel("weights kept (%)")
    style.legend(canvas, samples(layers) + beside.sample(frame), title=style.facets(frame)[0][0])
    return height


def panel_rows(frame: pd.DataFrame, across: int = 4) -> int:
    return math.ceil(frame["cell"].nunique() / across)
