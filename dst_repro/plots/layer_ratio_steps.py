"""How the layers are pruned in the first steps, one by one."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from dst_repro.plots import layer_lines, sizes, style
from dst_repro.plots.curves import layer_curves
from dst_repro.records.frames import Frames
from dst_repro.registry import plots
from dst_repro.tables.cells import Selected


class StepParams(Selected):
    epochs: int = 1
    """How many epochs are shown, of those whose steps were recorded (`step_history` of the run)."""


@plots.register("layer-ratio-steps", StepParams)
class LayerRatioSteps:
    """Remaining ratio of each layer at every step of the first epoch; mean and spread over seeds"""

    @staticmethod
    def frame(frames: Frames, params: StepParams) -> pd.DataFrame:
        """One row a (cell, layer, step); mean, std, lowest and highest seed in percent of the layer's `numel`."""
        early = frames.history[frames.history["epoch"] <= params.epochs]
        frame = layer_curves(Frames(frames.runs, early), params.where, "step_kept", "step")
        return frame[frame["method"] != "dense"].reset_index(drop=True)

    @staticmethod
    def figure(frame: pd.DataFrame, params: StepParams) -> Figure:
        models = [rows for _, rows in style.facets(frame)]
        across = max(1, min(2, max(rows["cell"].nunique() for rows in models)))
        heights = [0.7 + 1.9 * layer_lines.panel_rows(rows, across) for rows in models]
        figure = Figure(figsize=(sizes.width(across == 2), sum(heights)))
        parts = list(figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False).flat)
        for part, rows in zip(parts, models, strict=True):
            layer_lines.lines(part, rows, "step", "optimiser step", across)
        return figure
