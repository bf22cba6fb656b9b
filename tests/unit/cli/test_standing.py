"""Where runs stand: each standing as real files and real processes make it, thousands of them in a few lines."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from dst_repro import cli
from dst_repro.cli.standing import amount, duration, held, left_undone, standings
from dst_repro.plan.grid import Suite, plan
from dst_repro.records import record
from dst_repro.training import parents
from dst_repro.training.parents import lock, provide_states
from dst_repro.training.progress import Progress, noted
from dst_repro.training.run import train
from dst_repro.training.state import state_path

BASE = {"dataset": "digits", "dataset_params": {"size": 8}, "model": "lenet-300-100", "learning_rate": 0.05,
        "epochs": 1}  # fmt: skip
PRUNED = {"method": "one-shot", "density": 0.1, "weights_from": {"method": "dense"}}


def suite_of(folder: Path, blocks: list[dict[str, object]], seeds: int = 1, **more: object) -> Suite:
    """A suite whose files lie in `folder`, also as `folder/suite.yaml`."""
    (folder / "config/experiments").mkdir(parents=True, exist_ok=True)
    experiment = {
        "experiment": "e",
        "title": "E",
        "base": BASE,
        "sweep": {"seed": list(range(seeds))},
        "blocks": blocks,
    }
    (folder / "config/experiments/e.yaml").write_text(yaml.safe_dump(experiment))
    values = {"suite": "s", "title": "S", "experiments": ["e"], "config_dir": str(folder / "config"),
              "results_dir": str(folder / "results"), "figures_dir": str(folder / "figures")} | more  # fmt: skip
    (folder / "suite.yaml").write_text(yaml.safe_dump(values))
    return plan(values)


def status(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[str]]:
    """(exit code, lines)"""
    capsys.readouterr()
    code = cli.main(["status", "--suite", str(folder / "suite.yaml"), *options])
    said = capsys.readouterr()
    assert said.err == ""
    return code, said.out.splitlines()


def only_line(lines: list[str], run: str) -> str:
    (line,) = [line for line in lines if line.startswith(run)]
    return line.removeprefix(run).strip()


def test_nine_thousand_missing_runs_are_few_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = suite_of(tmp_path, [{"set": {"method": "dense"}}], seeds=9_000)
    first = next(iter(suite.runs))
    code, lines = status(tmp_path, capsys)
    assert code == 0
    assert len(lines) == 4
    assert lines[0] == f"{first} and 8,999 more  missing: not trained"
    assert lines[1] == "s: 9,000 missing"
    assert lines[2].startswith("to train: 9,000 runs, about ")
    assert lines[3].startswith("disk space: 0 bytes of records; ")
    assert status(tmp_path, capsys, "--strict")[0] == 1
    code, lines = status(tmp_path, capsys, "--all")
    assert [line.split("  ") for line in lines[:9_000]] == [[run, "missing: not trained"] for run in suite.runs]


def test_where_nothing_is_trained_a_run_may_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite_of(tmp_path, [{"set": {"method": "dense"}}], seeds=5, train=False)
    code, lines = status(tmp_path, capsys, "--strict")
    assert code == 0
    assert lines[1:3] == ["s: 5 missing", "without a record: 5 runs; this suite trains nothing"]
    suite = suite_of(tmp_path, [{"set": {"method": "dense"}}], train=False)
    path = record.folder(tmp_path / "results", next(iter(suite.runs))) / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text("no record")
    assert status(tmp_path, capsys, "--strict")[0] == 1


def test_every_standing_has_a_line_and_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks: list[dict[str, object]] = [{"set": {"method": "dense", "epochs": n}} for n in (1, 2, 3, 5, 6, 7)]
    blocks.insert(3, {"set": {"method": "dense", "learning_rate": 1e30}})
    suite = suite_of(tmp_path, blocks)
    results = tmp_path / "results"
    finished, edited, unreadable, diverged, failed, stale, no_history = suite.runs.values()
    made = {run.id: train(run, results) for run in suite.runs.values()}
    path = {run: record.folder(results, run) / "record.json" for run in suite.runs}
    path[edited.id].write_text(path[edited.id].read_text().replace('"status": "finished"', '"status": "diverged"'))
    path[unreadable.id].write_bytes(b"\0" * 100)
    broken = made[failed.id].model_copy(update={"status": "failed", "metrics": None, "reason": "ValueError: no room"})
    record.write(broken, results)
    record.write(made[stale.id].model_copy(update={"fingerprint": "0" * 16}), results)
    (path[no_history.id].with_name("history.parquet")).write_bytes(b"x")

    code, lines = status(tmp_path, capsys)
    assert code == 0
    assert only_line(lines, edited.id).startswith("broken: ")
    assert "metrics" in only_line(lines, edited.id)
    assert only_line(lines, unreadable.id).startswith("broken: not a record (")
    assert only_line(lines, unreadable.id).endswith("remove its folder, and the run is trained again")
    assert only_line(lines, diverged.id).startswith("diverged: the loss became ")
    assert only_line(lines, failed.id) == "failed: ValueError: no room"
    commit = record.runtime(results, stale.id)["commit"]
    assert only_line(lines, stale.id) == f"finished (stale): trained at commit {commit}"
    assert only_line(lines, no_history.id) == f"broken: its history is missing or damaged; {record.REMEDY}"
    assert not any(line.startswith(finished.id) for line in lines)
    assert lines[6] == "s: 3 broken, 1 diverged, 1 failed, 2 finished; 1 of them stale"
    assert left_undone(standings(suite)) == 4  # broken and failed
    assert only_line(status(tmp_path, capsys, "--all")[1], finished.id) == "finished"
    assert status(tmp_path, capsys, "--strict")[0] == 1

    folder = path[edited.id].parent
    shutil.rmtree(folder)
    path[edited.id].mkdir(parents=True)  # a folder in the place of the record
    said = only_line(status(tmp_path, capsys)[1], edited.id)
    assert said == f"broken: not a record (Is a directory); {record.REMEDY}"
    shutil.rmtree(folder)
    folder.touch()  # and a file in that of the run's folder
    assert only_line(status(tmp_path, capsys)[1], edited.id) == "missing: not trained"

    _, lines = status(tmp_path, capsys, "--retry")
    assert lines[0] == f"{failed.id}  removed"
    assert not path[failed.id].parent.exists()


def test_an_edited_record_is_told_as_everywhere_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = suite_of(tmp_path, [{"set": {"method": "dense"}}])
    (run,) = suite.runs.values()
    train(run, tmp_path / "results")
    path = record.folder(tmp_path / "results", run.id) / "record.json"
    content = json.loads(path.read_text())
    content["metrics"]["last"]["test_loss"] += 1.0
    path.write_text(json.dumps(content))
    _, lines = status(tmp_path, capsys)
    assert only_line(lines, run.id) == f"broken: was changed since it was written; {record.ACCEPT}"


def test_reasons_that_differ_in_numbers_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = suite_of(tmp_path, [{"set": {"method": "dense"}}], seeds=5)
    runs = list(suite.runs.values())
    made = train(runs[0], tmp_path / "results")
    for n, run in enumerate(runs):
        if n:
            own = record.folder(tmp_path / "results", run.id)
            shutil.copytree(record.folder(tmp_path / "results", runs[0].id), own)
        fields = {"id": run.id, "config": run.full(), "status": "diverged", "metrics": None}
        why = f"the loss became {('nan', 'inf')[n % 2]} at step {7 + n}"
        record.write(made.model_copy(update=fields | {"reason": why}), tmp_path / "results")
    _, lines = status(tmp_path, capsys)
    assert lines[0] == f"{runs[0].id} and 4 more  diverged: the loss became … at step …"
    assert lines[1] == "s: 5 diverged"


def test_a_run_that_a_process_trains_is_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real one: epoch, time to go, the file gone at its end; after a kill the run is cut off."""
    suite = suite_of(tmp_path, [{"set": {"method": "dense", "epochs": 100_000}}])
    (run,) = suite.runs.values()
    results = tmp_path / "results"
    command = [sys.executable, "-m", "dst_repro", "train", run.json_text(), "--results", str(results)]
    noted_at = results / ".checkpoints" / f"{run.id}.progress"
    for number, cut_off in ((signal.SIGKILL, "cut off, goes on from its checkpoint"), (signal.SIGTERM, None)):
        environment = os.environ | {"DST_CHECKPOINT_SECONDS": "0"}
        noted_at.unlink(missing_ok=True)
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            deadline = time.monotonic() + 100
            while not noted_at.exists() or not (results / ".checkpoints" / f"{run.id}.pt").exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(0.2)
            code, lines = status(tmp_path, capsys, "--strict")
            words = only_line(lines, run.id).split()
            assert code == 1
            assert words[:2] == ["running:", "epoch"]
            assert 0 < int(words[2]) < 100_000
            assert words[3:5] == ["of", "100000,"]
            assert words[-2:] == ["to", "go"]
            assert lines[-2].startswith("running: 1 runs, the last ends in ")
        finally:
            process.send_signal(number)
            process.wait()
        assert noted_at.exists() == (number == signal.SIGKILL)
        assert (
            only_line(status(tmp_path, capsys)[1], run.id)
            == f"missing: {cut_off or 'cut off, goes on from its checkpoint'}"
        )
    assert not held(results, run.id)


