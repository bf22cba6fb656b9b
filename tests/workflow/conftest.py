"""A copy of the whole project in a temporary folder, with a suite of six runs that takes seconds."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "profiles", "config", "dst_repro", "environment.yml", "constraints.txt")

EXPERIMENT = {
    "experiment": "tiny",
    "title": "Three methods, two seeds",
    "base": {
        "dataset": "digits",
        "dataset_params": {"size": 8},
        "model": "lenet-300-100",
        "learning_rate": 0.05,
        "epochs": 2,
        "validation": 0.1,
    },
    "sweep": {"seed": [0, 1]},
    "blocks": [
        {"set": {"method": "dense"}},
        {"set": {"method": "set", "density": 0.1}},
        {"set": {"method": "rigl", "density": 0.1, "method_params.update_period": 5}},
    ],
}


class Project:
    """The copy, and what a person would do with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment_extra: dict[str, str] = {}
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        self.write_suite()
        self.write_experiment(EXPERIMENT)

    def write_suite(self, policy: str = "retrain", **more: object) -> None:
        suite = {
            "suite": "tiny",
            "title": "Six runs",
            "on_source_change": policy,
            "experiments": ["tiny"],
            "items": ["tiny/*"],
            **more,
        }
        self.path("config/config.yaml").write_text(yaml.safe_dump(suite))
        items = {
            "accuracy": {
                "kind": "table",
                "builder": "pivot",
                "experiments": ["tiny"],
                "title": "Accuracy",
                "caption": "Accuracy of all methods.",
                "params": {"rows": ["model", "method", "density"]},
            },
            "epochs": {
                "kind": "figure",
                "builder": "sparsity-over-epochs",
                "experiments": ["tiny"],
                "title": "Epochs",
                "caption": "Density and accuracy.",
            },
        }
        paper = {"paper": "tiny", "title": "Tiny", "citation": "None", "items": items}
        self.path("config/papers/tiny.yaml").write_text(yaml.safe_dump(paper))

    def write_experiment(self, experiment: dict[str, object]) -> None:
        self.path("config/experiments/tiny.yaml").write_text(yaml.safe_dump(experiment))

    def path(self, name: str) -> Path:
        return self.folder / name

    def environment(self) -> dict[str, str]:
        own = {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**os.environ, **own, **self.environment_extra}

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python ARGUMENTS` in the project, output captured."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=300,
        )

    def snakemake(self, *arguments: str, ok: bool = True) -> str:
        """What snakemake said; a test fails with it if the exit code is not the expected one."""
        done = self.call("-m", "snakemake", "--cores", "2", *arguments)
        said = done.stdout + done.stderr
        assert (done.returncode == 0) == ok, said
        return said

    def kill_when(self, due: Callable[[], bool]) -> None:
        """Start snakemake, wait until `due`, and kill it with everything that it started."""
        self.end_when(due, signal.SIGKILL)

    def end_when(self, due: Callable[[], bool], number: signal.Signals, everything: bool = True) -> tuple[int, str]:
        """Start snakemake, wait until `due`, and send it a signal, and `everything` that it started too, as a terminal
        does. Returns its exit code and what it said.
        """
        said = self.path("said.log")
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a background process ignores it, and so its children
        try:
            with said.open("w") as stream:
                process = subprocess.Popen(
                    [sys.executable, "-m", "snakemake", "--cores", "1"],
                    cwd=self.folder,
                    env=self.environment(),
                    stdout=stream,
                    stderr=stream,
                    start_new_session=True,
                )
        finally:
            signal.signal(signal.SIGINT, before)
        deadline = time.monotonic() + 200
        while not due():
            assert time.monotonic() < deadline
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.002)
        if everything:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.wait(timeout=200)
        if number != signal.SIGKILL:
            assert not left_of(process.pid), "a child is left"
        return process.returncode, said.read_text()

    def records(self) -> dict[str, tuple[int, bytes]]:
        """Run -> (when it was trained, its record). Snakemake touches declared outputs, but never runtime.json."""
        found = self.folder.glob("results/runs/*/record.json")
        return {p.parent.name: (p.with_name("runtime.json").stat().st_mtime_ns, p.read_bytes()) for p in found}

    def planned(self, *arguments: str) -> dict[str, int]:
        """Rule -> number of jobs that a dry run plans."""
        said = self.snakemake("--dry-run", *arguments)
        return {rule: int(n) for rule, n in re.findall(r"^([a-z_0-9]+) +(\d+)$", said, flags=re.M)}


def left_of(session: int) -> list[str]:
    """What still runs of a session, by process id; what has ended and was not asked for does not count."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # ended meanwhile
            state, _, _, own = path.read_text().rpartition(")")[2].split()[:4]
            if int(own) == session and state != "Z":
                found.append(path.parent.name)
    return found


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A fresh copy that has run nothing."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("finished"))
    project.snakemake()
    return project


@pytest.fixture
def finished(_finished: Project, tmp_path: Path) -> Project:
    """A copy in which the whole suite has been run, the same for every test."""
    copy = Project.__new__(Project)
    copy.folder, copy.environment_extra = tmp_path / "project", {}
    shutil.copytree(_finished.folder, copy.folder)  # keeps the times of the files
    return copy
