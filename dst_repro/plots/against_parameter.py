"""What a parameter of the method does: accuracy and density against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dst_repro.errors import UserError
from dst_repro.plots import sizes, style
from dst_repro.published import loader as published
from dst_repro.records.frames import Frames
from dst_repro.records.sparsest import with_sparsest
from dst_repro.registry import plots
from dst_repro.statistics.summary import summarise
from dst_repro.tables import fields
from dst_repro.tables.cells import Beside, Cell, cells

Selection = Literal["last", "best_on_validation", "best_on_test", "sparsest"]
METRICS = {"test_accuracy": "test accuracy (%)", "density": "density (%)"}
PRINTED = {"top1": "test_accuracy", "remaining_percent": "density"}
COLUMNS = [*style.CELL, "source", "metric", "x", "mean", "std", "n", "planned"]


class AgainstParams(Beside):
    parameter: str = "density"
    """The field on the x axis: the target density, or a parameter such as `method_params.alpha`."""
    selection: Selection = "last"
    """The epoch by which a run is judged."""


@plots.register("against-parameter", AgainstParams)
class AgainstParameter:
    """Accuracy and density against a parameter of the method, the published curve beside"""

    @staticmethod
    def frame(frames: Frames, params: AgainstParams) -> pd.DataFrame:
        """One row a (source, cell, metric): mean and std over seeds in percent.

        Cells without the parameter, like dense ones, have no `x`; they are drawn as levels across. Published numbers
        are those of the nets that have a finished run; their `n` is the number of seeds, if stated.
        """
        runs = with_sparsest(frames) if params.selection == "sparsest" else frames.runs
        known = [cell for cell in cells(runs, params.where) if len(cell.finished)]
        ours = pd.DataFrame([row for cell in known for row in _ours(cell, params)], columns=COLUMNS)
        places = ["dataset", "model", "method", "metric", "x"]
        if ours[ours["x"].notna()].duplicated(places).any():
            raise UserError(f"against-parameter: two cells have one {params.parameter}: choose by `where`")
        nets = set(zip(ours["dataset"], ours["model"], strict=True))
        beside = pd.DataFrame([r for r in _printed(params) if (r["dataset"], r["model"]) in nets], columns=COLUMNS)
        return pd.concat([part for part in (ours, beside) if len(part)] or [ours], ignore_index=True)

    @staticmethod
    def figure(frame: pd.DataFrame, params: AgainstParams) -> Figure:
        columns = style.facets(frame)
        looks = style.looks(frame.assign(setting=""))
        size = (sizes.width(len(columns) > 1), 4.0)
        figure = Figure(figsize=size)
        grid = figure.subplots(len(METRICS), len(columns), squeeze=False, sharex="col")
        for (metric, label), line in zip(METRICS.items(), grid, strict=True):
            for (title, rows), axes in zip(columns, line, strict=True):
                _draw(axes, rows[rows["metric"] == metric], looks)
                if metric == "density":
                    axes.set_ylim(0, 103)
                else:
                    axes.set_title(title)
            line[0].set_ylabel(label)
        for axes in grid[-1]:
            axes.set_xlabel("target density (%)" if params.parameter == "density" else _name(params))
            if axes.get_xscale() == "log":
                _ticks(axes)
        style.legend(figure, style.samples(looks, frame, frame["source"] == "published"))
        return figure


def _name(params: AgainstParams) -> str:
    return params.parameter.rpartition(".")[2]


def _ours(cell: Cell, params: AgainstParams) -> list[dict[str, Any]]:
    x = fields.number(cell, params.parameter)
    common = {"dataset": cell.dataset, "model": cell.model, "method": cell.method, "setting": cell.setting,
              "cell": cell.id, "source": "ours", "x": x, "planned": cell.planned}  # fmt: skip
    found = {metric: summarise(100 * cell.finished[f"{params.selection}.{metric}"]) for metric in METRICS}
    return [common | {"metric": metric, "mean": s.mean, "std": s.std, "n": s.n} for metric, s in found.items() if s.n]


def _printed(params: AgainstParams) -> Iterator[dict[str, Any]]:
    for number in published.items(params.published).to_dict("records"):
        x = number["density_percent"] if params.parameter == "density" else number["settings"].get(_name(params))
        if number["metric"] in PRINTED and number["method"] != "dense" and x is not None:
            yield {key: number[key] for key in (*style.FACET, "method")} | {
                "setting": "", "source": "published", "metric": PRINTED[number["metric"]], "x": x,
                "mean": number["value"], "std": number["spread"], "n": number["n_seeds"],
            }  # fmt: skip


def _draw(axes: Axes, rows: pd.DataFrame, looks: dict[tuple[str, str], style.Look]) -> None:
    for (source, method), points in rows.groupby(["source", "method"], sort=False):
        look = looks[str(method), ""]
        line = points.dropna(subset=["x"]).sort_values("x")
        if source == "published":
            axes.plot(line["x"], line["mean"], **look.published())
            continue
        for mean, std in points.loc[points["x"].isna(), ["mean", "std"]].itertuples(index=False, name=None):
            style.level(axes, mean, std, look)
        if len(line):
            axes.set_xscale("log")
            axes.errorbar(line["x"], line["mean"], line["std"].fillna(0), **look.spread())


def _ticks(axes: Axes) -> None:
    """Powers of ten, over less than two decades also 2 and 5 times them, spelled as in the config files: 5e-4."""
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1,) if high > 100 * low else (1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-")))
    axes.xaxis.set_minor_formatter(NullFormatter())
