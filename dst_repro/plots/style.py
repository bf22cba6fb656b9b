"""One style for every figure: a colour, a marker and a stroke a method, sizes for print."""

from __future__ import annotations

import hashlib
import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from dst_repro.plots import names, sizes
from dst_repro.plots.sizes import WIDTH as WIDTH  # what plug-ins take
from dst_repro.records.frames import Frames
from dst_repro.tables.names import treatment

FACET = ["dataset", "model"]
CELL = [*FACET, "method", "setting", "cell"]

# Okabe and Ito's colours, safe for colour-blind readers, without the yellow that vanishes on white, and some that are
# told by brightness.
BLUE, VERMILION, GREEN, PINK, SKY, ORANGE = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
PURPLE, BROWN, GREY, OLIVE = "#6a3d9a", "#a6761d", "#8f8f8f", "#5c5c00"
COLOURS = (BLUE, VERMILION, GREEN, PINK, SKY, ORANGE, PURPLE, BROWN, GREY, OLIVE)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d")
SIZES = {"*": 6.5, "d": 5, "h": 4.5, "p": 4.5}
"""Of marks that look smaller than others; points."""
FILLS = ("full", "left")  # hollow are published numbers
SOLID, DASHED, DOTTED = "-", (0, (4, 1.5)), (0, (1, 1))
DASH_DOT, LONG, DASH_DOTS = (0, (5, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1))
STROKES: tuple[Any, ...] = (SOLID, DASHED, DOTTED, DASH_DOT, LONG, DASH_DOTS)

LOOKS: dict[str, tuple[str, str, str, Any]] = {
    "dense": ("#000000", "", "full", (0, (2, 1))), "static": (SKY, "v", "full", DOTTED),
    "dst": (BLUE, "o", "full", SOLID), "rigl": (VERMILION, "s", "full", DOTTED), "gmp": (GREEN, "^", "full", DASHED),
    "set": (PINK, "D", "full", DASH_DOT), "sparse-momentum": (ORANGE, "P", "full", LONG),
    "dsr": (PURPLE, "X", "full", SOLID), "deep-r": (BROWN, "<", "full", DASH_DOTS), "imp": (GREY, ">", "full", LONG),
    "one-shot": (OLIVE, "p", "full", DASH_DOT), "given-mask": (BROWN, "h", "full", DASHED),
    "snip": (VERMILION, "*", "full", DASH_DOTS), "granet": (OLIVE, "d", "full", LONG),
    "grasp": (PINK, "^", "left", SOLID), "synflow": (ORANGE, "D", "left", LONG),
    "str": (PURPLE, "s", "left", DASH_DOTS), "dns": (BROWN, "v", "left", DOTTED),
    "mest": (ORANGE, ">", "left", LONG), "taylor": (GREY, "<", "left", DASHED), "itop-set": (PINK, "p", "left", SOLID),
    "itop-rigl": (VERMILION, "h", "left", SOLID), "drop-and-grow": (GREEN, "o", "left", SOLID),
    # prune rules; SNIP, MEST and Taylor are above
    "magnitude": (BLUE, "o", "full", SOLID), "each-sign-equal": (GREEN, "s", "full", DASHED),
    "reciprocal-sensitivity": (PINK, "D", "full", DASH_DOT), "sensitivity": (PURPLE, "X", "full", DOTTED),
    "each-sign": (BROWN, "p", "full", DOTTED), "each-sign-released": (OLIVE, "h", "full", DASH_DOT),
    "random": (GREY, "P", "full", SOLID),
}  # fmt: skip
"""Colour, marker, fill and stroke: no two methods share the latter three. Others take what their slugs hash to."""
CRITERIA = ("magnitude", "each-sign-equal", "mest", "snip", "reciprocal-sensitivity", "sensitivity", "each-sign",
            "each-sign-released", "random")  # fmt: skip
"""Prune rules that share no colour, in the order of legends. None has that of static, which stands beside them."""

RC: Any = {
    **sns.plotting_context("paper", rc={
        "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
        "legend.fontsize": 7, "legend.title_fontsize": 7, "lines.linewidth": 1.3, "lines.markersize": 4,
    }),
    **sns.axes_style("ticks", rc={"axes.grid": True, "grid.color": "0.9", "grid.linewidth": 0.5}),
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "legend.frameon": False, "legend.handlelength": 3.4,
    "figure.constrained_layout.use": True, "savefig.dpi": 200, "pdf.fonttype": 42, "svg.hashsalt": "dst_repro",
}  # fmt: skip


