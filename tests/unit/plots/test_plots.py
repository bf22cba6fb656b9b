"""Figures: their frames worked out by hand, their colours, and that each is drawn whatever the runs are."""

from __future__ import annotations

import json
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from dst_repro import registry
from dst_repro.cli import drawing
from dst_repro.errors import UserError
from dst_repro.plan.grid import Item, load_paper
from dst_repro.plots import names, style
from dst_repro.plots.accuracy_vs_density import AccuracyVsDensity, TradeOffParams
from dst_repro.plots.curves import layer_curves, network_curves
from dst_repro.plots.layer_ratio_steps import LayerRatioSteps, StepParams
from dst_repro.records.frames import Frames
from dst_repro.tables.names import treatment
from tests import small
from tests.conftest import first_of

PLOTS = sorted(registry.plots.discover())


def frames() -> Frames:
    found: Frames = small.frames(*small.SMALL)
    return found


def compared() -> Frames:
    """The same runs and more, of methods that differ in a criterion, with what drop-and-grow training counts."""
    others = [small.run(method, 0, 0.9, density=0.1) for method in ("rigl", "dsr")]
    given = {"mask_of": others[0]["id"], "initialisation": "redrawn"}
    others += [small.run("given-mask", 0, 0.88, density=d, **given) for d in (0.1, 0.05)]
    found: Frames = small.frames(*small.SMALL, *others)
    criteria = {"set": "magnitude", "rigl": "snip", "dsr": "random"}
    config = {
        "dataset": "digits",
        "model": "mlp-256-256",
        "method": "dense",
        "epochs": 2,
        "learning_rate": 0.1,
        "seed": 0,
    }
    runs = found.runs.assign(
        **{"method_params.drop": found.runs["method"].map(criteria)}, config=json.dumps(config)
    )  # of which operations are counted
    kept = found.history[(found.history["name"] == "kept") & (found.history["epoch"] > 0)]
    names = ("selected/magnitude", "selected/snip", "common/magnitude/snip", "from_start", "explored")
    counts = [kept.assign(name=name, value=kept["value"] / 2) for name in names]
    return Frames(runs, pd.concat([found.history, *counts], ignore_index=True))


def figure(builder: str, **params: Any) -> Item:
    return Item(kind="figure", builder=builder, experiments=["e"], title="T", caption="C", params=params)


def test_curves_are_means_over_finished_seeds() -> None:
    rows = network_curves(frames(), {}, "test_accuracy").set_index(["method", "setting", "epoch"])
    # epoch 1: 60 % and one point a seed. set at 10 %: seeds 0 and 2, so 60 and 62, variance 2/1
    row = rows.loc[("set", "10 %", 1)]
    assert (row["mean"], row["low"], row["high"]) == pytest.approx((61, 60, 62))
    assert row["std"] == pytest.approx(math.sqrt(2))
    assert (row["n"], row["planned"]) == (2, 3)
    assert math.isnan(rows.loc[("set", "5 %", 1), "std"])


def test_density_is_counted_from_the_layers_and_begins_before_training() -> None:
    rows = network_curves(frames(), {}, "density")
    assert list(rows[rows["method"] == "dense"]["epoch"]) == [0, 1, 2]
    assert list(rows[rows["method"] == "dense"]["mean"]) == pytest.approx([100, 50, 100 / 3])


def test_layers_keep_the_order_of_the_network() -> None:
    rows = layer_curves(frames(), {"method": ["dense"]}, "kept", "epoch")
    assert list(rows["layer"]) == ["fc1"] * 3 + ["fc2"] * 3
    assert list(rows["numel"].unique()) == [80, 20]


def test_steps_are_percent_of_the_layer() -> None:
    rows = LayerRatioSteps.frame(frames(), StepParams(where={"density": [0.1]}))
    assert set(rows["method"]) == {"set"}
    assert list(rows[rows["layer"] == "fc1"]["mean"]) == pytest.approx([100 * (80 - s) / 80 for s in range(1, 6)])


def test_points_of_the_trade_off() -> None:
    rows = AccuracyVsDensity.frame(frames(), TradeOffParams())
    mean = rows[(rows["setting"] == "10 %") & (rows["what"] == "mean")].iloc[0]
    assert (mean["density"], mean["accuracy"], mean["n"]) == pytest.approx((10, 95.5, 2))
    assert mean["accuracy_std"] == pytest.approx(math.sqrt(0.5))
    assert list(rows[(rows["setting"] == "10 %") & (rows["what"] == "run")]["seed"]) == [0, 2]


