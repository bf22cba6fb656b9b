"""Records of other source: taken for today's just where training again gives the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dst_repro import cli
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.plan.grid import Suite, load_suite
from dst_repro.records import record
from dst_repro.training import steps
from dst_repro.training.confirm import _kind, difference, stale_groups
from dst_repro.training.history import History
from dst_repro.training.run import train
from tests.conftest import RunFactory

EXPERIMENT = {
    "experiment": "tiny",
    "title": "Three methods",
    "base": {"dataset": "digits", "dataset_params": {"size": 8}, "model": "lenet-300-100", "learning_rate": 0.05},
    "sweep": {"seed": [0, 1]},
    "blocks": [
        {"set": {"method": "dense", "epochs": 3}},
        {"set": {"method": "static", "density": 0.1, "epochs": 3}},
        {"set": {"method": "static", "density": 0.1, "epochs": 2, "method_params.distribution": "uniform"}},
        {"set": {"method": "static", "density": 0.2, "epochs": 2}},
    ],
}


@pytest.fixture
def config(tmp_path: Path, results: Path) -> Path:
    (tmp_path / "config" / "experiments").mkdir(parents=True)
    (tmp_path / "config" / "experiments" / "tiny.yaml").write_text(yaml.safe_dump(EXPERIMENT))
    suite = {"suite": "tiny", "title": "Tiny", "experiments": ["tiny"], "results_dir": str(results)}
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(suite | {"config_dir": str(tmp_path / "config")}))
    return path


@pytest.fixture
def suite(config: Path, results: Path) -> Suite:
    """All runs trained, by other source as their records say."""
    suite = load_suite(config)
    for run in suite.runs.values():
        record.write(train(run, results).model_copy(update={"fingerprint": "0" * 16}), results)
    return suite


def stale(suite: Suite, results: Path) -> list[str]:
    return [
        run.id
        for run in suite.runs.values()
        if (found := record.read(results, run.id)) and found.fingerprint != fingerprint(run)
    ]


def test_a_group_has_one_source_and_the_same_settings_but_for_numbers(suite: Suite, results: Path) -> None:
    groups = stale_groups(suite, results)
    assert [(g[0].method, g[0].method_params, g[0].epochs, len(g)) for g in groups] == [
        ("dense", {}, 3, 2),
        ("static", {}, 2, 4),
        ("static", {"distribution": "uniform"}, 2, 2),
    ]


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"learning_rate": 0.1}, True),
        ({"weight_decay": 1e-4}, False),
        ({"validation": 0.1}, False),
        ({"optimizer_params": {"nesterov": True}}, False),
        ({"step_history": 5}, False),
        ({"weights_from": {"method": "dense"}}, False),
    ],
)
def test_what_a_kind_is(tiny: RunFactory, fields: dict[str, Any], same: bool) -> None:
    assert (_kind(tiny("static", density=0.1)) == _kind(tiny("static", density=0.2, seed=1, **fields))) == same


def test_rounds_are_of_one_kind(tiny: RunFactory) -> None:
    first = {"method": "imp", "density": 0.5, "mask_from": {"method": "dense"}}
    second = {"method": "imp", "density": 0.25, "mask_from": first}
    assert _kind(tiny(**first)) == _kind(tiny(**second)) == _kind(tiny("imp", density=0.125, mask_from=second))
    other = {"method": "imp", "density": 0.5, "mask_from": {"method": "static", "density": 0.6}}
    assert _kind(tiny(**other)) != _kind(tiny(**first))


def test_equal_runs_are_stale_no_more(
    config: Path, suite: Suite, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(stale(suite, results)) == 8
    before = {run: record.read(results, run) for run in suite.runs}
    assert cli.main(["confirm", "--suite", str(config), "--epochs", "1"]) == 0
    assert len(stale(suite, results)) == 8, "one epoch says nothing of the next"
    assert cli.main(["confirm", "--suite", str(config)]) == 0
    assert capsys.readouterr().out.count("equal, and with it") == 2 * 3
    assert stale(suite, results) == []
    for run, there in before.items():
        now = record.read(results, run)
        assert there is not None
        assert now is not None
        assert now == there.model_copy(update={"fingerprint": fingerprint(suite.runs[run]), "sha256": now.sha256})
        assert "run" in record.runtime(results, run)["confirmed"]
    assert cli.main(["confirm", "--suite", str(config)]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("step", [1, 45])
def test_a_difference_is_named_and_stays_stale(
    config: Path, suite: Suite, results: Path, monkeypatch: pytest.MonkeyPatch, step: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The learning rate of one step is larger by a tenth, the second or the last but some."""
    usual = steps.learning_rate
    monkeypatch.setattr(steps, "learning_rate", lambda c, at, n: usual(c, at, n) * (1 + 0.1 * (at == step)))
    assert cli.main(["confirm", "--suite", str(config)]) == 1
    said = capsys.readouterr().out
    assert said.count(" was ") == 3
    assert f"after {23 * (1 + step // 23)} steps was" in said
    assert len(stale(suite, results)) == 8


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [("mask_sha256", "0" * 64, "final mask"), ("layers", (), "layers"), ("metrics", "other", "metrics")],
)
def test_what_the_record_says_counts_where_all_epochs_are_trained(
    suite: Suite, results: Path, field: str, value: object, what: str
) -> None:
    run = next(run for run in suite.runs.values() if run.method == "static" and run.epochs == 2)
    assert difference(run, results) is None
    there = record.read(results, run.id)
    assert there is not None
    assert there.metrics is not None
    if value == "other":
        value = there.metrics.model_copy(update={"best_on_test": None})
    record.write(there.model_copy(update={field: value}), results)
    assert difference(run, results, 1) is None
    assert difference(run, results, 2) == f"the record has another {what}"


def test_a_history_without_rows_is_no_agreement(suite: Suite, results: Path) -> None:
    run = next(iter(suite.runs.values()))
    History([]).write(record.folder(results, run.id) / "history.parquet")
    record.accept(results, run.id)
    assert "was None and is" in (difference(run, results) or "")
