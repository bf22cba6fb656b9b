"""`status --watch`: each state as it comes, until nothing is left to be done or somebody leaves."""

from __future__ import annotations

import json
import math
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dst_repro import cli
from dst_repro.cli.standing import Standing
from dst_repro.cli.watching import _end
from dst_repro.plan.grid import load_suite
from dst_repro.records.cost import Costs
from dst_repro.training.parents import lock
from dst_repro.training.progress import Progress, noted
from tests.unit.cli.conftest import BLOCKS
from tests.unit.cli.test_standing import suite_of


def started(config: Path, **streams: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dst_repro", "status", "--suite", str(config), "--watch", "0.2", "--strict"]
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # the child's, too, wherever this process was started
    try:
        return subprocess.Popen(command, cwd=Path(__file__).parents[3], **streams)
    finally:
        signal.signal(signal.SIGINT, before)


def wait(due: Callable[[], bool]) -> None:
    end = time.monotonic() + 100
    while not due():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_all_done_is_shown_once(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere.rename(tmp_path / "results")
    assert cli.main(["status", "--suite", str(config), "--watch", "--strict"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d", first)
    assert rest[0] == "s: 4 finished"
    assert rest[-2:] == ["all is done", ""]


def test_states_stand_below_each_other_until_all_is_done(elsewhere: Path, config: Path, tmp_path: Path) -> None:
    """A run trains in this process, with a progress file, and then the records of all come to be there."""
    results, said = tmp_path / "results", tmp_path / "said"
    run = next(iter(load_suite(config).runs))
    with lock(results, run), noted(results):
        progress = Progress(run, 4)
        progress.epoch(1, {"loss": 1.0})
        with said.open("wb") as stream:
            watch = started(config, stdout=stream.fileno())
        wait(lambda: "all is done in about " in said.read_text())
        progress.close()
    shutil.copytree(elsewhere / "runs", results / "runs")
    assert watch.wait(100) == 0
    text = said.read_text()
    assert re.search(rf"{run}  running: epoch 1 of 4, \d+ s to go", text)
    assert re.search(r"all is done in about \d+ s, 1 runs at a time, each on a (core|GPU)\n", text)
    states = text.removesuffix("\n\n").split("\n\n")
    assert len(states) > 1
    assert "s: 4 finished" in states[-1]
    assert "\x1b" not in text


def test_a_run_whose_first_epoch_is_not_over_takes_as_long_as_its_like(
    elsewhere: Path, config: Path, tmp_path: Path
) -> None:
    """Records say that one takes an hour; three of four seeds are not there, of which one or two are running."""
    for path in elsewhere.glob("runs/*/runtime.json"):
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"cpu_seconds": 3600.0}))
    costs = Costs(elsewhere)
    runs = list(suite_of(tmp_path, BLOCKS[:1], seeds=4).runs.values())
    done, first, second, missing = (
        Standing(runs[0], "finished", ""),
        Standing(runs[1], "running", "", busy=True, seconds=math.nan),
        Standing(runs[2], "running", "", busy=True, seconds=600.0),
        Standing(runs[3], "missing", ""),
    )
    assert list(_end([done, first], costs)) == ["all is done in about 1 h 0 min, 1 runs at a time, each on a core"]
    assert next(_end([first, missing], costs)).startswith("all is done in about 2 h 0 min, 1 runs")
    assert next(_end([first, second, missing], costs)).startswith("all is done in about 1 h 10 min, 2 runs")
    unknown = suite_of(
        tmp_path / "b", [{"set": {"method": "dense", "dataset": "folder", "dataset_params": {"path": "x"}}}]
    )
    stranger = first._replace(run=next(iter(unknown.runs.values())))
    assert list(_end([stranger], costs)) == []
    assert next(_end([first, stranger], costs)).endswith(", without 1 on data of unknown size")
    assert list(_end([missing], costs)) == []
    assert list(_end([done._replace(busy=True)], costs)) == []
    assert list(_end([done], costs)) == ["all is done"]


def test_a_terminal_shows_it_in_place_and_is_left_by_an_interrupt(config: Path) -> None:
    ours, theirs = pty.openpty()
    watch = started(config, stdout=theirs, stderr=theirs)
    os.close(theirs)
    text = ""

    def two_states() -> bool:
        nonlocal text
        text += os.read(ours, 10_000).decode()
        return text.count("s: 4 missing") > 1

    wait(two_states)
    watch.send_signal(signal.SIGINT)
    assert watch.wait(100) == 1  # --strict
    os.close(ours)
    assert text.count("\x1b[H") > 1
    assert "dst_repro" not in text


@pytest.mark.parametrize("seconds", ["0", "-1", "x"])
def test_wrong_seconds(config: Path, seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["status", "--suite", str(config), f"--watch={seconds}"])
    said = "dst_repro status: argument --watch: must be a number above 0, not"
    assert capsys.readouterr().err.startswith(said)
