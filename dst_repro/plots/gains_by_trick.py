"""Which of the tricks helps: each alone, all but one, and all."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dst_repro.plots import names, sizes, style
from dst_repro.plots.gains_vs_sparsity import GainsVsSparsity
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.gains import GainsParams

APART = 0.18
"""Between the points of two masks in one row."""


@plots.register("gains-by-trick", GainsParams)
class GainsByTrick:
    """Gain of each set of tricks with its 95 % interval, a row a set, a colour a mask"""

    @staticmethod
    def frame(frames: Frames, params: GainsParams) -> pd.DataFrame:
        """As of `gains-vs-sparsity`."""
        return GainsVsSparsity.frame(frames, params)

    @staticmethod
    def figure(frame: pd.DataFrame, params: GainsParams) -> Figure:
        looks = style.looks(frame)
        sets = list(frame["tricks"].unique())
        figure = Figure(figsize=(sizes.width(), 0.9 + 0.32 * len(sets)))
        columns = style.facets(frame)
        line = figure.subplots(1, len(columns), squeeze=False, sharey=True)[0]
        for (title, rows), axes in zip(columns, line, strict=True):
            _draw(axes, rows, looks, sets)
            axes.set_title(title)
            axes.set_xlabel("gain in test accuracy (points)")
        style.legend(figure, [look.point().line() for look in looks.values()])
        return figure


def _draw(axes: Axes, rows: pd.DataFrame, looks: dict[tuple[str, str], style.Look], sets: list[str]) -> None:
    axes.axvline(0, color="0.6", linewidth=0.8)
    for number, ((method, setting), look) in enumerate(looks.items()):
        own = rows[(rows["method"] == method) & (rows["setting"] == setting)]
        y = own["tricks"].map(sets.index) + APART * (number - (len(looks) - 1) / 2)
        low, high = (own["gain"] - own["low"]).fillna(0), (own["high"] - own["gain"]).fillna(0)
        axes.errorbar(own["gain"], y, xerr=(low, high), **look.point().spread() | {"linestyle": "none"})
    axes.set_yticks(range(len(sets)), [names.tricks(one) for one in sets])
    axes.set_ylim(len(sets) - 0.5, -0.5)
