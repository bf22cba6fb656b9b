"""Train, prune, fine-tune, twice over: a chain of runs through a real snakemake."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.workflow.conftest import EXPERIMENT, Project

DENSE = {"method": "dense"}
FIRST = {"method": "one-shot", "density": 0.3, "weights_from": DENSE}
BLOCKS = [{"set": FIRST}, {"set": {"method": "one-shot", "density": 0.1, "epochs": 1, "weights_from": FIRST}}]


def chained(project: Project) -> None:
    project.write_experiment({**EXPERIMENT, "blocks": BLOCKS})


def methods(project: Project) -> dict[str, str]:
    """Run -> its method and density."""
    found = {run: json.loads(text)["config"] for run, (_, text) in project.records().items()}
    return {run: f"{c['method']} {c['density']} {c['epochs']}" for run, c in found.items()}


@pytest.mark.slow
def test_parents_are_trained_first_and_only_once(project: Project) -> None:
    chained(project)
    project.snakemake()
    made = methods(project)
    # the first round of the second block has that block's single epoch, as have its parents
    expected = ["dense None 1", "dense None 2", "one-shot 0.1 1", "one-shot 0.3 1", "one-shot 0.3 2"]
    assert sorted(made.values()) == sorted(2 * expected)
    assert all(json.loads(text)["status"] == "finished" for _, text in project.records().values())
    before = project.records()
    assert "Nothing to be done" in project.snakemake()
    shutil.rmtree(project.path("results/states"))  # as in a fresh clone
    assert "Nothing to be done" in project.snakemake()
    child = next(run for run, what in made.items() if what == "one-shot 0.1 1")
    shutil.rmtree(project.path(f"results/runs/{child}"))
    project.snakemake(f"results/runs/{child}/record.json")
    after = project.records()
    assert after[child][1] == before[child][1]
    assert {run: when for run, (when, _) in after.items() if run != child} == {
        run: when for run, (when, _) in before.items() if run != child
    }
