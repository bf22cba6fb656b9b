"""What the page is made of: learning curves, links, and the figures at its top."""

from __future__ import annotations

import json
import re
from typing import Any

import pandas as pd
import pytest

from dst_repro.plan.grid import Item
from dst_repro.report import claims, items, links, runs
from dst_repro.tables import names


def test_a_learning_curve_goes_from_its_lowest_to_its_highest_value() -> None:
    rows = [("r", e, "test_accuracy", v) for e, v in ((1, 0.5), (2, 0.9), (3, 0.7))] + [("s", 1, "test_accuracy", 0.5)]
    (found,) = runs.curves(pd.DataFrame(rows, columns=["id", "epoch", "name", "value"])).values()  # of one epoch: none
    assert found == {"path": "M0 24l60-24 60 12", "said": "50.0 to 70.0 in 3 epochs, highest 90.0"}


def test_a_long_learning_curve_keeps_its_ends_and_few_points() -> None:
    rows = [("r", e, "test_accuracy", e / 1000) for e in range(1, 501)]
    (found,) = runs.curves(pd.DataFrame(rows, columns=["id", "epoch", "name", "value"])).values()
    steps = re.findall(r"(\d+) ?(-?\d+)", found["path"].partition("l")[2])
    assert len(steps) == runs.POINTS - 1
    assert (sum(int(x) for x, _ in steps), sum(int(y) for _, y in steps)) == (runs.WIDTH, -runs.HEIGHT)


def test_a_number_leads_to_each_of_its_cells_that_the_page_has() -> None:
    made = links.to_cells('<td class="n" data-cells="a-1 b-2 c-3">9</td><td data-cells="c-3">8</td>', ["a-1", "b-2"])
    assert made == ('<td class="n"><a href="#1">9</a> <sup><a href="#2">2</a></sup></td><td>8</td>')


def test_the_first_row_of_each_paper_is_where_its_numbers_are() -> None:
    rows = '<tr data-paper="dst"><td><tr data-paper="dst"><td><tr data-paper="rigl"><td>'
    marked = rows.replace('"dst"', '"dst" id="numbers-dst"', 1).replace('"rigl"', '"rigl" id="numbers-rigl"')
    assert links.to_papers(rows) == marked


def test_settings_say_what_a_run_starts_from_but_not_the_whole_chain() -> None:
    chain = {"method": "imp", "mask_from": {"density": 0.5, "mask_from": {"method": "dense"}}}
    config = json.dumps({"epochs": 2, "mask_from": chain, "method_params": {"scope": "global"}})
    assert runs._settings(config) == "epochs 2, mask_from {method imp, mask_from …}, method_params {scope global}"


@pytest.mark.parametrize(
    ("told", "same"),
    [
        ([("E1", "abc"), ("E1", "abc")], ("E1", "abc")),
        ([("E1", "abc"), (None, None)], ("E1", "abc")),
        ([("E1", "abc"), ("E2", "abc")], None),
        ([(None, None)], None),
    ],
)
def test_what_all_runs_of_a_cell_were_computed_by(told: list[tuple[str, str]], same: tuple[str, str] | None) -> None:
    assert runs._same(pd.DataFrame(told, columns=["environment", "trained_at"])) == same


def test_claims_stand_with_their_paper_also_those_of_its_reduced_items() -> None:
    every = pd.DataFrame(
        [("r1", "c-1", "dst", "lenet-300-100", "mnist")], columns=["id", "cell", "method", "model", "dataset"]
    )
    rows = [("tost-small", "holds", "r1"), ("dst", "fails", "r1"), ("tost", "not run", "")]
    answers = pd.DataFrame(rows, columns=["paper", "verdict", "runs"]).assign(evidence="less by -0.1")
    found = claims.by_paper(answers, every)
    assert list(found) == ["tost", "dst"]
    assert [row["verdict"] for row in found["tost"].answered] == ["holds"]
    assert [row["verdict"] for row in found["tost"].waiting] == ["not run"]
    assert found["dst"].answered[0]["cells"] == {"DST, LeNet-300-100, MNIST": ["c-1"]}
    assert found["dst"].answered[0]["evidence"] == "less by \N{MINUS SIGN}0.1"


@pytest.mark.parametrize(("slug", "title", "called"), [
    ("dst", "", "Dynamic Sparse Training"), ("mine", "Mine: more", "Mine"), ("mine", "", "mine"),
    ("tost-small", "", "ToST, reduced"),
])  # fmt: skip
def test_a_paper_is_called_by_its_short_name(slug: str, title: str, called: str) -> None:
    assert names.paper(slug, title) == called


def test_a_figure_and_a_table_of_one_title_say_which_is_which() -> None:
    shown = [entry("a"), entry("a", kind="table"), entry("b")]
    items._entitle(shown)
    assert [one["title"] for one in shown] == ["a (figure)", "a (table)", "b"]


def test_a_citation_leads_to_its_paper() -> None:
    made = links.citation("A & B, arXiv 2005.06870")
    assert made == 'A &amp; B, <a href="https://arxiv.org/abs/2005.06870">arXiv 2005.06870</a>'


def entry(name: str, headline: bool = False, kind: str = "figure", content: str | None = "data:") -> dict[str, Any]:
    common = {"builder": "any", "experiments": ["e"], "title": name, "caption": ""}
    return {"item": Item(kind=kind, headline=headline, **common), "name": name, "content": content, "folded": ""}


@pytest.mark.parametrize(
    ("shown", "first"),
    [
        ([[entry("a"), entry("b", True)], [entry("c"), entry("d", True)]], ["b", "d", "a"]),
        ([[entry("a", True), entry("b", True), entry("c", True)], [entry("d", True)]], ["a", "d", "b"]),
        ([[entry("t", kind="table"), entry("a"), entry("gone", content=None)]], ["a"]),
        ([], []),
    ],
)
def test_marked_figures_come_first_one_of_each_paper(shown: list[list[dict[str, Any]]], first: list[str]) -> None:
    found = items.headlines(items.Items(of, []) for of in shown)
    assert [one["name"] for one in found] == first
