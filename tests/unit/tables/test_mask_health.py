"""Effective densities and collapsed layers in tables, figures, frames and `explain`; numbers worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from dst_repro.cli import drawing
from dst_repro.cli.listing import explain
from dst_repro.errors import UserError
from dst_repro.plan.grid import Item, load_suite
from dst_repro.plots.mask_health import MaskHealth
from dst_repro.plots.mask_health import MaskHealthParams as PlotParams
from dst_repro.records import record
from dst_repro.records.frames import Frames, aggregate
from dst_repro.records.record import LayerCount, Metrics, Record, Selection
from dst_repro.tables.mask_health import MaskHealthParams, mask_health
from dst_repro.training.history import History
from tests import small

SIZES = {"fc1": 80, "fc2": 20}


def run(method: str, seed: int, kept: list[int], effective: list[int] | None, **fields: Any) -> dict[str, object]:
    """A finished run of fc1 (80 weights) and fc2 (20)."""
    layers: list[dict[str, object]] = [
        {"name": name, "shape": [size], "numel": size, "kept": n}
        for (name, size), n in zip(SIZES.items(), kept, strict=True)
    ]
    for layer, n in zip(layers, effective or [], strict=False):
        layer["effective"] = n
    row: dict[str, object] = small.run(method, seed, 0.9 + 0.01 * seed, **fields)
    return row | {"layers": json.dumps(layers)}


def shown(*rows: dict[str, object]) -> Frames:
    found: Frames = small.frames(*rows)
    return found


SET = (
    run("set", 0, [8, 2], [4, 1], density=0.1),
    run("set", 1, [8, 2], [8, 0], density=0.1),
    small.run("set", 2, None, "diverged", density=0.1),
)


def texts(frames: Frames, **params: Any) -> dict[tuple[str, ...], list[str]]:
    table = mask_health(frames, MaskHealthParams(**params))
    return dict(zip(table.labels, table.texts, strict=True))


def test_a_row_of_the_table() -> None:
    # effective 5 and 8 of 100: mean 6.5, variance 2 * 1.5**2; accuracies 90 and 91, variance 2 * 0.5**2
    seeds = "(2 of 3; s2 diverged)"
    assert texts(shown(*SET)) == {
        ("lenet", "SET", "10 %"): [
            f"10.00 ± 0.00 {seeds}", f"6.50 ± 2.12 {seeds}", "fc1", f"10.00 ± 0.00 {seeds}", "fc2 (1 of 2)",
            f"90.50 ± 0.71 {seeds}",
        ]
    }  # fmt: skip


def test_the_smallest_layer_is_that_of_the_mean() -> None:
    # fc1: 10 and 40 of 80, mean 31.25 %; fc2: 8 and 4 of 20, mean 30 %
    rows = run("dst", 0, [10, 8], [10, 8]), run("dst", 1, [40, 4], [40, 4])
    [found] = texts(shown(*rows)).values()
    assert found[2:5] == ["fc2", "30.00 ± 14.14 (2)", "none"]


def test_old_records_say_so() -> None:
    [found] = texts(shown(run("set", 0, [8, 2], None, density=0.1))).values()
    assert found == ["10.00 (1)", "not recorded", "fc1", "10.00 (1)", "not recorded", "90.00 (1)"]
    some = shown(run("set", 0, [8, 2], None, density=0.1), run("set", 1, [8, 2], [8, 2], density=0.1))
    [found] = texts(some).values()
    assert (found[1], found[4]) == ("10.00 (1 of 2; s0 not recorded)", "none")


def test_without_a_finished_run() -> None:
    lost = [small.run("set", seed, None, "missing", density=0.1) for seed in range(2)]
    [found] = texts(shown(*lost)).values()
    nothing = "— (0 of 2; all missing)"
    assert found == [nothing, nothing, "", nothing, nothing, nothing]


def test_many_collapsed_layers_are_counted_and_all_in_the_csv() -> None:
    layers = [{"name": f"c{n}", "shape": [9], "numel": 9, "kept": 1, "effective": 0} for n in range(6)]
    table = mask_health(shown(small.run("dst", 0, 0.1) | {"layers": json.dumps(layers)}), MaskHealthParams())
    assert table.texts[0][4] == "c0 (1 of 1), c1 (1 of 1), c2 (1 of 1), c3 (1 of 1), and 2 more"
    lost = table.long[table.long["metric"] == "collapsed"]
    assert list(lost["layer"]) == [f"c{n}" for n in range(6)]


def test_cells_that_share_a_row_are_an_error() -> None:
    with pytest.raises(UserError, match=r"two cells share the row \('SET',\)"):
        texts(shown(*SET, run("set", 0, [4, 1], None, density=0.05)), rows=("method",))


def test_frame_of_the_figure() -> None:
    frame = MaskHealth.frame(shown(*SET, run("dense", 0, [80, 20], [80, 20])), PlotParams())
    assert list(frame["method"].unique()) == ["set"]  # of dense layers there is nothing to see
    fc1, fc2 = frame.to_dict("records")
    assert (fc1["layer"], fc1["kept"], fc1["effective"]) == ("fc1", 10, 7.5)  # 4 and 8 of 80
    assert fc1["effective_std"] == pytest.approx(math.sqrt(2 * 2.5**2))
    assert (fc2["layer"], fc2["kept"], fc2["effective"]) == ("fc2", 10, 2.5)
    assert [fc1[key] for key in ("n", "recorded", "collapsed", "planned")] == [2, 2, 0, 3]
    assert [fc2[key] for key in ("n", "recorded", "collapsed", "planned")] == [2, 2, 1, 3]


def test_the_figure_is_of_one_target_density_and_of_methods_without() -> None:
    more = run("set", 0, [4, 1], None, density=0.05), run("dst", 0, [8, 2], None)
    frame = MaskHealth.frame(shown(*SET, *more), PlotParams(density=0.05))
    assert list(frame[["method", "setting"]].drop_duplicates().itertuples(index=False, name=None)) == [
        ("dst", ""), ("set", "5 %"),
    ]  # fmt: skip
    assert frame["effective"].isna().all()
    assert (frame["recorded"] == 0).all()


def drawn(folder: Path, *rows: dict[str, object], **params: Any) -> str:
    item = Item(kind="figure", builder="mask-health", experiments=["e"], title="T", caption="C", params=params)
    drawing.item(shown(*rows), item, folder, "x")
    return (folder / "x.svg").read_text()


@pytest.mark.parametrize("log", [True, False])
def test_the_figure_says_what_was_not_recorded(tmp_path: Path, log: bool) -> None:
    assert "effective: not recorded" in drawn(tmp_path, run("set", 0, [8, 2], None), log=log)
    some = run("set", 0, [8, 2], None), run("set", 1, [8, 2], [8, 2])
    assert "effective: recorded for 1 of 2 seeds" in drawn(tmp_path, *some, log=log)
    assert "recorded for" not in drawn(tmp_path, run("set", 0, [8, 2], [8, 2]), log=log)


def test_collapsed_layers_are_marked(tmp_path: Path) -> None:
    assert "collapsed in some seed" in drawn(tmp_path, *SET)
    assert "collapsed in some seed" not in drawn(tmp_path, run("set", 0, [8, 2], [8, 2]))
    assert "collapsed in some seed" in drawn(tmp_path, run("set", 0, [0, 0], [0, 0]))


SUITE = """
suite: small
title: Small
on_source_change: keep
experiments: [one]
"""
ONE = """
experiment: one
title: One
base: {dataset: digits, model: lenet-300-100, learning_rate: 0.1, epochs: 1}
blocks:
  - set: {method: set, density: 0.1}
    sweep: {seed: [0, 1, 2, 3]}
