"""Published points, end values and bars beside ours: which numbers stand beside which cells."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from matplotlib.colors import to_hex

from dst_repro.cli import drawing
from dst_repro.errors import ConfigError, UserError
from dst_repro.plan.grid import Item
from dst_repro.plots.accuracy_vs_density import AccuracyVsDensity, TradeOffParams
from dst_repro.plots.against_parameter import AgainstParameter, AgainstParams
from dst_repro.plots.layer_bars import PUBLISHED, LayerBars
from dst_repro.plots.layer_remaining_ratio import LayerParams, LayerRemainingRatio
from dst_repro.plots.sparsity_over_epochs import SparsityOverEpochs, SparsityParams
from dst_repro.records.frames import Frames
from dst_repro.tables.cells import Beside
from tests import small

NAMES = ("conv1", "conv2", "fc1")
ALPHA = "method_params.alpha"


def run(method: str, seed: int, accuracy: float | None, status: str = "finished", **fields: Any) -> dict[str, Any]:
    return small.run(method, seed, accuracy, status, dataset="cifar10", model="vgg-16", **fields)


def frames(*rows: dict[str, Any]) -> Frames:
    """Every layer keeps half of its 100 weights after epoch 1, a tenth after epoch 2."""
    runs = small.frames(*rows).runs
    layers = json.dumps([{"name": n, "shape": [100], "numel": 100, "kept": 10} for n in NAMES])
    history = []
    for row in rows:
        for epoch, kept in enumerate((100, 50, 10)):
            history += [(row["id"], epoch, epoch, name, "kept", kept) for name in NAMES]
            values = {"test_accuracy": 0.5 + epoch / 10, "density": kept / 100}
            history += [(row["id"], epoch, epoch, "", name, value) for name, value in values.items()]
    return Frames(runs.assign(layers=layers, numel=300.0), small.pd.DataFrame(history, columns=small.HISTORY))


def swept() -> Frames:
    sparse = [run("dst", s, 0.9 + s / 100, **{ALPHA: a}) for a in (1e-6, 1e-5) for s in (0, 1)]
    return frames(run("dense", 0, 0.95), *sparse, run("dst", 0, None, "missing", **{ALPHA: 1e-4}))


def test_a_curve_over_alpha_and_the_published_one() -> None:
    params = AgainstParams(parameter=ALPHA, published=("dst/Fig. 3(a)", "dst/Fig. 3(b)"))
    rows = AgainstParameter.frame(swept(), params)
    ours = rows[(rows["source"] == "ours") & (rows["metric"] == "test_accuracy")]
    assert list(zip(ours["method"], ours["x"], strict=True))[1:] == [("dst", 1e-6), ("dst", 1e-5)]
    assert math.isnan(ours["x"].iloc[0])  # dense has no alpha
    assert ours["mean"].tolist() == pytest.approx([95, 90.5, 90.5])
    assert ours["std"].iloc[1] == pytest.approx(math.sqrt(0.5))
    printed = rows[rows["source"] == "published"]
    assert set(printed["model"]) == {"vgg-16"}  # no run of Fig. 3(b)'s net
    at = printed[printed["x"] == 5e-6].set_index("metric")["mean"]
    assert at.to_dict() == {"test_accuracy": 93.93, "density": 8.8}
    assert len(printed) == 34


def test_published_marks_are_hollow_and_of_our_colour() -> None:
    params = AgainstParams(parameter=ALPHA, published=("dst/Fig. 3(a)",))
    figure = AgainstParameter.figure(AgainstParameter.frame(swept(), params), params)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["dense", "DST", "DST, published"]
    _, ours, printed = figure.legends[0].get_lines()
    assert to_hex(ours.get_color()) == to_hex(printed.get_color())
    assert to_hex(printed.get_markerfacecolor()) == "#ffffff" != to_hex(ours.get_markerfacecolor())


def test_a_parameter_must_tell_cells_apart_and_be_a_number() -> None:
    rows = [run("dst", 0, 0.9, **{ALPHA: 1e-5, "fidelity": f}) for f in ("paper", "released")]
    with pytest.raises(UserError, match=f"two cells have one {ALPHA}"):
        AgainstParameter.frame(frames(*rows), AgainstParams(parameter=ALPHA))
    with pytest.raises(UserError, match="fidelity is 'paper', which is no number"):
        AgainstParameter.frame(frames(*rows), AgainstParams(parameter="fidelity"))


def test_published_points_of_a_trade_off() -> None:
    rows = AccuracyVsDensity.frame(swept(), TradeOffParams(published=("dst/Table 2",)))
    printed = rows[rows["what"] == "published"].set_index(["method", "density"])["accuracy"]
    assert printed.to_dict() == {
        ("sparse-momentum", 10.0): 93.36, ("sparse-momentum", 5.0): 93.0, ("dst", 8.82): 93.93, ("dst", 3.76): 93.02,
    }  # fmt: skip


def test_end_values_stand_at_the_last_epoch_of_their_layer() -> None:
    only = frames(run("dense", 0, 0.95), run("dst", 0, 0.9))
    params = LayerParams(published=("dst/Fig. 5(a)",), layers=("conv2", "fc1"))
    rows = LayerRemainingRatio.frame(only, params)
    assert set(rows["layer"]) == {"conv2", "fc1"}
    known = rows.dropna(subset="published").set_index(["layer", "epoch"])
    assert known["published"].to_dict() == {("conv2", 2): 16.5, ("fc1", 2): 1.9}
    assert known["mean"].tolist() == pytest.approx([10, 10])
    with pytest.raises(UserError, match="layers: no layer 'conv9'"):
        LayerRemainingRatio.frame(only, LayerParams(layers=("conv9",)))


def test_dense_and_sparse_curves_have_their_own_end_values() -> None:
    rows = SparsityOverEpochs.frame(
        frames(run("dense", 0, 0.95), run("dst", 0, 0.9)), SparsityParams(published=("dst/Fig. 5(b)",))
    )
    known = rows.dropna(subset="published").set_index(["method", "metric", "epoch"])["published"]
    assert known.to_dict() == {
        ("dst", "density", 2): 8.6, ("dst", "test_accuracy", 2): 93.9, ("dense", "test_accuracy", 2): 93.7,
    }  # fmt: skip


def test_items_and_sparse_cells_go_in_pairs_finished_or_not() -> None:
    three = Beside(published=("dst/Fig. 7(c)", "dst/Fig. 7(b)", "dst/Fig. 7(a)"))
    rows = LayerBars.frame(swept(), three).set_index(["setting", "layer"])
    assert rows.loc[("alpha 1e-06", "conv1"), "published"] == 57.7  # (c) is beside the first, (b) beside the second
    assert rows.loc[("alpha 1e-05", "conv1"), "published"] == 56.8
    assert len(rows) == 6  # 1e-4, beside (a), is not finished
    with pytest.raises(UserError, match="published: 1 items for 3 sparse cells; there must be as many"):
        LayerBars.frame(swept(), Beside(published=("dst/Fig. 7(a)",)))
    with pytest.raises(ConfigError, match=r"no published item 'dst/Fig\. 7'"):
        LayerBars.frame(swept(), Beside(published=("dst/Fig. 7",) * 3))


def test_bars_are_hatched_beside_ours() -> None:
    params = Beside(published=("dst/Fig. 7(c)", "dst/Fig. 7(b)", "dst/Fig. 7(a)"))
    figure = LayerBars.figure(LayerBars.frame(swept(), params), params)
    assert len(figure.axes) == 2
    bars = [patch for patch in figure.axes[0].patches if patch.get_height() > 0]
    assert [round(bar.get_height(), 1) for bar in bars] == [10, 10, 10, 57.7, 20.7, 4.7]
    assert [bar.get_hatch() for bar in bars] == [None] * 3 + [PUBLISHED["hatch"]] * 3
    assert to_hex(bars[3].get_edgecolor()) == to_hex(bars[0].get_facecolor())


@pytest.mark.parametrize(
    ("builder", "params"),
    [
        ("against-parameter", {"parameter": ALPHA, "published": ["dst/Fig. 3(a)"]}),
        ("accuracy-vs-density", {"published": ["dst/Table 2"], "selection": "sparsest"}),
        ("layer-bars", {"published": ["dst/Fig. 7(c)", "dst/Fig. 7(b)", "dst/Fig. 7(a)"]}),
        ("layer-remaining-ratio", {"published": ["dst/Fig. 7(c)", "dst/Fig. 7(b)", "dst/Fig. 7(a)"]}),
        ("sparsity-over-epochs", {"published": ["dst/Fig. 5(b)"], "where": {ALPHA: [1e-6]}}),
    ],
)
def test_all_are_drawn(tmp_path: Path, builder: str, params: dict[str, Any]) -> None:
    item = Item(kind="figure", builder=builder, experiments=["e"], title="T", caption="C", params=params)
    files = drawing.item(swept(), item, tmp_path, "x")
    assert all(path.stat().st_size > 500 for path in files)
