"""Where there are GPUs, Snakemake starts as many runs as they take; the machine of the tests need not have any."""

from __future__ import annotations

import re

import pytest

from tests.conftest import first_of
from tests.workflow.conftest import Project


def pretend(project: Project, gpu_runs: int) -> None:
    """A copy of the project that finds GPUs which take so many runs at the same time, and trains on the CPU."""
    path = project.path("dst_repro/machine/lease.py")
    text, start = path.read_text(), "def offered() -> int:\n"
    assert start in text
    path.write_text(text.replace(start, f"{start}    return {gpu_runs}\n"))
    project.environment_extra = {"DST_DEVICE": "cpu"}


def at_the_same_time(said: str) -> int:
    """How many training jobs ran at most at the same time, by what snakemake said when."""
    running, most = 0, 0
    for started, finished in re.findall(r"^Job \d+: (Training)|^Finished jobid: \d+ \(Rule: (train)\)", said, re.M):
        running += bool(started) - bool(finished)
        most = max(most, running)
    assert running == 0
    return most


@pytest.mark.parametrize(
    ("gpu_runs", "arguments", "limit", "expected"),
    first_of(
        [
            (0, (), None, 2),  # as many as there are cores
            (1, (), 1, 1),
            (1, ("--resources", "gpu=2"), 2, 2),
        ]
    ),
)
@pytest.mark.slow
def test_as_many_runs_as_the_gpus_take(
    project: Project, gpu_runs: int, arguments: tuple[str, ...], limit: int | None, expected: int
) -> None:
    pretend(project, gpu_runs)
    said = project.snakemake("--quiet", "host", "--until", "train", *arguments)
    provided = re.findall(r"^Provided resources: .*gpu.*?(\d+)", said, re.M)
    assert provided == ([] if limit is None else [str(limit)])
    assert len(project.records()) == 6
    assert at_the_same_time(said) == expected


@pytest.mark.slow
def test_a_bad_number_of_slots_is_one_line(project: Project) -> None:
    project.environment_extra = {"DST_GPU_SLOTS": "many", "DST_DEVICE": "cuda"}
    path = project.path("dst_repro/machine/lease.py")
    path.write_text(
        path.read_text().replace("def _torch_has_cuda() -> bool:\n", "def _torch_has_cuda():\n    return 1\n")
    )
    done = project.call("-m", "snakemake", "--cores", "1")
    assert done.returncode != 0
    assert "dst_repro: DST_GPU_SLOTS is 'many'; it must be a whole number from 1 on" in done.stderr
    assert "Traceback" not in done.stderr
