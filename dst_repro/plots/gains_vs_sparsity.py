"""Whether tricks gain more the sparser the network is."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from dst_repro.plots import names, sizes, style
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.gains import GainsParams, gains

APART = 0.06
"""Between the points of two masks at one sparsity."""


@plots.register("gains-vs-sparsity", GainsParams)
class GainsVsSparsity:
    """Gain of tricks against sparsity, a line a mask, with 95 % intervals; dense training at the left"""

    @staticmethod
    def frame(frames: Frames, params: GainsParams) -> pd.DataFrame:
        """The rows of the table `gains` with at least one pair of runs."""
        found = gains(frames, params)
        return found[found["n"] > 0].drop(columns=["text"]).reset_index(drop=True)

    @staticmethod
    def figure(frame: pd.DataFrame, params: GainsParams) -> Figure:
        looks = style.treatments(frame["method"])
        panels = [
            (", ".join(filter(None, [title, names.tricks(str(tricks)) if frame["tricks"].nunique() > 1 else ""])), rows)
            for title, whole in style.facets(frame)
            for tricks, rows in whole.groupby("tricks", sort=False)
        ]
        figure = Figure(figsize=(sizes.width(len(panels) > 1), 2.9))
        line = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for (title, rows), axes in zip(panels, line, strict=True):
            _draw(axes, rows, looks)
            axes.set_title(title)
            axes.set_xlabel("sparsity (%)")
        line[0].set_ylabel("gain in test accuracy (points)")
        style.legend(figure, [look.line() for look in looks.values()])
        return figure


def _draw(axes: Axes, rows: pd.DataFrame, looks: dict[str, style.Look]) -> None:
    """Sparsities rise and are equally far apart, whatever they are."""
    densities = sorted(rows["density"].dropna().unique(), reverse=True)
    place = {density: number for number, density in enumerate(densities)}
    labels = {number: f"{100 - density:g}" for density, number in place.items()}
    sparse = [name for name in looks if (rows[rows["method"] == name]["density"].notna()).any()]
    axes.axhline(0, color="0.6", linewidth=0.8)
    for name, look in looks.items():
        own = rows[rows["method"] == name]
        level = own[own["density"].isna()]
        for gain in level["gain"]:
            axes.axhline(gain, color=look.colour, linestyle=look.stroke)
        if len(level):
            labels[-1] = "dense"
            axes.errorbar([-1] * len(level), level["gain"], _bars(level), **look.spread() | {"linestyle": "none"})
        line = own.dropna(subset=["density"]).sort_values("density", ascending=False)
        if len(line):
            shift = APART * (sparse.index(name) - (len(sparse) - 1) / 2)
            x = line["density"].map(place) + shift
            axes.errorbar(x, line["gain"], _bars(line), **look.spread())
    axes.set_xticks(sorted(labels), [labels[number] for number in sorted(labels)])
    axes.xaxis.set_minor_locator(NullLocator())
    if labels:
        axes.set_xlim(min(labels) - 0.4, max(labels) + 0.4)


def _bars(rows: pd.DataFrame) -> tuple[pd.Series[float], pd.Series[float]]:
    """From the gain down and up to the ends of its interval; nothing where there is none."""
    return (rows["gain"] - rows["low"]).fillna(0), (rows["high"] - rows["gain"]).fillna(0)
