"""A missing record is always trained, whatever was made of it before, and a finished run when asked for."""

from __future__ import annotations

import shutil

import pytest

from tests.workflow.conftest import Project

pytestmark = pytest.mark.usefixtures("finished")


@pytest.mark.parametrize("target", [[], ["figures"]])
def test_a_run_that_was_removed_is_trained_again(finished: Project, target: list[str]) -> None:
    before = finished.records()
    gone = sorted(before)[0]
    shutil.rmtree(finished.path("results/runs") / gone)
    finished.snakemake(*target)
    after = finished.records()
    assert {run for run in after if after[run][0] != before[run][0]} == {gone}
    assert after[gone][1] == before[gone][1]
    assert "Nothing to be done" in finished.snakemake(*target)


def test_all_runs_that_were_removed_are_trained_again(finished: Project) -> None:
    before = finished.records()
    shutil.rmtree(finished.path("results/runs"))
    finished.snakemake()
    after = finished.records()
    assert {run: record for run, (_, record) in after.items()} == {run: record for run, (_, record) in before.items()}


def test_a_failed_run_that_is_tried_again_is_trained(finished: Project) -> None:
    run = sorted(finished.records())[0]
    record = finished.path(f"results/runs/{run}/record.json")
    record.write_text(record.read_text().replace('"status": "finished"', '"status": "failed"'))
    assert f"{run}  removed" in finished.call("-m", "dst_repro", "status", "--retry").stdout
    finished.snakemake()
    assert '"status": "finished"' in record.read_text()


@pytest.mark.parametrize("force", [["--forceall"], ["--forcerun", "train"]])
def test_finished_runs_are_trained_again_when_forced(finished: Project, force: list[str]) -> None:
    before = finished.records()
    finished.snakemake(*force)
    after = finished.records()
    assert all(after[run][0] != before[run][0] for run in before)
    assert all(after[run][1] == before[run][1] for run in before)
    assert "Nothing to be done" in finished.snakemake()


def test_one_record_that_is_forced_is_trained_again_with_its_cell(finished: Project) -> None:
    before = finished.records()
    run = sorted(before)[0]
    finished.snakemake("--forcerun", f"results/runs/{run}/record.json")
    after = finished.records()
    assert {r for r in after if after[r][0] != before[r][0]} == {r for r in before if r[:-13] == run[:-13]}


def test_another_policy_or_what_else_keeps_a_run_starts_no_job(finished: Project) -> None:
    finished.write_suite(policy="keep")
    assert "train" not in finished.planned()