def test_time_to_go_is_that_of_the_epochs_that_are_left(tmp_path: Path) -> None:
    """150 of 160 epochs of 3 s each: 30 s from when it was written, 20 s ten seconds later."""
    suite = suite_of(tmp_path, [{"set": {"method": "dense", "epochs": 160}}])
    (run,) = suite.runs.values()
    results = tmp_path / "results"
    with lock(results, run.id):
        assert math.isnan(standings(suite)[0].seconds)
        path = results / ".checkpoints" / f"{run.id}.progress"
        path.write_text(json.dumps({"epoch": 150, "epochs": 160, "seconds": 3.0}))
        ago = time.time() - 10
        os.utime(path, (ago, ago))
        (found,) = standings(suite)
        assert found.name == "running"
        assert found.seconds == pytest.approx(20, abs=1)
        assert found.reason.startswith("epoch 150 of 160, ")
        path.write_text('{"epoch": 15')  # being written
        assert standings(suite)[0].reason == "no epoch is over yet"
    assert standings(suite)[0].name == "missing"


def test_the_file_of_progress_is_written_at_most_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    path = tmp_path / ".checkpoints" / "run.progress"
    Progress("run", 9).epoch(1, {})
    assert not path.exists()  # only where it is asked for
    with noted(tmp_path):
        progress = Progress("run", 9, done=2)
        for epoch, now, said in ((3, 104.0, 3), (4, 104.9, 3), (5, 105.0, 5), (6, 105.9, 5), (7, 106.5, 7)):  # noqa: B007
            progress.epoch(epoch, {})
            assert json.loads(path.read_text())["epoch"] == said
        assert json.loads(path.read_text()) == {"epoch": 7, "epochs": 9, "seconds": 6.5 / 5}
        Progress("run", 9)  # another process after a kill
        assert not path.exists()
        progress.epoch(9, {})
        progress.close()
        assert not path.exists()


