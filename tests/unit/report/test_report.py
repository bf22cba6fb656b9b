"""The report is one file that loads nothing, hides no run, and escapes what it did not write."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from dst_repro import compare
from dst_repro.claims.answering import answers
from dst_repro.plan.grid import Item, Paper, Suite, plan
from dst_repro.records import record
from dst_repro.records.frames import Frames, aggregate
from dst_repro.report import page, terminal
from dst_repro.report.links import anchor

NASTY = 'Odd <b>title</b> & "quotes"'
VOID = {"meta", "link", "img", "br", "input"}


class Page(HTMLParser):
    """Checks nesting while it reads; keeps what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "few.yaml").write_text(
        "experiment: few\ntitle: Few & short\nreduced: 1 <epoch>\n"
        "base: {dataset: digits, model: lenet-300-100, learning_rate: 0.1, epochs: 1}\n"
        "sweep: {seed: [0, 1, 2, 3]}\n"
        "blocks:\n  - set: {method: dense}\n  - set: {method: set, density: 0.1}\n"
    )
    config = {"suite": "tiny", "title": NASTY, "experiments": ["few"], "config_dir": str(tmp_path),
              "results_dir": str(tmp_path / "results")}  # fmt: skip
    bare = plan(config)
    common = {"builder": "any", "experiments": ["few"]}
    items = {
        "table": Item(kind="table", title="A table", caption="Of <numbers>.", **common),
        "figure": Item(kind="figure", title="A figure", caption="Of <lines>.", **common),
        "absent": Item(kind="figure", title="Later", caption="Not yet.", **common),
    }
    paper = Paper(paper="p", title="Paper & more", citation="Someone, 2020", items=items)
    return replace(bare, items={f"p/{name}": item for name, item in items.items()}, papers={"p": paper})


@pytest.fixture
def frames(suite: Suite) -> Frames:
    """Dense: two finished, one of them stale, one diverged, one missing. SET: all finished."""
    frames = aggregate(suite, Path(suite.file.results_dir))
    runs = frames.runs.copy()
    done = runs.index[~((runs["method"] == "dense") & (runs["seed"] > 1))]
    runs.loc[done, "status"] = "finished"
    runs.loc[done, "last.test_accuracy"] = 0.95 + runs.loc[done, "seed"] / 100
    runs.loc[done, "last.density"] = runs.loc[done, "density"].fillna(1.0)
    runs.loc[done, "wall_seconds"] = 2.5
    runs.loc[runs.index[1], ["stale", "trained_at"]] = [True, "0123abc"]
    runs.loc[runs.index[2], ["status", "reason"]] = ["diverged", "loss <inf> at step 7"]
    return Frames(runs, frames.history)