class Plot(Protocol):
    """A figure in two parts: what is drawn, and how. The frame is published beside the figure."""

    @staticmethod
    def frame(frames: Frames, params: Any) -> pd.DataFrame:
        """Tidy rows, exactly those that are drawn; none if no run has finished. Shares are in percent."""

    @staticmethod
    def figure(frame: pd.DataFrame, params: Any) -> Figure:
        """The drawing of a frame that has rows."""


class Look(NamedTuple):
    """How a cell is drawn."""

    colour: str
    marker: str
    fill: str
    stroke: Any
    label: str

    def drawn(self) -> dict[str, Any]:
        """For `plot` and `errorbar`: our points on their line."""
        return {"color": self.colour, "marker": self.marker, "fillstyle": self.fill, "markerfacecoloralt": "white",
                "markersize": SIZES.get(self.marker, 4), "markeredgewidth": 0.6, "linestyle": self.stroke}  # fmt: skip

    def spread(self) -> dict[str, Any]:
        """For `errorbar`: the same with whiskers, which are fainter than lines."""
        whiskers = {"ecolor": to_rgba(self.colour, 0.5), "elinewidth": 0.7, "capsize": 1.5}
        return self.drawn() | whiskers

    def line(self) -> Line2D:
        """A sample for the legend."""
        return Line2D([], [], label=self.label, **self.drawn())

    def point(self) -> Look:
        """Of dense, which elsewhere is a level, as a point."""
        return self if self.marker else self._replace(marker="8", stroke="none")

    def published(self) -> dict[str, Any]:
        """How published numbers are drawn: our colour and marker, but hollow, on a thin dotted line."""
        return {"color": self.colour, "marker": self.marker, "markerfacecolor": "white", "linestyle": (0, (1, 1.5)),
                "linewidth": 0.9, "markersize": SIZES.get(self.marker, 4), "markeredgewidth": 0.9}  # fmt: skip

    def published_line(self) -> Line2D:
        """A sample of them for the legend."""
        return Line2D([], [], label=f"{self.label}, published", **self.published())


def look(slug: str, label: str) -> Look:
    """Of a method or prune rule: it does not depend on which others are drawn, or exist."""
    return Look(*LOOKS.get(slug, _hashed(slug)), label)


def _hashed(slug: str) -> tuple[str, str, str, Any]:
    digest = hashlib.sha256(slug.encode()).digest()
    colour, marker, fill, stroke = (
        choices[digest[place] % len(choices)] for place, choices in enumerate((COLOURS, MARKERS, FILLS, STROKES))
    )
    return colour, marker, fill, stroke


def treatments(shown: Iterable[str]) -> dict[str, Look]:
    """Methods and prune rules side by side: dense and static first, then the rules.

    Densities are no names but have an order, and so have their colours.
    """
    found = set(shown)
    places = {name: place for place, name in enumerate(("dense", "static", *CRITERIA))}
    densities = {name: float(name.removesuffix(" %")) for name in found if name.endswith(" %")}
    ordered = sorted(found, key=lambda name: (places.get(name, len(places)), densities.get(name, 0), name))
    known = {name: look(name, treatment(name)) for name in ordered}
    return known | in_order([name for name in ordered if name in densities])