def test_progress_that_can_not_be_written_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / ".checkpoints").touch()
    with noted(tmp_path):
        progress = Progress("run", 2)
        progress.epoch(1, {})
        progress.close()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (58.2, "59 s"), (59.5, "1 min"), (61, "2 min"), (3_599, "1 h 0 min"),
                          (172_740, "47 h 59 min"), (172_801, "49 h"), (3.6e6, "1,000 h")]
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (999_600, "1 MB"),
                                            (1_234_567_890, "1.23 GB"), (5e15, "5e+03 TB")])  # fmt: skip
def test_amounts(size: float, text: str) -> None:
    assert amount(size) == text


def test_tidying_removes_what_nobody_reads_again_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two seeds of dense, pruned: seed 0 is done, seed 1 still needs its network."""
    suite = suite_of(tmp_path, [{"set": PRUNED}], seeds=2)
    results = tmp_path / "results"
    first, second = (run for run in suite.runs.values() if run.method == "one-shot")
    for run in (first, second):
        provide_states(run, results)
    train(first, results, keep_state=True)
    (done,), (wanted,) = first.ancestors, second.ancestors
    stranger = results / "states/other-s0-0123456789.safetensors"
    stranger.write_bytes(b"x")
    checkpoints = results / ".checkpoints"
    gone = [state_path(results, done.id), state_path(results, first.id), checkpoints / f"{first.id}.pt.unusable",
            checkpoints / f".{first.id}.pt.abc", checkpoints / f"{first.id}.pt", checkpoints / f"{done.id}.lock",
            checkpoints / f"{first.id}.progress", results / f"states/.{done.id}.safetensors.abc",
            record.folder(results, first.id) / ".record.json.abc"]  # fmt: skip
    kept = [state_path(results, wanted.id), stranger, checkpoints / f"{second.id}.pt",
            checkpoints / f".{second.id}.pt.abc", checkpoints / f"{second.id}.lock",
            checkpoints / ".gitignore", checkpoints / ".keep.me"]  # fmt: skip
    for path in (*gone[2:], *kept[2:]):
        path.touch()
    (gone[2]).unlink()
    (gone[2] / "inner").mkdir(parents=True)  # a folder that stood in the place of a checkpoint
    before = {path: path.read_bytes() for path in results.glob("runs/*/[!.]*")}
    with lock(results, second.id):  # a process is at work on it
        code, lines = status(tmp_path, capsys, "--tidy")
        assert held(results, second.id)
    assert code == 0
    assert [path for path in gone if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []
    assert before == {path: path.read_bytes() for path in results.glob("runs/*/[!.]*")}
    assert [line.partition(", ")[0] for line in lines[:4]] == [
        "removed: 2 networks", "removed: 3 checkpoints", "removed: 3 halves of files", "removed: 2 locks"]  # fmt: skip
    kept[3].unlink()
    assert status(tmp_path, capsys, "--tidy")[1][0].startswith("removed: 1 locks")
    assert status(tmp_path, capsys, "--tidy")[1][0] == "nothing to be removed"
    assert train(second, results).status == "finished"


def test_what_a_stale_run_goes_on_from_and_begins_with_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under `keep`, too: a call may train it again all the same."""
    suite = suite_of(tmp_path, [{"set": PRUNED}])
    results = tmp_path / "results"
    (run,) = (run for run in suite.runs.values() if run.method == "one-shot")
    provide_states(run, results)
    record.write(train(run, results).model_copy(update={"fingerprint": "0" * 16}), results)
    (parent,) = run.ancestors
    kept = [results / ".checkpoints" / f"{run.id}.pt", state_path(results, parent.id)]
    kept[0].touch()
    status(tmp_path, capsys, "--tidy")
    assert [path for path in kept if not path.exists()] == []


