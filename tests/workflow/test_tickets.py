"""Lottery tickets: one chain a seed, shared by all experiments that use it, and never trained twice."""

from __future__ import annotations

import pytest
import yaml

from tests.workflow.conftest import EXPERIMENT, Project

TICKETS = {"method": "imp", "method_params": {"scope": "global"}, "mask_from": {"method": "dense"}}


def chain(rounds: int, **more: object) -> dict[str, object]:
    densities = [round(0.8**k, 6) for k in range(1, rounds + 1)]
    return {"set": TICKETS, "through": "mask_from", "rounds": {"density": densities}, **more}


def tickets(project: Project, rounds: int) -> None:
    """Two experiments: all rounds; and half of them, with two controls after the last of these."""
    project.write_experiment({**EXPERIMENT, "blocks": [chain(rounds)]})
    half = rounds // 2
    given: dict[str, object] = {"method": "given-mask", "method_params": {}, "density": None}
    after = {"density": [round(0.8**half, 6)]}
    controls = [
        {"after": after, "set": given | {"initialisation": "redrawn"}},
        {"after": after, "set": given | {"method_params": {"positions": "shuffled"}}},
    ]
    other = {**EXPERIMENT, "experiment": "other", "blocks": [chain(half, then=controls)]}
    project.path("config/experiments/other.yaml").write_text(yaml.safe_dump(other))
    project.write_suite("keep", items=[], experiments=["tiny", "other"])


def test_sixteen_rounds_are_one_chain_a_seed(project: Project) -> None:
    tickets(project, 16)
    assert project.planned()["train"] == 1 + 16 + 2, "the dense network, the rounds, the controls; a job has both seeds"


@pytest.fixture
def halfway(project: Project) -> Project:
    """Killed when the second of four rounds was just done."""
    tickets(project, 4)
    project.kill_when(lambda: any(project.folder.glob("results/runs/*-imp-d0.64-s1-*/record.json")))
    return project


@pytest.mark.slow
def test_a_chain_goes_on_after_its_last_finished_round(halfway: Project) -> None:
    before = halfway.records()
    finished = [run for run in before if any(part in run for part in ("-dense-", "-imp-d0.8-", "-imp-d0.64-"))]
    assert len(finished) == 2 * 3
    halfway.snakemake("--unlock")
    halfway.snakemake("--rerun-incomplete")
    after = halfway.records()
    assert len(after) == 2 * (1 + 4 + 2)
    assert {run: after[run] for run in finished} == {run: before[run] for run in finished}
    assert "Nothing to be done" in halfway.snakemake()