def test_colours_do_not_depend_on_the_other_methods() -> None:
    every = style.looks(AccuracyVsDensity.frame(frames(), TradeOffParams()))
    alone = style.looks(AccuracyVsDensity.frame(frames(), TradeOffParams(where={"method": ["set"]})))
    assert every["set", "10 %"].colour == alone["set", "10 %"].colour == style.look("set", "").colour
    assert every["dense", ""].colour == "#000000"
    assert alone["set", "10 %"].stroke != alone["set", "5 %"].stroke


def test_axis_ends_a_little_above_the_best() -> None:
    params = TradeOffParams(least=93.0)
    frame = AccuracyVsDensity.frame(frames(), params)
    drawn = AccuracyVsDensity.figure(frame, params)
    top = (frame["accuracy"] + frame["accuracy_std"].fillna(0)).max()
    assert drawn.axes[0].get_ylim()[1] == pytest.approx(top + 0.05 * (top - 93))


def test_published_numbers_are_those_of_the_methods_asked_for() -> None:
    found = small.frames(small.run("dst", 0, 0.97, density=0.1, dataset="mnist", model="lenet-300-100"))

    def shown(**where: list[str]) -> set[str]:
        frame = AccuracyVsDensity.frame(found, TradeOffParams(where=where, published=["snip/Table 1"]))
        return set(frame.loc[frame["what"] == "published", "method"])

    assert {"snip", "dns", "lc"} <= shown()
    assert shown(method=["dst", "snip"]) == {"snip"}


def test_lines_of_a_method_are_told_apart_where_its_cells_differ() -> None:
    params = TradeOffParams(lines=("density",))
    frame = AccuracyVsDensity.frame(frames(), params)
    assert set(frame.loc[frame["method"] == "set", "line"]) == {"10 %", "5 %"}
    assert set(frame.loc[frame["method"] == "dense", "line"]) == {""}
    drawn = AccuracyVsDensity.figure(frame, params)
    assert {"SET, 10 %", "SET, 5 %", "dense"} <= {text.get_text() for text in drawn.legends[0].get_texts()}


def test_a_method_nobody_listed_has_a_lasting_look() -> None:
    assert style.look("a-new-method", "") == (style.SKY, "P", "left", style.DOTTED, "")


def test_axis_of_the_accuracy_begins_where_asked() -> None:
    params = TradeOffParams(least=93.0)
    drawn = AccuracyVsDensity.figure(AccuracyVsDensity.frame(frames(), params), params)
    assert [axes.get_ylim()[0] for axes in drawn.axes] == [93.0] * len(drawn.axes)


@pytest.mark.parametrize("colour", [*style.COLOURS, "#000000"])
def test_colours_stand_out_on_white(colour: str) -> None:
    red, green, blue = ((c / 12.92) if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour))
    assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) > 2.2


# these runs have no tricks; what gains are drawn of is in tests/unit/tables/test_gains.py
@pytest.mark.parametrize("builder", [plot for plot in PLOTS if not plot.startswith("gains-")])
def test_every_plot_is_drawn_and_says_which_seeds_are_missing(tmp_path: Path, builder: str) -> None:
    files = drawing.item(compared(), figure(builder), tmp_path, "paper/x")
    assert [path.suffix for path in files] == list(drawing.SUFFIXES["figure"])
    ET.parse(tmp_path / "paper/x.svg")
    assert (tmp_path / "paper/x.pdf").read_bytes().startswith(b"%PDF")
    assert len((tmp_path / "paper/x.csv").read_text().splitlines()) > 3
    assert "s1 diverged" in (tmp_path / "paper/x.svg").read_text()  # text is drawn as paths, its source as a comment


@pytest.mark.parametrize("rows", ["other", "missing"])
@pytest.mark.parametrize("builder", PLOTS)
def test_every_plot_says_that_there_is_nothing(tmp_path: Path, builder: str, rows: str) -> None:
    lost = [small.run("set", seed, None, "missing", density=0.1) for seed in range(3)]
    shown = small.frames(*(small.OTHER if rows == "other" else lost))
    drawing.item(Frames(shown.runs, shown.history.iloc[:0]), figure(builder), tmp_path, "x")
    assert drawing.NOTHING in (tmp_path / "x.svg").read_text()
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 1


def test_finished_runs_without_what_is_drawn_are_not_called_unfinished(tmp_path: Path) -> None:
    runs = [small.run("set", seed, 0.9 if seed else None, "finished" if seed else "missing", density=0.1)
            for seed in range(3)]  # fmt: skip
    drawing.item(small.frames(*runs), figure("criteria-jaccard"), tmp_path, "x")
    text = (tmp_path / "x.svg").read_text()
    assert drawing.NOTHING not in text
    assert "2 of 3 runs have finished, but hold" in text