def test_training_again_holds_the_lock_while_its_networks_are_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else they might be tidied away before it begins, and its record is forgotten by then."""
    suite = suite_of(tmp_path, [{"set": PRUNED}])
    results = tmp_path / "results"
    (run,) = (run for run in suite.runs.values() if run.method == "one-shot")
    provide_states(run, results)
    train(run, results)
    provide = parents.provide_states

    def then_tidied(*args: Any, **more: Any) -> None:
        provide(*args, **more)
        status(tmp_path, capsys, "--tidy")

    monkeypatch.setattr(parents, "provide_states", then_tidied)
    assert cli.main(["train", run.json_text(), "--results", str(results), "--again"]) == 0
    found = record.read(results, run.id)
    assert found is not None
    assert found.status == "finished"


def test_who_waits_for_a_lock_that_is_tidied_away_gets_it_alone(tmp_path: Path) -> None:
    """Ten processes count to a hundred in turns, while the lock is removed all the time: no count is lost."""
    counter, code = (
        tmp_path / "count",
        """
import sys, pathlib
from dst_repro.training.parents import lock
counter = pathlib.Path(sys.argv[1])
for _ in range(20):
    with lock(counter.parent, "a"):
        counter.write_text(str(int(counter.read_text()) + 1))
""",
    )
    counter.write_text("0")
    from dst_repro.cli.tidying import _remove

    processes = [subprocess.Popen([sys.executable, "-c", code, str(counter)]) for _ in range(3)]
    path = tmp_path / ".checkpoints/a.lock"
    while any(process.poll() is None for process in processes):
        _remove(path, path)
        time.sleep(0.001)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert counter.read_text() == "60"


def test_explain_says_why_a_run_is_broken_and_trains_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite = suite_of(tmp_path, [{"set": {"method": "dense"}}])
    (run,) = suite.runs.values()
    train(run, tmp_path / "results")
    (record.folder(tmp_path / "results", run.id) / "history.parquet").write_bytes(b"x")
    capsys.readouterr()
    assert cli.main(["explain", run.id, "--suite", str(tmp_path / "suite.yaml")]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == f"{run.id}: broken: its history is missing or damaged; {record.REMEDY}"
    assert said.err == ""


def test_explain_names_the_runs_of_a_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite = suite_of(tmp_path, [{"set": {"method": "dense"}}], seeds=2)
    one, other = suite.runs
    (cell,) = suite.cells
    code = cli.main(["explain", cell, "--suite", suite.file.model_dump_json()])
    assert code == 2
    assert f"'{cell}' is a cell; its runs are {one}, {other}" in capsys.readouterr().err
