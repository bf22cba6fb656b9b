"""A run killed in its middle goes on from its last checkpoint, and ends with the bits of an undisturbed one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

METHODS = [
    {"method": "dst", "method_params": {"alpha": 0.001}, "step_history": 60},
    {"method": "rigl", "density": 0.1, "method_params": {"update_period": 7}},
]
EPOCHS = 25


def experiment(settings: dict[str, object]) -> dict[str, object]:
    base = {"dataset": "digits", "model": "lenet-300-100", "learning_rate": 0.05, "epochs": EPOCHS, "validation": 0.1}
    return {"experiment": "tiny", "title": "One cell", "base": base, "blocks": [{"set": {**settings, "seed": 3}}]}


def files(project: Project) -> dict[str, bytes]:
    folders = project.folder.glob("results/runs/*")
    return {f"{d.name}/{n}": (d / n).read_bytes() for d in folders for n in ("record.json", "history.parquet")}


def kill_in_the_middle(project: Project) -> None:
    """After the second checkpoint."""
    seen: set[int] = set()

    def due() -> bool:
        seen.update(path.stat().st_mtime_ns for path in project.folder.glob("results/.checkpoints/*.pt"))
        return len(seen) >= 2

    project.kill_when(due)


@pytest.mark.parametrize("settings", METHODS, ids=lambda s: s["method"])
def test_kill_and_go_on(tmp_path: Path, settings: dict[str, object]) -> None:
    projects = []
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
        projects.append(Project(tmp_path / name))
        projects[-1].write_experiment(experiment(settings))
    undisturbed, killed = projects
    killed.environment_extra = {"DST_CHECKPOINT_SECONDS": "0"}  # after every epoch

    kill_in_the_middle(killed)
    assert files_of_finished(killed) == []
    killed.snakemake()
    undisturbed.snakemake()

    (runtime,) = killed.folder.glob("results/runs/*/runtime.json")
    assert 0 < json.loads(runtime.read_text())["resumed_at_epoch"] < EPOCHS
    assert files(killed) == files(undisturbed)
    assert not list(killed.folder.glob("results/.checkpoints/*.pt"))


def files_of_finished(project: Project) -> list[Path]:
    return list(project.folder.glob("results/runs/*/record.json"))
