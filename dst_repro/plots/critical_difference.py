"""Demsar's diagram: average ranks on an axis, bars over those that do not differ significantly."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dst_repro.plots import sizes, style
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.ranking import RankingParams, ranked

STEP = 0.3  # between bars, in units of the distance between names


@plots.register("critical-difference", RankingParams)
class CriticalDifference:
    """Average ranks of treatments, a panel a group of settings; bars join those that differ by less than the CD"""

    @staticmethod
    def frame(frames: Frames, params: RankingParams) -> pd.DataFrame:
        """One row a (group, treatment), as in the table `ranking`, of the groups that have complete settings."""
        frame = ranked(frames, params)
        return frame.dropna(subset="rank").reset_index(drop=True)

    @staticmethod
    def figure(frame: pd.DataFrame, params: RankingParams) -> Figure:
        groups = [(str(name), rows) for name, rows in frame.groupby("group", sort=False)]
        across = min(2 if sizes.width() > sizes.HALF else 1, len(groups))
        down = math.ceil(len(groups) / across)
        most = math.ceil(frame.groupby("group")["treatment"].count().max() / 2)
        figure = Figure(figsize=(sizes.width(across > 1), (1.15 + 0.2 * most) * down))
        grid = figure.subplots(down, across, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for (name, rows), axes in zip(groups, grid.flat, strict=False):
            _diagram(axes, rows.sort_values("rank", kind="stable"))
            axes.set_title(f"{name}\n{_test(rows.iloc[0], 'votes' if params.seeds else 'settings')}".strip(), pad=2)
        return figure


def joined(ranks: list[float], cd: float) -> list[tuple[float, float]]:
    """From rising ranks to the widest bars of which both ends differ by no more than `cd`; none is part of another."""
    bars: list[tuple[float, float]] = []
    for first in ranks:
        last = max(rank for rank in ranks if rank - first <= cd)
        if last > first and (not bars or last > bars[-1][1]):
            bars.append((first, last))
    return bars


def _test(row: pd.Series[float], blocks: str) -> str:
    words = f"{row['blocks']:g} {blocks}"
    if row["incomplete"]:
        words += f" ({row['incomplete']:g} incomplete)"
    if math.isnan(row["chi2_p"]):
        return words
    return f"{words}, Friedman p " + ("< 0.001" if row["chi2_p"] < 0.001 else f"= {row['chi2_p']:.3f}")


def _diagram(axes: Axes, rows: pd.DataFrame) -> None:
    """The best is on the right, as in Demsar (2006), figure 1. Downwards: CD, axis, bars, names."""
    k, cd = len(rows), float(rows["cd"].iloc[0])
    ink: dict[str, Any] = {"color": "black", "linewidth": 0.9, "solid_capstyle": "butt"}
    axes.plot([1, k], [0, 0], **ink)
    for tick in range(1, k + 1):
        axes.plot([tick, tick], [0, -0.25], **ink)
        axes.text(tick, -0.35, str(tick), ha="center", va="bottom", fontsize=7)
    if not math.isnan(cd):
        end = k - min(cd, k - 1)
        axes.plot([k, k, k, end, end, end], [-1.35, -1.65, -1.5, -1.5, -1.35, -1.65], **ink)
        axes.text((k + end) / 2, -1.6, f"CD = {cd:.2f}", ha="center", va="bottom", fontsize=7)
    bars = joined(list(rows["rank"]), cd)
    for number, (low, high) in enumerate(bars, start=1):
        axes.plot([low - 0.04, high + 0.04], [STEP * number + 0.1] * 2, color="black", linewidth=2.5,
                  solid_capstyle="butt", zorder=3)  # fmt: skip
    top = STEP * len(bars) + 0.8
    best = math.floor(k / 2)
    for place, row in enumerate(rows.to_dict("records")):
        right = place < best
        y = top + (place if right else k - 1 - place)
        side = 1 - 0.15 * (k - 1) / 4 if right else k + 0.15 * (k - 1) / 4
        look = style.treatments([row["treatment"]])[row["treatment"]]
        axes.plot([row["rank"], row["rank"], side], [0, y, y], color=look.colour, linewidth=0.9)
        axes.plot(row["rank"], 0, **look.point().drawn(), zorder=4, clip_on=False)
        words = (look.label, f"({row['rank']:.2f})")
        axes.text(side, y, f" {words[0]} {words[1]} " if right else f" {words[1]} {words[0]} ",
                  ha="left" if right else "right", va="center", fontsize=7)  # fmt: skip
    axes.set_xlim(k + 0.2 * (k - 1), 1 - 0.2 * (k - 1))
    axes.set_ylim(top + k - best, -2.4)
