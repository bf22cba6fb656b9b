"""Do prune criteria choose the same weights? Their sets compared, at one update or over training."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dst_repro.plan.catalogue import label
from dst_repro.plots import names, overlap, sizes, style
from dst_repro.plots.curves import COUNTS
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.cells import Cell, Selected, cells
from dst_repro.tables.names import treatment


class JaccardParams(Selected):
    show: Literal["matrix", "curves"] = "matrix"
    """All pairs at one epoch, or all epochs of the pairs with one criterion."""
    epoch: Literal["first", "last"] = "first"
    """Of the epochs with an update, the one that the matrix shows."""
    reference: str = "magnitude"
    """The criterion with which the curves compare the others."""
    over: Literal["network", "layers"] = "network"
    """Whether the weights of all layers are one set, or the mean of the layers' indices is drawn. The CSV has both."""


@plots.register("criteria-jaccard", JaccardParams)
class CriteriaJaccard:
    """Jaccard index of the weights that prune criteria select: a matrix, or curves; that of random sets beside"""

    @staticmethod
    def frame(frames: Frames, params: JaccardParams) -> pd.DataFrame:
        """One row a (cell, pair, over, epoch) with the index over seeds; `random` is that expected of random sets.

        It needs runs whose method was asked to `compare` criteria; what each would drop is that of the latest update.
        """
        parts = [
            part for cell in cells(frames.runs, params.where) if (part := _pairs(cell, frames.history)) is not None
        ]
        columns = [*style.CELL, "a", "b", *overlap.COLUMNS[:2], *COUNTS, "random"]
        frame = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
        if params.show == "curves":
            frame = frame[(frame["a"] == params.reference) | (frame["b"] == params.reference)]
        elif len(frame):
            epochs = frame.groupby("cell")["epoch"]
            shown = epochs.transform("min") if params.epoch == "first" else epochs.transform("max")
            frame = frame[frame["epoch"] == shown]
        return frame.reset_index(drop=True)

    @staticmethod
    def figure(frame: pd.DataFrame, params: JaccardParams) -> Figure:
        frame = frame[frame["over"] == params.over]
        panels = [
            (f"{title}, {label('method', method)}\n{names.words(setting)}".strip(), rows)
            for title, facet in style.facets(frame)
            for (method, setting), rows in style.settings(facet)
        ]
        across = min(len(panels), 2 if params.show == "matrix" else 3)
        down = math.ceil(len(panels) / across)
        width = sizes.width(across > 1, sizes.HALF + 0.3)
        figure = Figure(figsize=(width, (2.9 if params.show == "matrix" else 2.1) * down + 0.4))
        grid = figure.subplots(down, across, squeeze=False, sharey=params.show == "curves")
        for number, axes in enumerate(grid.flat):
            if number >= len(panels):
                axes.set_axis_off()
                continue
            (_matrix if params.show == "matrix" else _curves)(axes, panels[number][1], params)
            axes.set_title(style.wrapped(panels[number][0], across))
        if params.show == "curves":
            for line in grid:
                line[0].set_ylabel(f"Jaccard index with {treatment(params.reference)}")
            others = style.treatments((set(frame["a"]) | set(frame["b"])) - {params.reference})
            samples = [look.line() for look in others.values()]
            style.legend(figure, [*samples, Line2D([], [], label="two random sets, expected", **overlap.CHANCE)])
        return figure


def _pairs(cell: Cell, history: pd.DataFrame) -> pd.DataFrame | None:
    """The index of each pair of criteria that were compared; none where no update was."""
    name = history["name"]
    counts = overlap.wide(history, cell.finished["id"], name.str.startswith(("selected/", "common/")) | name.eq("kept"))
    pairs = [str(name).split("/")[1:] for name in counts.columns if str(name).startswith("common/")]
    first = {a: sum(pair[0] == a for pair in pairs) for pair in pairs for a in pair}  # how many come after it
    parts = []
    for a, b in sorted(pairs, key=lambda pair: (-first[pair[0]], -first[pair[1]])):
        sizes = {"common": f"common/{a}/{b}", "a": f"selected/{a}", "b": f"selected/{b}", "among": "kept"}
        rows = counts[["id", "epoch", *sizes.values()]].set_axis(["id", "epoch", *sizes], axis=1).dropna()
        parts.append(overlap.jaccard(rows).assign(a=a, b=b))
    names_of = {key: getattr(cell, "id" if key == "cell" else key) for key in style.CELL}
    return pd.concat(parts).assign(**names_of, planned=cell.planned) if parts else None


def _matrix(axes: Axes, rows: pd.DataFrame, params: JaccardParams) -> None:
    """The lower triangle: each pair once."""
    rules = list(dict.fromkeys([*rows["a"], *rows["b"]]))
    values = np.full((len(rules), len(rules)), np.nan)
    for row in rows.to_dict("records"):
        values[rules.index(row["b"]), rules.index(row["a"])] = row["mean"]
    shown = values[1:, :-1]
    axes.pcolormesh(shown, cmap="Blues", vmin=0, vmax=1, edgecolor="white", linewidth=1)
    for (i, j), value in np.ndenumerate(shown):
        if value == value:
            axes.text(j + 0.5, i + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=7,
                      color="white" if value > 0.6 else "black")  # fmt: skip
    ticks = np.arange(len(rules) - 1) + 0.5
    labels = [treatment(rule) for rule in rules]
    axes.set_xticks(ticks, labels[:-1], rotation=30, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, labels[1:])
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    low, high = rows["random"].min(), rows["random"].max()
    chance = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    first, last = rows["epoch"].min(), rows["epoch"].max()
    when = f"epoch {first}" if first == last else f"epochs {first} to {last}"
    axes.text(1, 1, f"{when}\ntwo random sets,\nexpected: {chance}", transform=axes.transAxes, ha="right", va="top",
              fontsize=7, color="0.3")  # fmt: skip


def _curves(axes: Axes, rows: pd.DataFrame, params: JaccardParams) -> None:
    rows = rows.assign(other=rows["b"].where(rows["a"] == params.reference, rows["a"]))
    for name, look in style.treatments(rows["other"]).items():
        curve = rows[rows["other"] == name].sort_values("epoch")
        style.spread(axes, curve, "epoch", look.colour)
        axes.plot(curve["epoch"], curve["mean"], **look.drawn(),
                  markevery=max(1, len(curve) // 6))  # fmt: skip
    chance = rows.groupby("epoch")["random"].mean()
    axes.plot(chance.index, chance, **overlap.CHANCE)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("epoch")
    style.whole_numbers(axes)
