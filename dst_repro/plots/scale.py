"""Accuracy as it is, or as the error on a logarithmic axis: that separates lines within a point of each other."""

from __future__ import annotations

from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from dst_repro.plots import style

Scale = Literal["accuracy", "error"]


def shown(values: pd.Series[float], scale: Scale) -> pd.Series[float]:
    """What is drawn of accuracies in percent."""
    return 100 - values if scale == "error" else values


def label(scale: Scale) -> str:
    return f"test {scale} (%)"


def limit(axes: Axes, values: pd.Series[float], spread: pd.Series[float], scale: Scale, least: float | None) -> None:
    """The axis from the accuracy `least`, where it is given, to a little beyond the best of what `shown` gave."""
    if scale == "error":
        style.log_percent(axes)
        if least is not None:
            best = min((values - spread).where(values > spread).min(), 100 - least)
            axes.set_ylim(best / 1.15, 100 - least)
        low, high = axes.get_ylim()
        if high < 4 * low:  # so little that only even steps are enough
            style.even_ticks(axes.yaxis)
        elif high < 12 * low:  # about a decade has few round numbers
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7), numticks=20))
    elif least is not None:
        best = (values + spread).max()
        axes.set_ylim(least, max(best + 0.05 * (best - least), least + 0.1))
