"""Train the runs of a suite one after another until the time is up. The next call goes on where this one stopped.

For machines that are lent by the hour, and have no Snakemake. Every run is a process of its own, which is ended when
the time is up: files are written whole, and its last checkpoint is at most `checkpoint.SECONDS` and an epoch old.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from dst_repro.errors import UserError
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import Suite
from dst_repro.records import record

POLL = 0.2  # seconds between two looks at the processes
GRACE = 20.0  # seconds that a process has to end before it is killed
REFUSED = 2  # exit code of a run that never began: no data, no such device


def seconds_left(hours: float | None, until: str | None) -> float:
    """How long to work: for so many hours, and until this local time (`2026-01-31T18:00`), whichever ends first."""
    if hours is not None and not hours > 0:
        raise UserError(f"--hours is {hours:g}; it must be above 0")
    left = float("inf") if hours is None else 3600 * hours
    if until is not None:
        try:
            left = min(left, datetime.fromisoformat(until).timestamp() - time.time())
        except ValueError:
            raise UserError(f"--until is '{until}'; it must be a time such as 2026-01-31T18:00") from None
        if left <= 0:
            raise UserError(f"--until is '{until}', which is past")
    return left


def waiting(suite: Suite, results: Path) -> list[RunConfig]:
    """Runs without a record, in the order of the suite's files, each after the runs that it starts from."""
    ordered = {r.id: r for run in suite.runs.values() for r in (*run.ancestors, run)}
    return [run for run in ordered.values() if record.read(results, run.id) is None]


class Queue:
    """The runs of one call. `say` gets a line for everything that happens."""

    def __init__(self, suite: Suite, results: Path, say: Callable[[str], None]) -> None:
        self.results, self.say, self.keep, self.plugins = results, say, suite.parents, suite.file.plugins
        self.waiting = deque(waiting(suite, results))
        self.active: dict[subprocess.Popen[bytes], RunConfig] = {}
        self.ended = Counter[str]()

    def work(self, seconds: float, jobs: int = 1) -> Counter[str]:
        """Train up to `jobs` runs at a time; return how many ended how. Raises `UserError` if one can't begin."""
        end = time.monotonic() + seconds
        try:
            while (self.waiting or self.active) and time.monotonic() < end:
                while self.waiting and len(self.active) < jobs:
                    self._start(self.waiting.popleft(), jobs)
                time.sleep(POLL)
                self._collect()
        finally:
            self._stop(self.active)
        self.ended["waiting"] = len(self.waiting)
        return +self.ended

    def _start(self, run: RunConfig, jobs: int) -> None:
        command = [sys.executable, "-m", "dst_repro", "train", run.json_text(), "--results", str(self.results)]
        command += ["--keep-state"] * (run.id in self.keep)
        command += [word for name in self.plugins for word in ("--plugin", name)]
        shared = {"DST_GPU_SLOTS": os.environ.get("DST_GPU_SLOTS") or str(jobs)}
        self.active[subprocess.Popen(command, env=os.environ | shared)] = run
        self.say(f"{run.id}  started")

    def _collect(self) -> None:
        for process in [p for p in self.active if p.poll() is not None]:
            run = self.active.pop(process)
            found = record.read(self.results, run.id)
            if found is None and process.returncode == REFUSED:
                raise UserError(f"{run.id} could not begin; see above")
            self._count(run, found.status if found else f"ended with code {process.returncode}")

    def _stop(self, active: Iterable[subprocess.Popen[bytes]]) -> None:
        for process in active:
            process.terminate()
        for process in list(active):
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            run = self.active.pop(process)
            found = record.read(self.results, run.id)
            self._count(run, found.status if found else "cut off")

    def _count(self, run: RunConfig, outcome: str) -> None:
        self.ended[outcome] += 1
        self.say(f"{run.id}  {outcome}")
