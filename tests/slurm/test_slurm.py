"""Real jobs of a real Slurm on this machine: what the profiles promise, and what goes wrong on clusters."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.slurm.node import GPUS, Node, wait_until
from tests.slurm.scene import PATIENCE, Scene

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

QUICKSTART = [
    {"set": {"method": "dense"}},
    {"set": {"method": "set", "density": 0.1}},
    {"set": {"method": "rigl", "density": 0.1, "method_params.update_period": 5}},
    {"set": {"method": "gmp", "density": 0.1, "method_params.update_period": 5}},
]


def held(*runs: str) -> list[dict[str, Any]]:
    return [{"set": {"method": "held", "method_params": {"why": why}}} for why in runs]


def quickstart(scene: Scene) -> None:
    """Eight runs on two GPUs, then tables, figures and the report."""
    scene.start("--set-resources", "train:gpu=1")
    scene.ended()


ENDS = {"cancelled": "CANCELLED", "limited": "TIMEOUT"}


def troubles(scene: Scene, *held: str) -> dict[str, str]:
    """A job that is lost, beside it one that is cancelled, one over its time limit; returns the jobs of those that were
    held, once they have ended so.
    """
    scene.hold(*held)
    scene.start()
    found = {}
    for why in held:
        job = scene.job_of(why)
        if why == "cancelled":
            scene.node.call("scancel", job)
        else:
            scene.node.call("scontrol", "update", f"JobId={job}", "EndTime=now+5")
        wait_until(lambda job=job, why=why: scene.state(job) == ENDS[why], PATIENCE, f"{why} has ended")
        found[why] = job
        scene.let_go(why)
    scene.ended()
    return found


def killed(scene: Scene) -> None:
    """Snakemake is killed while its job trains, and started again: a second job for the same run."""
    scene.hold("killed")
    scene.start("--until", "train")
    scene.job_of("killed")
    scene.kill()
    scene.start("--until", "train")
    wait_until(lambda: len(trainings(scene.folder)) == 2, PATIENCE, "two jobs are at the run")
    scene.let_go("killed")
    scene.ended()


def trainings(folder: Path) -> list[str]:
    """Processes that train in a folder, those that wait for another one included."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (process / "cwd").readlink() == folder and words[1:4] == [b"-m", b"dst_repro", b"train"]:
                found.append(process.name)
        except OSError:  # ended meanwhile
            continue
    return found


PLOTS: dict[str, tuple[str, list[dict[str, Any]], list[int], Callable[[Scene], Any]]] = {
    "quickstart": ("slurm", QUICKSTART, [0, 1], quickstart),
    "troubles": (
        "slurm",
        [*QUICKSTART[:1], *held("lost", "cancelled", "limited")],
        [0],
        lambda scene: troubles(scene, "cancelled", "limited"),
    ),
    "other": ("cluster-generic", held("lost", "limited"), [0], lambda scene: troubles(scene, "limited")),
    "killed": ("slurm", held("killed"), [0], killed),
}
Played = dict[str, tuple[Scene, Future[Any]]]


@pytest.fixture(scope="module")
def played(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """All scenes at the same time: most of it is waiting."""
    scenes: Played = {}
    with ThreadPoolExecutor() as pool:
        try:
            for name, (profile, blocks, seeds, play) in PLOTS.items():
                scene = Scene(tmp_path_factory.mktemp(name), node, profile, blocks, seeds)
                scenes[name] = scene, pool.submit(play, scene)
            yield scenes
        finally:
            for scene, _ in scenes.values():
                scene.kill()


def test_the_quickstarts_shape(played: Played, node: Node) -> None:
    scene, play = played["quickstart"]
    play.result()
    assert scene.ended() == 0, scene.said()
    assert len(scene.records()) == 8
    assert scene.path("results/tiny/report.html").exists()
    jobs = node.jobs(scene.folder)
    assert [job["JobState"] for job in jobs] == ["COMPLETED"] * 4, jobs  # a job trains a cell; the rest is done here
    assert {job["TresPerJob"].strip() for job in jobs} == {"gres:gpu:1"}
    assert most_at_a_time(jobs) <= GPUS


def most_at_a_time(jobs: list[dict[str, str]]) -> int:
    spans = [(datetime.fromisoformat(job["StartTime"]), datetime.fromisoformat(job["EndTime"])) for job in jobs]
    return max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)


@pytest.mark.parametrize(("name", "finished"), [("troubles", ["dense", "held", "held"]), ("other", ["held"])])
def test_jobs_that_are_lost_cancelled_or_cut_off(played: Played, node: Node, name: str, finished: list[str]) -> None:
    scene, play = played[name]
    ends = play.result()
    assert scene.ended() == 1, scene.said()  # one run is lost for good
    jobs = {job["JobId"]: job for job in node.jobs(scene.folder)}
    assert len(jobs) == 2 * (1 + len(ends)) + finished.count("dense")  # --retries 1
    assert "the disk is gone" in scene.said()
    assert len(scene.steps("lost")) == 2
    for why, first in ends.items():
        steps = scene.steps(why)
        (second,) = set(steps) - {first}
        assert jobs[second]["JobState"] == "COMPLETED"
        assert min(steps[second]) > 0, "it began anew"
        assert int(jobs[second]["MinMemoryNode"][:-1]) == 2 * int(jobs[first]["MinMemoryNode"][:-1])
    runs = {
        path.parent.name: json.loads(path.read_text()) for path in scene.path("results/runs").glob("*/runtime.json")
    }
    assert sorted(run.removeprefix("digits-lenet-300-100-").partition("-")[0] for run in runs) == finished
    assert all((run["resumed_at_epoch"] > 0) == ("-held-" in name) for name, run in runs.items())


def test_a_killed_snakemake_and_a_second_job_for_the_same_run(played: Played, node: Node) -> None:
    scene, play = played["killed"]
    play.result()
    assert scene.ended() == 0, scene.said()
    assert [job["JobState"] for job in node.jobs(scene.folder)] == ["COMPLETED"] * 2
    (steps,) = scene.steps("killed").values()
    assert steps == list(range(len(steps)))
    assert len(scene.records()) == 1
    planned = scene.planned()
    assert "aggregate" in planned
    assert "train" not in planned
