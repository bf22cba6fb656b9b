"""The short form of `python -m tests.soak`, and that it leaves nothing behind when it is ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.soak.calls import Calls, session
from tests.soak.soak import soaking
from tests.workflow.conftest import ROOT, Project

pytestmark = pytest.mark.slow


def mounts(folder: Path) -> list[str]:
    return [part.mountpoint for part in psutil.disk_partitions(all=True) if part.mountpoint.startswith(str(folder))]


def processes(folder: Path) -> list[int]:
    """Those that work in a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(folder)):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("seed", [0])
def test_nothing_is_lost_wrong_or_trained_without_need(tmp_path: Path, seed: int) -> None:
    with soaking(tmp_path, seed) as soak:
        figures = soak.run(faults=5, minutes=10)
    assert figures.faults.total() > 0
    assert figures.lines() == []
    assert mounts(tmp_path) == []
    assert processes(tmp_path) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_soak_that_is_ended_leaves_nothing_behind(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.soak", "--faults", "3"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not processes(tmp_path):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (code, "tests.soak: ended; nothing is written\n")
    assert list(tmp_path.iterdir()) == []
    assert mounts(tmp_path) == []
    assert processes(tmp_path) == []


def test_no_call_outlives_the_block_that_it_was_started_in(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with Calls() as calls:
        process = calls.start(project, tmp_path / "said.log")
        time.sleep(2)
        assert session(process.pid)
    assert session(process.pid) == []
