"""A data set of one's own that is edited after training: what is told, and what is trained again."""

from __future__ import annotations

import os
import re

import pytest

from tests.own_data import write_arrays
from tests.unit.data.test_today import write_table
from tests.workflow.conftest import EXPERIMENT, Project

BASE = EXPERIMENT["base"] | {"dataset": "higgs", "dataset_params": {}, "model": "mlp-256-256", "validation": 0.0}
GRID = {"experiment": "tiny", "title": "One cell of own data, one of digits", "sweep": {"seed": [0, 1]}, "base": BASE,
        "blocks": [{"set": {"method": "dense"}},
                   {"set": {"method": "dense", "dataset": "digits", "model": "lenet-300-100"}}]}  # fmt: skip


def told(project: Project) -> list[str]:
    """Lines of `status` on stale runs of the own data set, and that there are no others."""
    lines = project.call("-m", "dst_repro", "status").stdout.splitlines()
    stale = [line for line in lines if "(stale)" in line]
    assert all(line.startswith("higgs-") for line in stale), lines
    return stale


@pytest.mark.slow
def test_edited_data_is_told_and_trained_again_where_the_suite_says_so(project: Project) -> None:
    own, table = project, project.path("data/higgs/higgs.csv")
    own.environment_extra = {"DST_DATA": str(own.path("data"))}
    write_table(own.path("data"))
    own.write_experiment(GRID)
    own.snakemake("aggregate")
    before = own.records()
    os.utime(table, (1e9, 1e9))  # another time alone is no edit
    assert told(own) == []
    assert "train" not in own.planned("aggregate")

    write_table(own.path("data"), first=0.25)
    lines = told(own)
    assert len(lines) == 2
    assert all(line.endswith("finished (stale): its data set was changed since") for line in lines)
    assert own.planned("aggregate")["train"] == 1
    own.snakemake("aggregate")
    after = own.records()
    assert {run for run in after if after[run] != before[run]} == {run for run in after if run.startswith("higgs-")}
    assert told(own) == []
    assert "Nothing to be done" in own.snakemake("aggregate")

    table.unlink()  # records are read without it
    assert told(own) == []
    assert "Nothing to be done" in own.snakemake("aggregate")

    own.write_suite(policy="keep")
    write_table(own.path("data"))
    assert len(told(own)) == 2
    own.snakemake("aggregate")
    assert own.records() == after

    table.write_text("no table")
    said = own.call("-m", "dst_repro", "status").stdout
    assert told(own) == []
    assert f"not compared with their data set: higgs: {table} is not the table" in said


@pytest.mark.slow
def test_data_of_ones_own_from_two_files(project: Project) -> None:
    """Each is found and verified once, and trained on."""
    for seed, name in enumerate(("one", "other")):
        write_arrays(project.path(f"data/{name}.npz"), seed=seed)
    base: dict[str, object] = {**EXPERIMENT["base"], "dataset": "arrays"}  # type: ignore[dict-item]
    sweep = {"dataset_params": [{"path": "one.npz"}, {"path": "other.npz"}], "seed": [0]}
    project.write_experiment({**EXPERIMENT, "base": base, "sweep": sweep})
    project.environment_extra = {"DST_DATA": str(project.path("data"))}
    project.snakemake("aggregate")
    assert len(project.records()) == 6
    found = [path.name for path in project.path("results/data/arrays").iterdir()]
    assert len(found) == 2
    assert all(re.fullmatch(r"[0-9a-f]{8}\.json", name) for name in found)
    assert "Nothing to be done" in project.snakemake("aggregate")
    project.path("data/one.npz").unlink()
    assert "one.npz: there is no such file" in project.snakemake("aggregate", "--forceall", ok=False)
