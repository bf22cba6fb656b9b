"""A suite with `train: false` takes the records that are there, and trains nothing."""

from __future__ import annotations

import shutil

import pandas as pd
import pytest

from tests.workflow.conftest import Project

pytestmark = pytest.mark.usefixtures("finished")


def statuses(project: Project) -> dict[str, str]:
    runs = pd.read_parquet(project.path("results/tiny/runs.parquet"))
    return dict(zip(runs["id"], runs["status"], strict=True))


@pytest.mark.slow
def test_nothing_is_trained_and_a_record_that_comes_or_goes_is_noticed(finished: Project) -> None:
    before = finished.records()
    lost = sorted(before)[0]
    away = finished.folder / "away"
    shutil.move(finished.path("results/runs") / lost, away)
    finished.write_suite(policy="keep", train=False)
    finished.snakemake()
    assert set(finished.records()) == set(before) - {lost}
    assert statuses(finished) == {run: "missing" if run == lost else "finished" for run in before}
    page = finished.path("results/report.html").read_text()
    assert f'id="{lost}"' in page
    assert "How much of each paper came out again" in page
    assert finished.path("results/scorecard.md").read_bytes() == finished.path("results/tiny/scorecard.md").read_bytes()
    assert "Nothing to be done" in finished.snakemake()
    said = finished.call("-m", "dst_repro", "status", "--strict")
    assert said.returncode == 0
    assert "without a record: 1 runs; this suite trains nothing" in said.stdout

    shutil.move(away, finished.path("results/runs") / lost)  # with the times that it had
    planned = finished.planned()
    assert {"aggregate", "compare", "claims", "scorecard", "report", "latest"} <= set(planned)
    assert not {"train", "data"} & set(planned)
    finished.snakemake()
    assert set(statuses(finished).values()) == {"finished"}
    assert finished.records() == before
    assert "Nothing to be done" in finished.snakemake()

    shutil.rmtree(finished.path("results/runs"))
    finished.snakemake()
    assert set(statuses(finished).values()) == {"missing"}
    assert not finished.records()


def test_a_record_that_is_half_there_is_told(finished: Project) -> None:
    finished.write_suite(policy="keep", train=False)
    run = sorted(finished.records())[0]
    (finished.path("results/runs") / run / "history.parquet").unlink()
    said = finished.snakemake(ok=False)
    assert f"dst_repro: {run}: its history is missing or damaged" in said


def test_who_asks_for_training_is_told(finished: Project) -> None:
    finished.write_suite(policy="keep", train=False)
    run = sorted(finished.records())[0]
    for command in (["train", run], ["queue", "config/config.yaml"], ["status", "--retry"]):
        said = finished.call("-m", "dst_repro", *command)
        assert said.returncode == 2
        assert said.stderr == "dst_repro: tiny: train: is false: this suite takes the records that are there\n"
    assert "6 runs in 3 cells" in finished.call("-m", "dst_repro", "list").stdout
