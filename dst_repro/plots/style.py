"""One style for every figure: a colour and a marker a method, a line style a setting, sizes for print."""

from __future__ import annotations

import hashlib
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from dst_repro.records.frames import Frames

WIDTH = 7.0  # inches: the text width of a two-column paper
FACET = ["dataset", "model"]
CELL = [*FACET, "method", "setting", "cell"]

# Okabe and Ito's colours, safe for colour-blind readers, without the yellow that vanishes on white, and four that are
# told by brightness; dense is black.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6a3d9a", "#a6761d", "#7f7f7f", "#5c5c00")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h")
DASHES = ((4, 1.5), (1, 1), (5, 1.5, 1, 1.5), (8, 2), (3, 1, 1, 1, 1, 1))
STROKES: tuple[Any, ...] = ("-", *((0, dashes) for dashes in DASHES))
KNOWN = ("dst", "rigl", "gmp", "set", "static", "sparse-momentum", "dsr", "deep-r", "imp", "one-shot",
         "given-mask", "snip", "granet", "grasp", "mest", "synflow", "str", "dns", "taylor")  # fmt: skip
"""Of these no two share both colour and marker, nor the first ten a colour. Other methods take what their slugs hash
to."""
CRITERIA = {
    "magnitude": ("#0072b2", "o"), "each-sign-equal": ("#009e73", "s"), "mest": ("#e69f00", "^"),
    "snip": ("#d55e00", "v"), "reciprocal-sensitivity": ("#cc79a7", "D"), "sensitivity": ("#6a3d9a", "X"),
    "each-sign": ("#a6761d", "p"), "each-sign-released": ("#5c5c00", "h"), "random": ("#7f7f7f", "P"),
}  # fmt: skip
"""Prune criteria that share no colour, in the order of legends. None has that of static, which stands beside them."""

RC: Any = {
    **sns.plotting_context("paper", rc={
        "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
        "legend.fontsize": 7, "legend.title_fontsize": 7, "lines.linewidth": 1.3, "lines.markersize": 4,
    }),
    **sns.axes_style("ticks", rc={"axes.grid": True, "grid.color": "0.9", "grid.linewidth": 0.5}),
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "legend.frameon": False, "legend.handlelength": 2.6,
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
    stroke: Any
    label: str

    def line(self) -> Line2D:
        """A sample for the legend."""
        marker = None if self.label == "dense" else self.marker
        return Line2D([], [], color=self.colour, marker=marker, linestyle=self.stroke, label=self.label)

    def published(self) -> dict[str, Any]:
        """How published numbers are drawn: our colour and marker, but hollow, on a thin dotted line."""
        return {"color": self.colour, "marker": self.marker, "markerfacecolor": "white", "linestyle": (0, (1, 1.5)),
                "linewidth": 0.9, "markeredgewidth": 0.9}  # fmt: skip

    def published_line(self) -> Line2D:
        """A sample of them for the legend."""
        return Line2D([], [], label=f"{self.label}, published", **self.published())


def colour(method: str) -> str:
    """Black for dense, else a fixed colour: it does not depend on which other methods are drawn, or exist."""
    if method in CRITERIA:
        return CRITERIA[method][0]
    return "#000000" if method == "dense" else COLOURS[_place(method, "colour") % len(COLOURS)]


def marker(method: str) -> str:
    if method in CRITERIA:
        return CRITERIA[method][1]
    return MARKERS[_place(method, "marker") % len(MARKERS)]


def _place(method: str, what: str) -> int:
    if method in KNOWN:
        return KNOWN.index(method)
    return int.from_bytes(hashlib.sha256(f"{what} {method}".encode()).digest()[:4])


def treatments(shown: Iterable[str]) -> dict[str, Look]:
    """Methods and criteria side by side: dense and static first, in strokes of their own, then the criteria.

    Densities are no names but have an order, and so have their colours.
    """
    names = set(shown)
    own: dict[str, Any] = {"dense": (0, (2, 1)), "static": (0, (1, 1))}
    places = {name: place for place, name in enumerate((*own, *CRITERIA))}
    densities = {name: float(name.removesuffix(" %")) for name in names if name.endswith(" %")}
    palette = sns.color_palette("viridis", len(densities)).as_hex()
    shades = dict(zip(sorted(densities, key=lambda name: densities[name]), palette, strict=True))
    ordered = sorted(names, key=lambda name: (places.get(name, len(places)), densities.get(name, 0), name))
    return {name: Look(shades.get(name, colour(name)), marker(name), own.get(name, "-"), name) for name in ordered}


def looks(frame: pd.DataFrame) -> dict[tuple[str, str], Look]:
    """(method, setting) -> its look, dense first; the settings of a method differ in stroke."""
    found: dict[tuple[str, str], Look] = {}
    pairs = frame[["method", "setting"]].drop_duplicates().itertuples(index=False, name=None)
    settings: dict[str, int] = {}
    for method, setting in sorted(pairs, key=lambda pair: pair[0] != "dense"):  # stable: the order of the frame
        number = settings[method] = settings.get(method, -1) + 1
        stroke = (0, (2, 1)) if method == "dense" and number == 0 else STROKES[number % len(STROKES)]
        label = f"{method} {setting}".strip()
        found[method, setting] = Look(colour(method), marker(method), stroke, label)
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
    return [(f"{dataset}, {model}" if several else str(model), rows) for (dataset, model), rows in groups]


def settings(rows: pd.DataFrame) -> list[tuple[tuple[str, str], pd.DataFrame]]:
    """((method, setting), rows) of each cell of a facet, in the order of the frame."""
    return [((str(m), str(s)), cell) for (m, s), cell in rows.groupby(["method", "setting"], sort=False)]


def legend(figure: Any, handles: Sequence[Any], title: str | None = None) -> None:
    """Above all axes, outside of them, in as many columns as the figure has room for."""
    inches = figure.bbox.width / figure.dpi
    widest = 0.6 + 0.06 * max(len(handle.get_label()) for handle in handles)
    columns = max(1, min(len(handles), 6, int(inches / widest)))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, columnspacing=1.2, title=title)


def log_percent(axes: Axes, axis: str = "y") -> None:
    """A logarithmic axis of percentages with plain numbers at 1, 2 and 5."""
    which = axes.yaxis if axis == "y" else axes.xaxis
    (axes.set_yscale if axis == "y" else axes.set_xscale)("log")
    which.set_major_locator(LogLocator(subs=(1, 2, 5)))
    which.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    which.set_minor_formatter(NullFormatter())


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
    figure = Figure(figsize=(WIDTH / 2, 1.2))
    figure.text(0.5, 0.5, message, ha="center", va="center")
    return figure


def footnotes(figure: Figure, statements: Iterable[str]) -> None:
    """Sentences below the axes, in small letters; the figure grows by their height."""
    width, height = figure.get_size_inches()
    lines = [line for text in statements for line in textwrap.wrap(text, int(width * 18))]
    if lines:
        figure.set_size_inches(width, height + 0.12 * len(lines))
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=6, color="0.3", linespacing=1.2)