"""


def test_aggregate_and_explain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed 0 has counted its paths, seed 1 has lost a layer, seed 2 has an old record, seed 3 none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/experiments").mkdir(parents=True)
    (tmp_path / "config/config.yaml").write_text(SUITE)
    (tmp_path / "config/experiments/one.yaml").write_text(ONE)
    suite = load_suite(Path("config/config.yaml"))
    runs = sorted(suite.runs.values(), key=lambda run: run.seed)
    counted: list[list[int | None]] = [[6, 2], [5, 0], [None, None]]
    for run, effective in zip(runs, counted, strict=False):
        layers = tuple(
            LayerCount(name=name, shape=(size,), numel=size, kept=size // 10, effective=n)
            for (name, size), n in zip(SIZES.items(), effective, strict=True)
        )
        History().write(record.folder(Path("results"), run.id) / "history.parquet")
        record.write(_record(run.id, run.cell, run.full(), layers), Path("results"))
    frame = aggregate(suite, Path("results")).runs.set_index("seed")
    assert frame["effective"].tolist()[:2] == [8, 5]
    assert frame["collapsed"].tolist()[:2] == [0, 1]
    assert frame.loc[[2, 3], ["effective", "collapsed"]].isna().all(axis=None)
    told = ["\n".join(explain(suite, run)) for run in runs]
    assert "2 of         20 kept (10.00 %),          2 effective (10.00 %)" in told[0]
    assert "collapsed:   no layer" in told[0]
    assert "collapsed:   fc2" in told[1]
    assert "effective" not in told[2]
    assert "collapsed:   not recorded" in told[2]
    assert "collapsed" not in told[3]


def _record(run: str, cell: str, config: dict[str, Any], layers: tuple[LayerCount, ...]) -> Record:
    epoch = Metrics(
        epoch=1, density=0.1, test_accuracy=0.5, validation_accuracy=None, train_loss=1.0, test_loss=1.0
    )  # fmt: skip
    metrics = Selection(last=epoch, best_on_validation=None, best_on_test=epoch)
    return Record(
        id=run, cell=cell, status="finished", reason=None, config=config, fingerprint="0" * 16, data=None,
        parameters=110, metrics=metrics, layers=layers, mask_sha256="c", events={},
    )  # fmt: skip


def test_records_without_the_count_are_read(tmp_path: Path) -> None:
    old = LayerCount.model_validate({"name": "fc1", "shape": [2, 5], "numel": 10, "kept": 1})
    assert old.effective is None
    assert _record("r", "c", {}, (old,)).effective is None
    assert _record("r", "c", {}, (old,)).collapsed is None
    assert _record("r", "c", {}, ()).collapsed is None
