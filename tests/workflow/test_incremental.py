"""What is trained when something changes: exactly what the change touches."""

from __future__ import annotations

import os
import random
import shutil
import time

import pytest

from tests.workflow.conftest import EXPERIMENT, Project

pytestmark = pytest.mark.usefixtures("finished")


def changed(before: dict[str, tuple[int, bytes]], after: dict[str, tuple[int, bytes]]) -> set[str]:
    return {run for run in after if after[run] != before.get(run)}


def edit(project: Project, name: str, old: str, new: str) -> None:
    path = project.path(name)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def append(project: Project, name: str) -> None:
    path = project.path(name)
    path.write_text(path.read_text() + "\n\nANOTHER_LINE = 'of code'\n")


def test_a_second_call_has_nothing_to_do(finished: Project) -> None:
    started = time.monotonic()
    said = finished.snakemake()
    assert "Nothing to be done" in said
    assert time.monotonic() - started < 10


def test_one_seed_more_trains_only_its_runs(finished: Project) -> None:
    before = finished.records()
    finished.write_experiment({**EXPERIMENT, "sweep": {"seed": [0, 1, 2]}})
    finished.snakemake("aggregate")
    after = finished.records()
    assert len(after) == 9
    assert {run for run in changed(before, after) if "-s2-" not in run} == set()


@pytest.mark.slow
def test_one_seed_more_for_one_method_leaves_the_others_alone(finished: Project) -> None:
    before = finished.records()
    extra = {"set": {"method": "dense", "seed": 7}}
    experiment = {**EXPERIMENT, "sweep": {}, "blocks": [{"sweep": {"seed": [0, 1]}, **b} for b in EXPERIMENT["blocks"]]}
    finished.write_experiment({**experiment, "blocks": [*experiment["blocks"], extra]})
    finished.snakemake("aggregate")
    assert [run.split("-")[4] for run in changed(before, finished.records())] == ["dense"]
    assert len(finished.records()) == 7


@pytest.mark.slow
def test_one_value_more_trains_only_its_runs(finished: Project) -> None:
    before = finished.records()
    blocks = [*EXPERIMENT["blocks"], {"set": {"method": "dst"}, "sweep": {"method_params.alpha": [0.001]}}]
    finished.write_experiment({**EXPERIMENT, "blocks": blocks})
    assert finished.planned()["train"] == 1
    finished.snakemake("aggregate")
    new = changed(before, finished.records())
    assert len(new) == 2
    assert all("-dst-" in run for run in new)


@pytest.mark.slow
def test_an_edit_of_rigl_retrains_rigl_alone(finished: Project) -> None:
    before = finished.records()
    append(finished, "dst_repro/methods/rigl.py")
    assert finished.planned()["train"] == 1
    finished.snakemake()
    new = changed(before, finished.records())
    assert len(new) == 2
    assert all("-rigl-" in run for run in new)
    assert "Nothing to be done" in finished.snakemake()


@pytest.mark.slow
def test_under_keep_an_edit_of_rigl_trains_nothing_and_is_shown(finished: Project) -> None:
    finished.write_suite(policy="keep")
    finished.snakemake("aggregate")  # the policy is a parameter of the jobs, which find every run trained
    before = finished.records()
    append(finished, "dst_repro/methods/rigl.py")
    assert "train" not in finished.planned()
    finished.snakemake("--forcerun", "aggregate")
    assert finished.records() == before
    said = finished.call("-m", "dst_repro", "status").stdout
    stale = [line for line in said.splitlines() if "stale" in line and "-rigl-" in line]
    assert len(stale) == 2, said
    assert "stale" in finished.path("results/report.html").read_text()


@pytest.mark.slow
def test_comments_docstrings_and_figure_style_train_nothing(finished: Project) -> None:
    edit(finished, "dst_repro/methods/rigl.py", '"""RigL:', '"""Another docstring. RigL:')
    edit(
        finished,
        "dst_repro/training/evaluation.py",
        "EVALUATION_BATCH = 1000",
        "EVALUATION_BATCH = 1000  # a comment\n",
    )
    append(finished, "dst_repro/plots/style.py")
    assert "train" not in finished.planned()
    edit(finished, "dst_repro/training/evaluation.py", "EVALUATION_BATCH = 1000", "EVALUATION_BATCH = 999")
    assert finished.planned()["train"] == 3


@pytest.mark.slow
def test_a_clone_with_shuffled_times_trains_nothing(finished: Project) -> None:
    shutil.rmtree(finished.path(".snakemake"))  # a clone has no memory of how its files were made
    shutil.rmtree(finished.path("results/data"))
    rng = random.Random(0)
    for path in sorted(finished.folder.rglob("*")):
        if path.is_file():
            stamp = time.time() - rng.randrange(10_000_000)
            os.utime(path, (stamp, stamp))
    before = finished.records()
    assert not {"train", "data"} & set(finished.planned())
    finished.snakemake("figures")
    assert finished.records() == before


def test_a_changed_published_number_is_compared_again(finished: Project) -> None:
    csv = finished.path("dst_repro/published/snip.csv")
    csv.write_text(csv.read_text().replace("20 seeds", "twenty seeds"))
    planned = finished.planned()
    assert planned["compare"] == 1
    assert "train" not in planned


@pytest.mark.slow
def test_a_changed_table_or_figure_is_drawn_again_and_no_other(finished: Project) -> None:
    append(finished, "dst_repro/plots/sparsity_over_epochs.py")
    planned = finished.planned()
    assert planned["figure"] == 1
    assert not {"train", "table", "compare", "aggregate"} & set(planned)
    append(finished, "dst_repro/tables/pivot.py")
    assert {"figure", "table"} <= set(finished.planned())


def test_a_changed_page_is_written_again(finished: Project) -> None:
    append(finished, "dst_repro/templates/report.html.j2")
    planned = finished.planned()
    assert planned["report"] == 1
    assert not {"train", "aggregate", "figure"} & set(planned)