@pytest.fixture
def built(suite: Suite, frames: Frames, tmp_path: Path) -> str:
    """The report, with a table, a figure, and the machine of one run."""
    own = Path(suite.file.results_dir) / "tiny"
    figures = tmp_path / "figures"
    own.mkdir(parents=True)
    figures.mkdir()
    ids = list(frames.runs["id"])
    cell = frames.runs["cell"].iloc[4]
    field = f'<td data-cells="{cell}">96.3</td>'
    (own / "p-table.html").write_text(f"<!doctype html><html><body><table><tr>{field}</tr></table></body></html>")
    rows = f"dataset,model,method,setting,cell,text,runs\ndigits,m,set,10 %,{cell},96.3,{ids[4]} {ids[5]}\n"
    (own / "p-table.csv").write_text(rows)
    (figures / "p-figure.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    machine = {"processor": "A <chip>", "commit": None, "device": "cpu", "versions": {"torch": "2.13.0"}}
    folder = record.folder(Path(suite.file.results_dir), ids[0])
    folder.mkdir(parents=True)
    (folder / "runtime.json").write_text(json.dumps(machine))
    path = page.write(suite, frames, compare.comparison(frames), answers(suite, frames), own, figures)
    assert path == own / "report.html"
    return path.read_text()


def test_it_is_one_well_formed_document_that_loads_nothing(built: str):
    shown = Page(built)
    assert shown.all("html") == [{"lang": "en"}]
    for tag, attributes in shown.tags:
        for name, value in attributes.items():
            if name in ("src", "srcset", "action", "data", "poster") or (tag, name) == ("link", "href"):
                assert (value or "").startswith("data:"), (name, value)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", built)
    assert not any("src" in attributes for attributes in shown.all("script"))


def test_links_lead_somewhere_and_ids_are_unique(built: str):
    shown = Page(built)
    ids = [a["id"] for _, a in shown.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = {str(a["href"]) for a in shown.all("a")}
    targets = {link[1:] for link in links if link.startswith("#")}
    assert targets
    assert targets <= set(ids)
    assert all(link.startswith(("#", "../", "https://arxiv.org/")) for link in links)


def test_links_to_files_lead_there_from_both_copies_of_the_page(built: str, tmp_path: Path):
    """`results/tiny/report.html`, and `results/report.html`, which the workflow makes of it."""
    files = {str(a["href"]) for a in Page(built).all("a") if str(a["href"]).startswith("../")}
    assert {Path(file).name for file in files} >= {"p-table.csv", "p-figure.svg", "record.json", "comparison.csv"}
    for file in files:
        if Path(file).name in ("p-table.csv", "p-figure.svg"):
            assert (tmp_path / "results" / "tiny" / file).is_file()
            assert (tmp_path / "results" / file.removeprefix("../")).is_file()


def test_it_can_be_read_aloud(built: str):
    shown = Page(built)
    levels = [int(tag[1]) for tag, _ in shown.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert all(a.get("alt") for a in shown.all("img"))
    assert all(a.get("scope") in ("col", "row", "rowgroup") for a in shown.all("th"))


def test_special_characters_are_escaped(built: str):
    shown = Page(built)
    for words in (NASTY, "Few & short", "1 <epoch>", "A <chip>", "loss <inf> at step 7", "Of <lines>.", "Paper & more"):
        assert words in shown.text
    assert not shown.all("b")
    assert not shown.all("epoch")


def records(shown: Page) -> list[str]:
    """The runs whose records the page leads to."""
    return [a["href"].split("/")[-2] for a in shown.all("a") if a.get("href", "").endswith("/record.json")]


def test_every_run_and_every_count_is_there(built: str, frames: Frames):
    shown = Page(built)
    rows = [a["id"] for a in shown.all("tr") if "id" in a]
    machines = [row for row in rows if re.fullmatch(r"E\d+", row)]
    assert machines == [f"E{n}" for n in range(1, len(machines) + 1)]
    assert sorted(records(shown)) == sorted(frames.runs.loc[frames.runs["status"] != "missing", "id"])
    unfinished = frames.runs.loc[frames.runs["status"] != "finished", "id"]  # what the list of these leads to
    assert [row for row in rows if row not in machines] == list(unfinished)
    for words in (
        "8 runs planned",
        "6 runs finished",
        "1 runs diverged",
        "1 runs missing",
        "1 runs stale",
    ):
        assert words in shown.text
    assert shown.text.count("stale, trained at commit 0123abc") == 2  # above, and beside the run
    assert "not trained" in shown.text
    assert "95.50 ± 0.71 (2)" in shown.text  # dense: 95 and 96


def test_items_and_where_their_numbers_come_from(built: str, frames: Frames):
    shown = Page(built)
    assert built.count("<!doctype html>") == 1  # of the table's page only the table
    assert "96.3" in shown.text
    assert shown.all("img")[0]["src"] == "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>"
    assert "Not built: this figure has no file yet." in shown.text
    cells = list(dict.fromkeys(frames.runs["cell"]))
    table, figure = (built[built.index(f"{name}</h3>") :].partition("<h3")[0] for name in ("A table", "A figure"))
    assert f'<td><a href="#{anchor(cells[1])}">96.3</a></td>' in table
    assert [f"#{anchor(cell)}" in table for cell in cells] == [False, True]  # of the cells that its CSV names
    assert all(f"#{anchor(cell)}" in figure for cell in cells)
    assert f'<tbody id="{anchor(cells[1])}">' in built
    assert "../runs/" + frames.runs["id"].iloc[0] + "/record.json" in built


def test_the_scorecard_comes_first(built: str):
    first = re.findall(r"<(?:h2|nav)[ >][^>]*", built)
    assert first[0] == '<h2 id="scorecard"'
    assert "How much of each paper came out again" in Page(built).text


def test_what_is_only_planned_is_folded(suite: Suite, frames: Frames, tmp_path: Path):
    runs = frames.runs.copy()
    dense = runs["method"] == "dense"
    runs["experiments"] = [["few"] if d else ["later"] for d in dense]
    runs.loc[~dense, "status"] = "missing"
    part = Frames(runs, frames.history)
    items = dict(suite.items) | {"p/later": suite.items["p/table"].model_copy(update={"experiments": ["later"]})}
    items["p/both"] = suite.items["p/figure"].model_copy(update={"experiments": ["few", "later"]})
    text = page.render(
        replace(suite, items=items), part, compare.comparison(part), answers(suite, part), tmp_path, tmp_path
    )
    shown = Page(text)
    assert "1 more tables and figures wait for their first finished run" in shown.text
    assert "A table table of later: 4 runs planned" in shown.text
    assert "experiments of which no run has a record" not in shown.text
    nothing = Frames(runs.assign(status="missing"), frames.history)
    bare = Page(
        page.render(suite, nothing, compare.comparison(nothing), answers(suite, nothing), tmp_path, tmp_path)
    ).text
    assert "1 experiments of which no run has a record few: Few & short 8 runs, reduced: 1 <epoch>" in bare
    assert "1 cells of which no run has a record" in shown.text
    assert records(shown) == list(runs.loc[runs["status"] != "missing", "id"])
    (cell,) = set(runs.loc[~dense, "cell"])
    assert f"{cell}: s0 s1 s2 s3" in shown.text  # one line
    assert 'id="p-later"' not in text
    assert f'"#{anchor(cell)}"' not in text  # nothing leads to a cell that has no place


def test_environment_and_comparison(built: str):
    shown = Page(built)
    for words in ("E1 A <chip>, cpu, torch 2.13.0 1", "0123abc"):
        assert words in shown.text
    assert "0 of 1,360 distinct published numbers" in shown.text
    assert "1394 other numbers are of data sets, models or methods that no run of this suite has" in shown.text
    assert "0 numbers that no run answers" in shown.text


def test_it_is_the_same_twice(suite: Suite, frames: Frames, tmp_path: Path):
    comparison = compare.comparison(frames)
    first, second = (
        page.render(suite, frames, comparison, answers(suite, frames), tmp_path, tmp_path) for _ in range(2)
    )
    assert first == second
    assert "No run has left a" in first


def test_the_comparison_page_is_well_formed_too(frames: Frames, tmp_path: Path):
    frame = compare.comparison(frames)
    frame.loc[0, ["verdict", "reason", "cell"]] = ["worse", "<script>alert(1)</script>", "c<d"]
    compare.write(frame, tmp_path)
    shown = Page((tmp_path / "comparison.html").read_text())
    assert len(shown.all("script")) == 1
    assert [a["data-cells"] for a in shown.all("td") if "data-cells" in a] == ["c<d"]
    assert "<script>alert(1)</script>" in shown.text


def test_the_summary_names_what_is_missing(frames: Frames):
    text = terminal.text(frames, Path("results/report.html"))
    lines = text.splitlines()
    assert lines[1] == "lenet-300-100, digits"
    assert lines[2] == "  dense  100.0 %: 95.5 ± 0.7 (2)"
    assert lines[3] == "  set     10.0 %: 96.5 ± 1.3 (4)"  # 95 to 98: variance 5/3, sd 1.291
    assert lines[4].startswith("1 diverged: digits-lenet-300-100-dense-s2-")
    assert lines[5].startswith("1 missing: digits-lenet-300-100-dense-s3-")
    assert lines[-1] == "report: results/report.html"


def test_the_summary_stays_short(frames: Frames):
    many = pd.concat([frames.runs.assign(model=f"net-{i}") for i in range(30)], ignore_index=True)
    lines = terminal.text(Frames(many, frames.history), Path("r.html")).splitlines()
    assert len(lines) <= 25
    assert "... the other nets and methods stand in the report" in lines
    assert lines[-1] == "report: r.html"


def test_the_summary_shows_the_ends_of_a_long_sweep(frames: Frames):
    dense = frames.runs[(frames.runs["method"] == "dense") & (frames.runs["seed"] == 0)]
    sweep = [dense.assign(cell=f"c{i}", **{"last.density": i / 10}) for i in range(1, 8)]
    line = terminal.text(Frames(pd.concat(sweep), frames.history), Path("r")).splitlines()[2]
    assert re.findall(r"([\d.]+) %:", line) == ["70.0", "40.0", "10.0"]
    assert line.endswith("[3 of 7 cells]")
