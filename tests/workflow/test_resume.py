"""A run killed in its middle goes on from its last checkpoint, and ends with the bits of an undisturbed one."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import first_of
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


def second_checkpoint(project: Project) -> Callable[[], bool]:
    """Whether it has been written."""
    seen: set[int] = set()

    def due() -> bool:
        with contextlib.suppress(FileNotFoundError):  # the run has ended
            seen.update(path.stat().st_mtime_ns for path in project.folder.glob("results/.checkpoints/*.pt"))
        return len(seen) >= 2

    return due


@pytest.mark.parametrize("settings", first_of(METHODS), ids=lambda s: s["method"])
@pytest.mark.slow
def test_kill_and_go_on(tmp_path: Path, settings: dict[str, object]) -> None:
    projects = []
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
        projects.append(Project(tmp_path / name))
        projects[-1].write_experiment(experiment(settings))
    undisturbed, killed = projects
    killed.environment_extra = {"DST_CHECKPOINT_SECONDS": "0"}  # after every epoch

    killed.kill_when(second_checkpoint(killed))
    assert files_of_finished(killed) == []
    killed.snakemake()
    undisturbed.snakemake()

    (runtime,) = killed.folder.glob("results/runs/*/runtime.json")
    assert 0 < json.loads(runtime.read_text())["resumed_at_epoch"] < EPOCHS
    assert files(killed) == files(undisturbed)
    assert not list(killed.folder.glob("results/.checkpoints/*.pt"))


def files_of_finished(project: Project) -> list[Path]:
    return list(project.folder.glob("results/runs/*/record.json"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of the run that the signals of the next test meet."""
    project = Project(tmp_path_factory.mktemp("undisturbed"))
    project.write_experiment(experiment(METHODS[1]))
    project.snakemake("aggregate")
    return files(project)


@pytest.mark.parametrize(
    ("number", "everything"),
    first_of([(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGTERM, False)]),
    ids=["Ctrl-C", "SIGTERM", "SIGTERM to snakemake alone"],
)
def test_snakemake_is_ended_and_goes_on(
    project: Project, undisturbed: dict[str, bytes], number: signal.Signals, everything: bool
) -> None:
    """By a terminal or a batch system, which tell every process, or by `kill`, after which the run is finished."""
    project.write_experiment(experiment(METHODS[1]))
    project.environment_extra = {"DST_CHECKPOINT_SECONDS": "0"}
    code, said = project.end_when(second_checkpoint(project), number, everything)
    assert code != 0
    assert "Traceback" not in said
    (log,) = project.folder.glob("results/logs/train/*.log")
    assert "Traceback" not in log.read_text()
    if everything:
        assert files_of_finished(project) == []
        assert log.read_text().endswith("; what is finished is kept, and the next call goes on from there\n")
        assert len(list(project.folder.glob("results/.checkpoints/*.pt"))) == 1
    project.snakemake("aggregate")
    assert files(project) == undisturbed
    (runtime,) = project.folder.glob("results/runs/*/runtime.json")
    assert (json.loads(runtime.read_text())["resumed_at_epoch"] > 0) == everything