def in_order(found: Sequence[str]) -> dict[str, Look]:
    """Of things that have an order, as layers and densities: from dark to light, each with a marker and a stroke."""
    colours = sns.color_palette("viridis", as_cmap=True)(np.linspace(0, 0.8, max(len(found), 2)))
    return {name: Look(to_hex(colours[number]), MARKERS[number % len(MARKERS)], FILLS[number // len(MARKERS) % 2],
                       STROKES[number % len(STROKES)], name) for number, name in enumerate(found)}  # fmt: skip


def looks(frame: pd.DataFrame) -> dict[tuple[str, str], Look]:
    """(method, setting) -> its look, dense first; the settings of a method differ in stroke."""
    found: dict[tuple[str, str], Look] = {}
    pairs = frame[["method", "setting"]].drop_duplicates().itertuples(index=False, name=None)
    settings: dict[str, int] = {}
    for method, setting in sorted(pairs, key=lambda pair: pair[0] != "dense"):  # stable: the order of the frame
        number = settings[method] = settings.get(method, -1) + 1
        first = look(method, names.cell(method, setting))
        others = [stroke for stroke in STROKES if stroke != first.stroke]
        found[method, setting] = first._replace(stroke=[first.stroke, *others][number % (1 + len(others))])
    return found


def samples(known: dict[tuple[str, str], Look], frame: pd.DataFrame, printed: pd.Series[bool]) -> list[Line2D]:
    """For the legend: the methods of ours, then those of the published rows of a frame."""
    ours = set(frame.loc[~printed, "method"])
    lines = [look.line() for (method, _), look in known.items() if method in ours]
    return lines + [known[str(method), ""].published_line() for method in frame.loc[printed, "method"].unique()]


def facets(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """(title, rows) of each data set and model, in the order of the frame."""
    several = frame["dataset"].nunique() > 1
    groups = frame.groupby(FACET, sort=False)
    return [(names.network(str(dataset), str(model), several), rows) for (dataset, model), rows in groups]


def settings(rows: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """((method, setting), rows) of each cell of a facet, in the order of the frame."""
    return [((str(m), str(s)), cell) for (m, s), cell in rows.groupby(["method", "setting"], sort=False)]


def legend(figure: Any, handles: Sequence[Any], title: str | None = None) -> None:
    """Above all axes, outside of them, in as many columns as the figure has room for."""
    inches = figure.bbox.width / figure.dpi
    widest = 0.6 + 0.06 * max(len(handle.get_label()) for handle in handles)
    columns = max(1, min(len(handles), 6, int(inches / widest)))
    labels = [textwrap.fill(handle.get_label(), max(10, int(inches * 15) - 8)) for handle in handles]
    lines = math.ceil(len(handles) / columns) - 1 + sum(label.count("\n") for label in labels)
    whole = figure.figure  # what a legend of many lines takes is not taken from the axes
    whole.set_figheight(whole.get_figheight() + 0.13 * lines)
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, columnspacing=1.2, title=title)


def wrapped(text: str, across: int) -> str:
    """A title in lines that fit one of so many panels across the page."""
    return "\n".join(
        line for part in text.split("\n") for line in textwrap.wrap(part, int(15 * sizes.width() / across))
    )


def log_percent(axes: Axes, axis: str = "y") -> None:
    """A logarithmic axis of percentages with plain numbers at 1, 2 and 5."""
    which = axes.yaxis if axis == "y" else axes.xaxis
    (axes.set_yscale if axis == "y" else axes.set_xscale)("log")
    which.set_major_locator(LogLocator(subs=(1, 2, 5)))
    which.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    which.set_minor_formatter(NullFormatter())


def even_ticks(axis: Axis) -> None:
    """Of a logarithmic axis that is less than a decade long: few, evenly apart, each with its number."""
    axis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axis.set_minor_locator(NullLocator())


def log_numbers(axes: Axes) -> None:
    """A logarithmic x axis with plain numbers: at 1, 2 and 5, or at powers of ten over more than two decades."""
    axes.set_xscale("log")
    low, high = axes.dataLim.intervalx
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if high > 100 * low else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def whole_numbers(axes: Axes) -> None:
    """Ticks of the x axis (epochs, steps) at whole numbers."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))


def level(axes: Axes, mean: float, std: float, look: Look) -> None:
    """A line across, with its spread: a cell that has no place on the x axis, as dense has no alpha."""
    axes.axhline(mean, color=look.colour, linestyle=look.stroke)
    if std > 0:
        axes.axhspan(mean - std, mean + std, color=look.colour, alpha=0.1, lw=0)


def spread(axes: Axes, rows: pd.DataFrame, x: str, colour: str) -> None:
    """The band from the lowest to the highest seed; unlike mean ± std it never leaves the possible values."""
    axes.fill_between(rows[x], rows["low"], rows["high"], color=colour, alpha=0.15, lw=0)


def empty(message: str) -> Figure:
    """A figure that says why it shows nothing."""
    figure = Figure(figsize=(sizes.HALF, 1.2))
    figure.text(0.5, 0.5, message, ha="center", va="center")
    return figure


def footnotes(figure: Figure, statements: Iterable[str]) -> None:
    """Sentences below the axes, in small letters; the figure grows by their height."""
    width, height = figure.get_size_inches()
    size = 6 if sizes.width() > sizes.NARROW else 7
    lines = [line for text in statements for line in textwrap.wrap(text, int(width * 125 / size))]
    if lines:
        figure.set_size_inches(width, height + 0.02 * size * len(lines))
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=size, color="0.3", linespacing=1.2)
