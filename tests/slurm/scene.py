"""A project whose Snakemake hands its training to the node, and what becomes of its jobs."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.slurm.node import Node, wait_until
from tests.workflow.conftest import EXPERIMENT, Project

PROFILES = {
    "slurm": ("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "3"),
    "cluster-generic": ("--profile", "profiles/cluster-generic", "--seconds-between-status-checks", "1"),
}
QUICK = ("--latency-wait", "5", "--retries", "1")
PATIENCE = 600.0
"""Seconds for anything that is waited for, on a busy machine."""


class Scene(Project):
    def __init__(self, folder: Path, node: Node, profile: str, blocks: list[dict[str, Any]], seeds: list[int]) -> None:
        super().__init__(folder)
        self.node, self.profile = node, profile
        self.driver: subprocess.Popen[bytes] | None = None
        self.environment_extra = {"DST_CHECKPOINT_SECONDS": "0", "OMP_NUM_THREADS": "1"}
        shutil.copy(Path(__file__).with_name("held.py"), folder / "held.py")
        self.path("notes").mkdir()
        self.write_suite(plugins=["held.py"])
        base = EXPERIMENT["base"]
        assert isinstance(base, dict)
        experiment = {**EXPERIMENT, "base": base | {"epochs": 5}, "sweep": {"seed": seeds}, "blocks": blocks}
        self.write_experiment(experiment)

    def start(self, *arguments: str) -> None:
        """Call snakemake, and go on."""
        with self.path("said.log").open("a") as said:
            self.driver = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *PROFILES[self.profile], *QUICK, *arguments],
                cwd=self.folder, env=self.environment(), stdout=said, stderr=said, start_new_session=True,
            )  # fmt: skip

    def ended(self) -> int:
        """Wait for snakemake; its exit code."""
        assert self.driver is not None
        return self.driver.wait(PATIENCE)

    def kill(self) -> None:
        """SIGKILL to snakemake and all that it started here; its jobs go on."""
        if self.driver is not None and self.driver.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.driver.pid, signal.SIGKILL)
            self.driver.wait(20)

    def said(self) -> str:
        return self.path("said.log").read_text()

    def hold(self, *runs: str) -> None:
        for why in runs:
            self.path(f"notes/{why}.hold").touch()

    def let_go(self, why: str) -> None:
        self.path(f"notes/{why}.hold").unlink()

    def job_of(self, why: str) -> str:
        """The job that holds a run; waits for it."""
        note = self.path(f"notes/{why}.job")
        wait_until(lambda: note.exists() and note.read_text(), PATIENCE, f"{why} is held")
        return note.read_text()

    def state(self, job: str) -> str:
        return {found["JobId"]: found["JobState"] for found in self.node.jobs(self.folder)}[job]

    def steps(self, why: str) -> dict[str, list[int]]:
        """Job -> the steps that it trained of a run."""
        found: dict[str, list[int]] = {}
        for line in self.path(f"notes/{why}.steps").read_text().splitlines():
            job, step = line.split()
            found.setdefault(job, []).append(int(step))
        return found
