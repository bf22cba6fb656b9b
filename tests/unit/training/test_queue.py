"""A queue trains what is missing, in order, stops when the time is up, and goes on from there to the same bits."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from dst_repro import cli
from dst_repro.errors import UserError
from dst_repro.plan.grid import Suite, load_suite
from dst_repro.records import record
from dst_repro.training.queue import Queue, seconds_left, waiting

BASE = {"dataset": "digits", "dataset_params": {"size": 8}, "model": "lenet-300-100", "learning_rate": 0.05}


def suite(folder: Path, *blocks: dict[str, Any], **base: Any) -> Suite:
    (folder / "config/experiments").mkdir(parents=True, exist_ok=True)
    grid = {"experiment": "e", "title": "E", "base": BASE | base, "blocks": list(blocks)}
    (folder / "config/experiments/e.yaml").write_text(json.dumps(grid))
    named = {"suite": "q", "title": "Q", "experiments": ["e"], "config_dir": str(folder / "config")}
    (folder / "q.yaml").write_text(json.dumps(named | {"results_dir": str(folder / "results")}))
    return load_suite(folder / "q.yaml")


def block(seed: int, **fields: Any) -> dict[str, Any]:
    return {"set": {"method": "dense", "seed": seed} | fields}


def files(results: Path) -> dict[str, bytes]:
    return {f"{p.parent.name}/{p.name}": p.read_bytes() for p in results.glob("runs/*/*") if p.name != "runtime.json"}


def test_missing_runs_in_the_order_of_the_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = suite(tmp_path, block(2), block(0), block(1), epochs=1)
    assert [run.seed for run in waiting(found, tmp_path / "results")] == [2, 0, 1]
    assert cli.main(["queue", str(tmp_path / "q.yaml"), "--hours", "1"]) == 0
    plan, fits, *said = capfd.readouterr().out.splitlines()
    assert plan.startswith("q: 3 runs to train, 1 at a time, ")
    assert fits == "q: in 1 h 0 min all of them"
    assert [line.split("  ")[1] for line in said[:-1]] == ["started", "finished"] * 3
    assert [line.split("-s")[1][0] for line in said[:-1:2]] == ["2", "0", "1"]
    assert said[-1] == "q: 3 finished"
    assert cli.main(["queue", str(tmp_path / "q.yaml")]) == 0
    assert capfd.readouterr().out.splitlines() == ["q: nothing to train"]


def test_a_parent_comes_first(tmp_path: Path) -> None:
    child = block(0, method="static", density=0.5, weights_from={"method": "dense"})
    found = suite(tmp_path, child, epochs=1)
    assert [run.method for run in waiting(found, tmp_path / "results")] == ["dense", "static"]


@pytest.mark.slow
def test_cut_off_and_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DST_CHECKPOINT_SECONDS", "0")
    for name in ("whole", "cut"):
        (tmp_path / name).mkdir()
    blocks, epochs = [block(0, method="dst", method_params={"alpha": 0.001}), block(1)], 60
    whole, cut = (suite(tmp_path / name, *blocks, epochs=epochs) for name in ("whole", "cut"))
    results = tmp_path / "cut/results"
    lines: list[str] = []
    checkpoint = results / ".checkpoints" / f"{next(iter(cut.runs))}.pt"

    class Impatient(Queue):
        def _collect(self) -> None:
            super()._collect()
            if checkpoint.is_file():  # the first epochs are done: this is when the time is up
                raise TimeoutError

    with pytest.raises(TimeoutError):
        Impatient(cut, results, lines.append).work(600)
    assert lines[-1].endswith("  cut off")
    assert not list(results.glob("runs/*/record.json"))
    assert Queue(cut, results, lines.append).work(600) == {"finished": 2}
    assert record.runtime(results, next(iter(cut.runs)))["resumed_at_epoch"] > 0
    assert Queue(whole, tmp_path / "whole/results", lines.append).work(600, jobs=2) == {"finished": 2}
    assert files(results) == files(tmp_path / "whole/results")


def test_no_time_nothing_trained(tmp_path: Path) -> None:
    found = suite(tmp_path, block(0), block(1), epochs=1)
    assert Queue(found, tmp_path / "results", print).work(0) == {"waiting": 2}


def test_what_fails_is_an_outcome_and_what_cannot_begin_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lines: list[str] = []
    bad = block(0, learning_rate=1.0e12)
    assert Queue(suite(tmp_path, bad, block(1), epochs=1), tmp_path / "results", lines.append).work(600) == {
        "diverged": 1, "finished": 1,
    }  # fmt: skip
    monkeypatch.setenv("DST_DEVICE", "abacus")
    suite(tmp_path, block(2), epochs=1)
    assert cli.main(["queue", str(tmp_path / "q.yaml")]) == 2
    assert "DST_DEVICE is 'abacus'" in capfd.readouterr().err


def test_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seconds_left(None, None) == float("inf")
    assert seconds_left(1.5, None) == 5400
    soon = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 600))
    assert seconds_left(None, soon) == pytest.approx(600, abs=5)
    assert seconds_left(1, soon) == pytest.approx(600, abs=5)
    for hours, until, says in ((0, None, "--hours is 0"), (None, "noon", "--until is 'noon'"),
                               (None, "2020-01-01T00:00", "which is past")):  # fmt: skip
        with pytest.raises(UserError, match=says):
            seconds_left(hours, until)
