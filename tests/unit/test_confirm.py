"""Records of other source: taken for today's just where training again gives the same bits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from dst_repro import cli, record
from dst_repro.confirm import difference, stale_groups
from dst_repro.files import write_json
from dst_repro.fingerprint import fingerprint
from dst_repro.grid import Suite, load_suite
from dst_repro.training import loop
from dst_repro.training.run import train

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


def test_a_group_has_one_source_and_the_same_words(suite: Suite, results: Path) -> None:
    groups = stale_groups(suite, results)
    assert [(g[0].method, g[0].method_params, g[0].epochs, len(g)) for g in groups] == [
        ("dense", {}, 3, 2),
        ("static", {}, 2, 4),
        ("static", {"distribution": "uniform"}, 2, 2),
    ]


def test_equal_runs_are_stale_no_more(
    config: Path, suite: Suite, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(stale(suite, results)) == 8
    before = {run: record.read(results, run) for run in suite.runs}
    assert cli.main(["confirm", "--suite", str(config)]) == 0
    assert capsys.readouterr().out.count("equal, and with it") == 3
    assert stale(suite, results) == []
    for run, there in before.items():
        now = record.read(results, run)
        assert there is not None
        assert now == there.model_copy(update={"fingerprint": fingerprint(suite.runs[run])})
        assert record.runtime(results, run)["confirmed"]["epochs"] == 2
    assert cli.main(["confirm", "--suite", str(config)]) == 0
    assert capsys.readouterr().out == ""


def test_a_difference_is_named_and_stays_stale(
    config: Path, suite: Suite, results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The learning rate of the second step is larger by a tenth."""
    usual = loop.learning_rate
    monkeypatch.setattr(loop, "learning_rate", lambda c, step, n: usual(c, step, n) * (1 + 0.1 * (step == 1)))
    assert cli.main(["confirm", "--suite", str(config), "--epochs", "1"]) == 1
    assert "train_loss of the network after 23 steps was" in capsys.readouterr().out
    assert len(stale(suite, results)) == 8


def test_the_final_mask_counts_where_all_epochs_are_trained(suite: Suite, results: Path) -> None:
    run = next(run for run in suite.runs.values() if run.method == "static" and run.epochs == 2)
    assert difference(run, results, 5) is None
    path = record.folder(results, run.id) / "record.json"
    write_json(path, json.loads(path.read_text()) | {"mask_sha256": "0" * 64})
    assert difference(run, results, 1) is None
    assert difference(run, results, 2) == "the final mask is another"
