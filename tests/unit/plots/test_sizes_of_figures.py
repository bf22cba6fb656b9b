"""Panels wrap by the width that there is, and what is drawn small has letters that are large enough there."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from dst_repro.cli import drawing
from dst_repro.plan.grid import Item
from dst_repro.plots import scale, sizes, style
from dst_repro.plots.sparsity_over_epochs import SparsityOverEpochs, SparsityParams
from tests.unit.plots.test_plots import compared, frames

PLACE = (1304 - 2 * 8) / 3
"""CSS pixels that each of three figures has on the page at 1440."""


@pytest.mark.parametrize(
    ("panels", "whole", "narrow"), [(1, 1, 1), (2, 2, 2), (3, 3, 2), (4, 2, 2), (5, 3, 2), (8, 3, 2)]
)
def test_panels_stand_in_even_rows(panels: int, whole: int, narrow: int) -> None:
    assert sizes.across(panels) == whole
    with sizes.drawn_across(sizes.NARROW):
        assert sizes.across(panels) == narrow
    assert sizes.width() == sizes.WIDTH


def places(figure: Figure) -> set[tuple[int, int]]:
    specs = [axes.get_subplotspec() for axes in figure.axes]
    return {(spec.rowspan.start, spec.colspan.start) for spec in specs if spec is not None}


def test_four_metrics_of_one_network_are_two_by_two() -> None:
    """The fifth, beta, no run has."""
    params = SparsityParams(metrics=("density", "test_accuracy", "density", "test_accuracy", "beta"))
    figure = SparsityOverEpochs.figure(SparsityOverEpochs.frame(frames(), params), params)
    assert places(figure) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert figure.get_figwidth() == sizes.WIDTH
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "epoch", "epoch"]


def test_a_last_row_with_fewer_panels_leaves_no_column_without_ticks() -> None:
    params = SparsityParams(metrics=("density", "test_accuracy", "density"))
    with sizes.drawn_across(sizes.NARROW):
        figure = SparsityOverEpochs.figure(SparsityOverEpochs.frame(frames(), params), params)
    assert [axes.get_xlabel() for axes in figure.axes if axes.axison] == ["", "epoch", "epoch"]


@pytest.mark.parametrize(
    "builder", ["accuracy-vs-density", "accuracy-grid", "critical-difference", "sparsity-over-epochs", "retrained"]
)
def test_a_headline_is_legible_where_it_stands(tmp_path: Path, builder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    image = drawing._image

    def kept(figure: Figure, suffix: str) -> bytes:
        drawn.append(figure)
        return image(figure, suffix)

    monkeypatch.setattr(drawing, "_image", kept)
    item = Item(kind="figure", builder=builder, experiments=["e"], title="T", caption="C", headline=True)
    drawing.item(compared(), item, tmp_path, "x")
    (wide,) = re.findall(r'viewBox="0 0 ([\d.]+) ', (tmp_path / "x.svg").read_text())
    texts = [text.get_fontsize() for text in drawn[0].findobj(Text) if text.get_text() and text.get_visible()]
    assert min(texts) * PLACE / float(wide) >= 11


@pytest.mark.parametrize(("best", "worst"), [(88.0, 82.0), (98.0, 95.0), (99.2, 98.9)])
def test_a_short_axis_of_errors_has_a_number_at_every_tick(best: float, worst: float) -> None:
    with matplotlib.rc_context(style.RC):
        axes = Figure().subplots()
        axes.plot([1, 2], [100 - best, 100 - worst])
        axes.set_yscale("log")
        axes.set_ylim(100 - best, 100 - worst)
        scale.limit(axes, pd.Series([100 - best, 100 - worst]), pd.Series([0.0, 0.0]), "error", None)
        low, high = axes.get_ylim()
        shown = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert len(shown) >= 2
    assert len(axes.yaxis.get_minorticklocs()) == 0