@pytest.mark.parametrize("builder", first_of(PLOTS, 6))
def test_equal_frames_are_equal_bytes(tmp_path: Path, builder: str) -> None:
    before = dict(matplotlib.rcParams)
    first, second = (drawing.item(compared(), figure(builder), tmp_path / name, "x") for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert dict(matplotlib.rcParams) == before


def test_one_seed_and_one_layer_panel(tmp_path: Path) -> None:
    shown = small.frames(small.run("dst", 0, 0.9))
    for builder in set(PLOTS) - {
        "accuracy-vs-flops",
        "criteria-jaccard",
        "critical-difference",
        "mask-overlap",
    }:  # these need several, or more
        assert drawing.item(shown, figure(builder), tmp_path, builder)[2].stat().st_size > 5000


@pytest.mark.parametrize("paper", ["quickstart", "dst", "fantastic-weights", "masks", "sparse-momentum", "snip"])
def test_papers_name_builders_and_parameters_that_exist(paper: str) -> None:
    items = load_paper(paper, Path(__file__).parents[3] / "config").items
    assert {item.kind for item in items.values()} == {"table", "figure"}
    for item in items.values():
        kind = registry.plots if item.kind == "figure" else registry.tables
        assert kind[item.builder].params.model_validate(item.params)


def test_lines_run_along_the_density() -> None:
    cells = {1e-3: (0.02, 0.95), 1e-4: (0.3, 0.98), 5e-4: (0.015, 0.94), 2e-4: (0.1, 0.97)}
    swept = [small.run("dst", 0, accuracy, **{"method_params.alpha": alpha, "last.density": density})
             for alpha, (density, accuracy) in cells.items()]  # fmt: skip
    drawn = AccuracyVsDensity.figure(AccuracyVsDensity.frame(small.frames(*swept), TradeOffParams()), TradeOffParams())
    (line,) = (line for line in drawn.axes[0].lines if line.get_marker() == "o" and len(line.get_xdata()))
    assert list(line.get_xdata()) == pytest.approx([1.5, 2, 10, 30])
    assert list(line.get_ydata()) == pytest.approx([94, 95, 97, 98])


def test_cells_of_one_density_are_no_line() -> None:
    twice = [small.run("set", 0, 0.9, density=0.1, **{"method_params.drop": drop}) for drop in ("magnitude", "snip")]
    with pytest.raises(UserError, match="two cells of set on digits, lenet are to have 10 %: choose by `where`"):
        AccuracyVsDensity.frame(small.frames(*twice), TradeOffParams())
    frame = AccuracyVsDensity.frame(small.frames(*twice), TradeOffParams(lines=("method_params.drop",)))
    assert set(frame["line"]) == {"drop magnitude", "drop snip"}


def test_errors_are_on_a_logarithmic_axis_that_ends_where_asked() -> None:
    params = TradeOffParams(scale="error", least=80.0)
    drawn = AccuracyVsDensity.figure(AccuracyVsDensity.frame(frames(), params), params).axes[0]
    assert (drawn.get_yscale(), drawn.get_ylabel()) == ("log", "test error (%), last epoch")
    assert drawn.get_ylim() == pytest.approx(((3 - 1) / 1.15, 20))  # dense: 2, 3 and 4 %, a deviation of 1


def test_names_are_labels_and_frames_keep_slugs() -> None:
    assert names.network("fashion-mnist", "lenet-300-100", several=True) == "Fashion-MNIST, LeNet-300-100"
    assert treatment("each-sign-equal") == "SET (equal counts)"
    assert treatment("sparse-momentum") == "sparse momentum"
    assert names.cell("dst", "alpha 4e-05") == "DST, alpha 4e-5"
    assert names.cell("one-shot", "1 %, from method dense") == "one-shot, 1 %, from dense"
    assert names.words("20 %, drop snip, distribution erk").startswith("20 %, prune criterion SNIP, ")
    both = "ghost-skips + label-smoothing"
    assert names.cell("static", f"2 %, tricks {both}") == "static, 2 %, tricks ghost skips + label smoothing"
    assert names.words("random-unfired growth") == "random, unfired growth"
    assert names.tricks("all but ghost-skips (epochs 3)") == "all but ghost skips (epochs 3)"
    assert set(AccuracyVsDensity.frame(frames(), TradeOffParams())["method"]) == {"dense", "set"}
