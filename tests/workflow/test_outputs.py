"""What a finished suite leaves behind, and how failures show."""

from __future__ import annotations

import copy
import json
import re
import shutil
from html.parser import HTMLParser

import pandas as pd
import pytest
import yaml

from dst_repro.cli import drawing
from dst_repro.plan.grid import load_suite
from dst_repro.records.frames import read
from tests.workflow.conftest import EXPERIMENT, ROOT, Project


def test_every_file_is_there(finished: Project) -> None:
    names = ["report.html", "comparison.csv", "tiny/runs.parquet", "tiny/history.parquet", "tiny/comparison.md"]
    names += [f"tiny/tiny-accuracy.{suffix}" for suffix in ("csv", "md", "tex", "html")]
    for name in names:
        assert finished.path(f"results/{name}").stat().st_size > 0
    for suffix in ("svg", "pdf", "png", "csv"):
        assert finished.path(f"figures/tiny/tiny-epochs.{suffix}").stat().st_size > 0
    assert not list(finished.folder.glob("results/.checkpoints/*.pt"))


def test_a_record_says_what_it_is(finished: Project) -> None:
    for path in finished.folder.glob("results/runs/*/record.json"):
        record = json.loads(path.read_text())
        assert record["id"] == path.parent.name
        assert record["status"] == "finished"
        assert {"dataset", "model", "method", "seed"} <= set(record["config"])
        assert record["config"]["dataset"] == "digits"
        assert not re.search(r"second|host|20\d\d-", path.read_text()), "only what is deterministic"


def test_the_seeds_of_a_cell_share_a_process(finished: Project) -> None:
    logs = list(finished.folder.glob("results/logs/train/*.log"))
    assert len(logs) == 3
    for log in logs:
        assert set(re.findall(r"-s(\d)-", log.read_text())) == {"0", "1"}
        assert "epoch 2/2" in log.read_text()


BROKEN = """

def _no_room(*_: object) -> bool:
    raise ValueError("no room")


SET.after_backward = _no_room
"""


@pytest.mark.slow
def test_diverged_and_failed_runs_are_outcomes(project: Project) -> None:
    experiment = copy.deepcopy(EXPERIMENT)
    experiment["sweep"] = {"seed": [0]}
    experiment["blocks"] = [
        {"set": {"method": "dense"}},
        {"set": {"method": "static", "density": 0.5, "learning_rate": 1.0e9}},
        {"set": {"method": "set", "density": 0.5, "model": "lenet-300-100"}},
    ]
    project.write_experiment(experiment)
    path = project.path("dst_repro/methods/set.py")
    good = path.read_text()
    path.write_text(good + BROKEN)

    said = project.snakemake(ok=False)
    assert "check" in said  # the last rule, after everything is drawn
    records = {
        json.loads(content)["config"]["method"]: json.loads(content) for _, content in project.records().values()
    }
    assert records["dense"]["status"] == "finished"
    assert records["static"]["status"] == "diverged"
    assert "at step" in records["static"]["reason"]
    assert records["set"]["status"] == "failed"
    assert records["set"]["reason"] == "ValueError: no room"
    table = project.path("results/tiny/tiny-accuracy.md").read_text()
    assert "s0 diverged" in table
    assert "s0 failed" in table
    assert "ValueError" in project.path("results/report.html").read_text()

    path.write_text(good)
    said = project.call("-m", "dst_repro", "status", "--retry").stdout
    assert "removed" in said
    project.snakemake()
    methods = {
        json.loads(content)["config"]["method"]: json.loads(content)["status"]
        for _, content in project.records().values()
    }
    assert methods == {"dense": "finished", "static": "diverged", "set": "finished"}


def test_the_snakemake_report_is_a_page(finished: Project) -> None:
    finished.snakemake("--report", "page.html")
    page = finished.path("page.html").read_text()
    assert "tiny-epochs" in page
    assert "Density and accuracy." in page


class Scripts(HTMLParser):
    """The scripts of a page, as a browser finds them, and the names of all its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.elements: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.add(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data


@pytest.mark.slow
def test_titles_and_captions_are_text_in_the_snakemake_report(finished: Project) -> None:
    before = Scripts(report(finished))
    evil = '<script>x</script> & "q"'
    finished.write_suite(title=evil)
    path = finished.path("config/papers/tiny.yaml")
    paper = yaml.safe_load(path.read_text())
    for item in paper["items"].values():
        item |= {"title": evil, "caption": f".. raw:: html\n\n   <u>{evil}</u> |g|/|w|, `x`_ {{name}}"}
    path.write_text(yaml.safe_dump(paper))
    finished.write_experiment(EXPERIMENT | {"title": evil})
    finished.snakemake()
    page = report(finished)
    found = Scripts(page)
    assert "<script>x" not in page
    assert len(found.scripts) == len(before.scripts)
    assert found.elements == before.elements
    (results,) = (text for text in found.scripts if text.strip().startswith("var results = "))
    about = json.loads(results.strip().removeprefix("var results = ").removesuffix(";"))
    shown = [result for name, result in about.items() if "tiny-" in name]
    assert len(shown) == 2
    for result in shown:
        assert result["labels"]["item"].replace("\u2060", "") == evil
        caption = result["caption"].replace("\u2060", "")
        assert ".. raw:: html &lt;u&gt;&lt;script&gt;x&lt;/script&gt; &amp; " in caption
        assert "|g|/|w|, `x`_ {name}" in caption


def report(project: Project) -> str:
    project.snakemake("--report", "page.html")
    return project.path("page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["mnist", "fashion-small", "mnist-masks"])
@pytest.mark.slow
def test_committed_campaigns_are_redrawn_without_training(project: Project, name: str) -> None:
    shutil.copytree(ROOT / "config", project.path("config"), dirs_exist_ok=True)
    shutil.copytree(ROOT / "results/runs", project.path("results/runs"), ignore=shutil.ignore_patterns("digits-*"))
    project.environment_extra = {"DST_DATA": str(project.path("nowhere"))}
    before = project.records()
    config = f"config/{name}.yaml"
    suite = load_suite(ROOT / config)
    assert set(suite.runs) <= set(before)
    assert not {"train", "train_1", "data"} & set(project.planned("figures", "--configfile", config))
    project.snakemake(f"results/{name}/runs.parquet", "--configfile", config)
    assert project.records() == before
    frames = read(project.path(f"results/{name}"))
    for file, item in suite.files("figure").items():  # here, since a job for each figure takes minutes
        drawing.item(frames, suite.items[item], project.path(f"figures/{name}"), file)
        ours, kept = (pd.read_csv(root / f"figures/{name}/{file}.csv") for root in (project.folder, ROOT))
        pd.testing.assert_frame_equal(ours, kept, rtol=1e-9)
        assert project.path(f"figures/{name}/{file}.svg").stat().st_size > 0
