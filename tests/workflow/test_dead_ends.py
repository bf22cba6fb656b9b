"""A missing record is always trained, whatever was made of it before, and a finished run when asked for."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import first_of
from tests.workflow.conftest import EXPERIMENT, Project

pytestmark = pytest.mark.usefixtures("finished")


@pytest.mark.parametrize("target", [[], ["figures"]])
@pytest.mark.slow
def test_a_run_that_was_removed_is_trained_again(finished: Project, target: list[str]) -> None:
    before = finished.records()
    gone = sorted(before)[0]
    shutil.rmtree(finished.path("results/runs") / gone)
    finished.snakemake(*target)
    after = finished.records()
    assert {run for run in after if after[run][0] != before[run][0]} == {gone}
    assert after[gone][1] == before[gone][1]
    assert "Nothing to be done" in finished.snakemake(*target)


@pytest.mark.parametrize("name", ["record.json", "history.parquet"])
@pytest.mark.slow
def test_a_damaged_file_of_a_run_is_told_and_mended_as_that_says(finished: Project, name: str) -> None:
    """No table calls the run missing, and none is drawn with what is left of it."""
    before = finished.records()
    run = sorted(before)[0]
    path = finished.path("results/runs") / run / name
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    for _ in range(2):
        said = finished.snakemake(ok=False)
        (line,) = {line for line in said.splitlines() if line.startswith("dst_repro: ")}
        assert run in line
        assert line.endswith("remove its folder, and the run is trained again")
        assert "missing" not in finished.path("results/tiny/tiny-accuracy.md").read_text()
    shutil.rmtree(path.parent)
    finished.snakemake()
    after = finished.records()
    assert {r: record for r, (_, record) in after.items()} == {r: record for r, (_, record) in before.items()}
    assert {r for r in after if after[r][0] != before[r][0]} == {run}


@pytest.mark.parametrize(
    ("name", "rules"),
    first_of([("results/tiny/runs.parquet", {"aggregate"}), ("results/tiny/tiny-accuracy.tex", {"table"}),
     ("figures/tiny/tiny-epochs.pdf", {"figure"}), ("results/tiny/comparison.csv", {"compare"}),
     ("results/tiny/claims.md", {"claims"}), ("results/tiny/scorecard.md", {"scorecard"}),
     ("results/tiny/report.html", {"report"})]),
)  # fmt: skip
@pytest.mark.slow
def test_any_file_that_was_removed_is_made_again(finished: Project, name: str, rules: set[str]) -> None:
    before = finished.path(name).read_bytes()
    finished.path(name).unlink()
    planned = set(finished.planned())
    assert rules <= planned
    assert not {"train", "data"} & planned
    finished.snakemake()
    assert finished.path(name).read_bytes() == before
    assert "Nothing to be done" in finished.snakemake()


@pytest.mark.slow
def test_all_runs_that_were_removed_are_trained_again(finished: Project) -> None:
    before = finished.records()
    shutil.rmtree(finished.path("results/runs"))
    finished.snakemake()
    after = finished.records()
    assert {run: record for run, (_, record) in after.items()} == {run: record for run, (_, record) in before.items()}


@pytest.mark.slow
def test_a_failed_run_that_is_tried_again_is_trained(finished: Project) -> None:
    """A method that breaks, then one that is mended: the record stays until another try is asked for."""
    finished.write_suite(policy="keep")
    source = finished.path("dst_repro/methods/set.py")
    right = source.read_text()
    source.write_text(right.replace("super().update(steps_done)", "raise ValueError('broken')"))
    for folder in finished.path("results/runs").glob("*-set-*"):
        shutil.rmtree(folder)
    finished.snakemake(ok=False)
    source.write_text(right)
    failed = [run for run, (_, record) in finished.records().items() if b'"status": "failed"' in record]
    assert len(failed) == 2
    assert "train" not in finished.planned()
    said = finished.call("-m", "dst_repro", "status", "--retry").stdout
    assert all(f"{run}  removed" in said for run in failed)
    finished.snakemake()
    assert all(b'"status": "finished"' in record for _, record in finished.records().values())


@pytest.mark.slow
def test_a_run_that_ends_before_its_first_step_leaves_all_files_and_every_table(finished: Project) -> None:
    """The child of a network that diverged has nothing to begin with; it says so, and the suite goes on."""
    blocks = [
        *EXPERIMENT["blocks"],
        {"set": {"method": "one-shot", "density": 0.1, "weights_from": {"method": "dense", "learning_rate": 1.0e9}}},
    ]
    finished.write_experiment({**EXPERIMENT, "blocks": blocks})
    finished.snakemake()
    children = [record for run, (_, record) in finished.records().items() if "-one-shot-" in run]
    assert len(children) == 2
    assert all(b'"status": "diverged"' in record for record in children)
    assert all(b"which diverged" in record for record in children)
    assert "one-shot" in finished.path("results/tiny/tiny-accuracy.md").read_text()
    assert "Nothing to be done" in finished.snakemake()


@pytest.mark.parametrize("force", [["--forceall"], ["--forcerun", "train"]])
@pytest.mark.slow
def test_finished_runs_are_trained_again_when_forced(finished: Project, force: list[str]) -> None:
    before = finished.records()
    finished.snakemake(*force)
    after = finished.records()
    assert all(after[run][0] != before[run][0] for run in before)
    assert all(after[run][1] == before[run][1] for run in before)
    assert "Nothing to be done" in finished.snakemake()


@pytest.mark.slow
def test_one_record_that_is_forced_is_trained_again_with_its_cell(finished: Project) -> None:
    before = finished.records()
    run = sorted(before)[0]
    finished.snakemake("--forcerun", f"results/runs/{run}/record.json")
    after = finished.records()
    assert {r for r in after if after[r][0] != before[r][0]} == {r for r in before if r[:-13] == run[:-13]}


def test_another_policy_or_what_else_keeps_a_run_starts_no_job(finished: Project) -> None:
    finished.write_suite(policy="keep")
    assert "train" not in finished.planned()
