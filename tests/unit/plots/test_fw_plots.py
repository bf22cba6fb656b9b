"""Figures of prune criteria: their frames against values worked out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from dst_repro.errors import UserError
from dst_repro.plots import style
from dst_repro.plots.accuracy_grid import AccuracyGrid, GridParams, places
from dst_repro.plots.criteria_jaccard import CriteriaJaccard, JaccardParams
from dst_repro.plots.critical_difference import CriticalDifference, joined
from dst_repro.plots.mask_overlap import MaskOverlap, OverlapParams
from dst_repro.records.frames import Frames
from dst_repro.tables.ranking import RankingParams
from tests import small


def grown(drop: str, seed: int, accuracy: float | None, density: float, grow: str) -> dict[str, object]:
    params = {"method_params.drop": drop, "method_params.grow": grow}
    return small.run("set", seed, accuracy, "finished" if accuracy else "missing", density=density, **params)


GRID = [
    small.run("dense", 0, 0.98), small.run("static", 0, 0.80, density=0.1),
    grown("snip", 0, 0.90, 0.1, "random"), grown("snip", 1, 0.92, 0.1, "random"),
    grown("snip", 0, 0.94, 0.1, "gradient"), grown("magnitude", 0, 0.95, 0.1, "gradient"),
]  # fmt: skip


def with_history(*rows: tuple[str, int, str, str, float]) -> Frames:
    """Two runs that compared criteria; `rows` are (run, epoch, layer, name, value)."""
    runs = [grown("magnitude", seed, 0.9, 0.1, "random") | {"id": f"r{seed}"} for seed in range(2)]
    history = pd.DataFrame([(r, 5 * e, e, layer, n, v) for r, e, layer, n, v in rows], columns=small.HISTORY)
    return Frames(small.frames(*runs).runs, history)


def test_the_grid_has_a_line_a_criterion_and_a_row_a_growth() -> None:
    rows = AccuracyGrid.frame(small.frames(*GRID), GridParams()).set_index(["line", "row"])
    snip = rows.loc[("snip", "random growth")]
    assert (snip["x"], snip["mean"], snip["low"], snip["high"], snip["n"]) == pytest.approx((10, 91, 90, 92, 2))
    assert snip["std"] == pytest.approx(math.sqrt(2))
    assert math.isnan(rows.loc[("dense", ""), "x"])  # in every panel, as a level
    assert rows.loc[("static", ""), "x"] == 10


def test_the_grid_has_panels_for_what_differs() -> None:
    frames = small.frames(*GRID)
    params = GridParams(column="density")
    figure = AccuracyGrid.figure(AccuracyGrid.frame(frames, params), params)
    assert [axes.get_title() for axes in figure.axes] == ["lenet, 10 %, random growth", "lenet, 10 %, gradient growth"]
    # random growth: the line of snip and that of static, the level of dense; gradient growth: magnitude too
    assert [len(axes.lines) for axes in figure.axes] == [3, 4]
    with pytest.raises(UserError, match="two cells of 'snip' have one density"):
        AccuracyGrid.frame(frames, GridParams(row=None))


def test_the_axis_of_the_accuracy_begins_where_asked() -> None:
    frames, params = small.frames(*GRID), GridParams(least=85.0)  # static, at 80 %, is not shown
    figure = AccuracyGrid.figure(AccuracyGrid.frame(frames, params), params)
    assert [axes.get_ylim() for axes in figure.axes] == [pytest.approx((85, 85 + 1.05 * 13))] * 2  # dense: 98 %
    params = GridParams(least=99.0)
    figure = AccuracyGrid.figure(AccuracyGrid.frame(frames, params), params)
    assert all(axes.get_ylim()[0] < 80 for axes in figure.axes)  # no panel is left empty


def test_points_with_a_single_seed_share_no_band_with_others() -> None:
    rows = [*GRID, grown("snip", 0, 0.95, 0.2, "random")]  # two seeds at 10 %, one at 20 %
    figure = AccuracyGrid.figure(AccuracyGrid.frame(small.frames(*rows), GridParams()), GridParams())
    (strokes,) = [found for found in figure.axes[0].collections if len(found.get_paths()) == 2]
    assert [path.vertices.tolist() for path in strokes.get_paths()] == [
        [[10, pytest.approx(90)], [10, pytest.approx(92)]], [[20, 95], [20, 95]]
    ]  # fmt: skip


def test_many_columns_are_wrapped() -> None:
    rows = [grown("snip", 0, 0.9, 0.1, grow) | {"id": f"{grow}{n}", "cell": f"{grow}{n}", "model": f"net-{n}"}
            for n in range(6) for grow in ("random", "gradient")]  # fmt: skip
    figure = AccuracyGrid.figure(AccuracyGrid.frame(small.frames(*rows), GridParams()), GridParams())
    titles = [axes.get_title() for axes in figure.axes]  # three networks across, each above itself with other growth
    assert titles == ["net-0", "net-1", "net-2", "", "", "", "net-3", "net-4", "net-5", "", "", ""]
    assert figure.axes[0].get_shared_y_axes().joined(figure.axes[0], figure.axes[3])


def test_the_panels_stand_in_a_known_order() -> None:
    frame = pd.DataFrame({"column": ["20 %", "5 %", "", "10 %"], "row": ["gradient growth", "random growth", "", ""]})
    assert places(frame, "column") == ["5 %", "10 %", "20 %"]
    assert places(frame, "row") == ["random growth", "gradient growth"]


def test_criteria_share_no_colour_with_another_or_with_static() -> None:
    names = [*style.CRITERIA, "static", "dense"]
    assert len({style.look(name, "").colour for name in names}) == len(names)
    assert [*style.treatments(reversed(names))][:3] == ["dense", "static", "magnitude"]


def test_bars_join_what_does_not_differ() -> None:
    assert joined([1, 1.5, 2.5, 4], 1.5) == [(1, 2.5), (2.5, 4)]
    assert joined([1, 1.2, 1.4], 1) == [(1, 1.4)]  # not also from 1.2 on
    assert joined([1, 3], 1) == []


def test_groups_without_a_complete_setting_are_not_drawn() -> None:
    grid = [grown("a", 0, 0.9, 0.05, "random"), grown("b", 0, 0.8, 0.05, "random"),
            grown("a", 0, 0.9, 0.5, "random"), grown("b", 0, None, 0.5, "random")]  # fmt: skip
    rows = CriticalDifference.frame(small.frames(*grid), RankingParams())
    assert list(zip(rows["group"], rows["treatment"], rows["rank"], strict=True)) == [
        ("density ≤ 10 %", "a", 1), ("density ≤ 10 %", "b", 2)
    ]  # fmt: skip


def test_seeds_that_vote_are_not_called_settings() -> None:
    grid = [grown(drop, seed, 0.9, 0.05, "random") for drop in "ab" for seed in range(3)]
    for seeds, words in ((True, "3 votes"), (False, "1 settings")):
        params = RankingParams(seeds=seeds)
        figure = CriticalDifference.figure(CriticalDifference.frame(small.frames(*grid), params), params)
        assert words in figure.axes[0].get_title()


def compared(run: str, epoch: int, shared: tuple[int, int]) -> list[tuple[str, int, str, str, float]]:
    """8 of the 16 weights of fc1 and 2 of the 4 of fc2 are selected by each of two criteria; fc3 is left alone."""
    rows: list[tuple[str, int, str, str, float]] = [(run, epoch, "fc3", "kept", 10)]
    for layer, kept, selected, common in (("fc1", 16, 8, shared[0]), ("fc2", 4, 2, shared[1])):
        rows += [(run, epoch, layer, "kept", kept), (run, epoch, layer, "common/magnitude/snip", common),
                 (run, epoch, layer, "selected/magnitude", selected),
                 (run, epoch, layer, "selected/snip", selected)]  # fmt: skip
    return rows


def test_jaccard_of_what_criteria_select() -> None:
    kept_only = [("r0", 0, "fc1", "kept", 16.0)]
    frames = with_history(*kept_only, *compared("r0", 1, (4, 2)), *compared("r1", 1, (8, 2)),
                          *compared("r0", 2, (0, 0)), *compared("r1", 2, (0, 0)))  # fmt: skip
    rows = CriteriaJaccard.frame(frames, JaccardParams()).set_index("over")
    assert set(rows["epoch"]) == {1}
    # r0: 6 of 10 + 10 - 6 = 14 in the network; 4/12 and 2/2 in the layers. r1: all the same.
    assert rows.loc["network", "mean"] == pytest.approx((6 / 14 + 1) / 2)
    assert rows.loc["layers", "mean"] == pytest.approx(((4 / 12 + 1) / 2 + 1) / 2)
    assert (rows.loc["network", "low"], rows.loc["network", "n"]) == pytest.approx((6 / 14, 2))
    assert list(rows["random"]) == pytest.approx([1 / 3, 1 / 3])  # rho = 1/2 in both layers: rho / (2 - rho)
    last = CriteriaJaccard.frame(frames, JaccardParams(epoch="last"))
    assert (list(last["epoch"]), list(last["mean"])) == ([2, 2], [0, 0])


def test_curves_show_all_epochs_of_the_pairs_with_one_criterion() -> None:
    frames = with_history(*compared("r0", 1, (4, 2)), *compared("r0", 2, (8, 2)),
                          *(("r0", 1, "fc1", name, 8.0) for name in ("selected/mest", "common/mest/snip")))  # fmt: skip
    rows = CriteriaJaccard.frame(frames, JaccardParams(show="curves"))
    rows = rows[rows["over"] == "network"]
    assert list(zip(rows["a"], rows["b"], rows["epoch"], strict=True)) == [
        ("magnitude", "snip", 1),
        ("magnitude", "snip", 2),
    ]
    assert list(rows["mean"]) == pytest.approx([6 / 14, 1])


def test_overlap_with_the_initial_mask() -> None:
    def counts(epoch: int, from_start: int, explored: int) -> list[tuple[str, int, str, str, float]]:
        full = [("r0", epoch, "fc2", name, 20.0) for name in ("kept", "from_start", "explored")]
        some = {"kept": 40, "from_start": from_start, "explored": explored}
        return full + [("r0", epoch, "fc1", name, float(value)) for name, value in some.items()]

    frames = with_history(*counts(0, 40, 40), *counts(1, 10, 60))
    rows = MaskOverlap.frame(frames, OverlapParams()).set_index(["metric", "over", "epoch"])
    # fc2 keeps all of its 20 weights and is left out; fc1 has 80: d = 1/2, so random masks have 1/3
    assert rows.loc[("jaccard", "network", 0), "mean"] == 1
    assert rows.loc[("jaccard", "network", 1), "mean"] == pytest.approx(10 / 70)
    assert rows.loc[("jaccard", "network", 1), "random"] == pytest.approx(1 / 3)
    assert rows.loc[("explored", "network", 1), "mean"] == 75
    assert set(rows["line"]) == {"magnitude"}
    full = MaskOverlap.frame(frames, OverlapParams(full_layers=True)).set_index(["metric", "over", "epoch"])
    assert full.loc[("jaccard", "network", 1), "mean"] == pytest.approx(30 / 90)
    assert full.loc[("jaccard", "layers", 1), "mean"] == pytest.approx((10 / 70 + 1) / 2)
    assert full.loc[("explored", "network", 1), "mean"] == 80
