"""Calls of Snakemake, each in a session of its own, so that all that it starts can be found, hit and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from dst_repro.ending import uninterrupted
from tests.workflow.conftest import Project

PATIENCE = 900.0
"""Seconds after which a call hangs."""
GRACE = 10.0
"""Seconds that what a call has started may outlive it."""

Process = subprocess.Popen[bytes]


class Calls:
    """Within `with`, what it starts; none of it outlives that."""

    def __init__(self) -> None:
        self._started: list[Process] = []

    def __enter__(self) -> Calls:
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            for process in self._started:
                kill(session(process.pid))
                process.wait()

    def start(
        self, project: Project, said: Path, more: dict[str, str] | None = None, limit: Callable[[], object] = int
    ) -> Process:
        """Snakemake; what it says goes into `said`. `limit` runs in the new process."""

        def prepare() -> None:
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process may ignore it
            limit()

        with said.open("wb") as stream, uninterrupted():
            process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "2"],
                cwd=project.folder,
                env=project.environment() | (more or {}),
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=prepare,
            )
            self._started.append(process)
        return process

    def end(self, process: Process) -> str | None:
        """Wait for a call and all that it started; what had to be killed, if anything had."""
        wait(process, PATIENCE)
        grace = time.monotonic() + GRACE
        while (left := session(process.pid)) and time.monotonic() < grace:
            time.sleep(0.02)
        hangs = process.poll() is None
        kill(left)
        process.wait()
        self._started.remove(process)
        return (f"hangs: {left}" if hangs else f"outlived its call: {left}") if left else None


def wait(process: Process, seconds: float) -> bool:
    """Whether it has ended by then."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def kill(pids: list[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def session(leader: int) -> list[int]:
    """The processes of a session that are alive."""
    found = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getsid(process.pid) == leader and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (OSError, psutil.Error):
            continue
    return found


def trainings(leader: int) -> list[int]:
    """Those of them that train."""
    found = []
    for pid in session(leader):
        try:
            command = psutil.Process(pid).cmdline()
        except psutil.Error:
            continue
        if "python" in Path(command[0] if command else "").name and command[1:4] == ["-m", "dst_repro", "train"]:
            found.append(pid)
    return found
