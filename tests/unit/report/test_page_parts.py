"""What the page is made of: learning curves, links, and the figures at its top."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from dst_repro.plan.grid import Item
from dst_repro.report import items, links, runs


def test_a_learning_curve_goes_from_its_lowest_to_its_highest_value() -> None:
    rows = [("r", e, "test_accuracy", v) for e, v in ((1, 0.5), (2, 0.9), (3, 0.7))] + [("s", 1, "test_accuracy", 0.5)]
    (found,) = runs.curves(pd.DataFrame(rows, columns=["id", "epoch", "name", "value"])).values()  # of one epoch: none
    assert found == {"path": "M0 24l60-24l60 12", "said": "50.0 to 70.0 in 3 epochs, highest 90.0"}


def test_a_long_learning_curve_keeps_its_ends_and_few_points() -> None:
    rows = [("r", e, "test_accuracy", e / 1000) for e in range(1, 501)]
    (found,) = runs.curves(pd.DataFrame(rows, columns=["id", "epoch", "name", "value"])).values()
    steps = re.findall(r"l(\d+) ?(-?\d+)", found["path"])
    assert len(steps) == runs.POINTS - 1
    assert (sum(int(x) for x, _ in steps), sum(int(y) for _, y in steps)) == (runs.WIDTH, -runs.HEIGHT)


def test_a_number_leads_to_each_of_its_cells_that_the_page_has() -> None:
    made = links.to_cells('<td class="n" data-cells="a-1 b-2 c-3">9</td><td data-cells="c-3">8</td>', ["a-1", "b-2"])
    assert made == ('<td class="n"><a href="#1">9</a> <sup><a href="#2">2</a></sup></td><td>8</td>')


def test_a_citation_leads_to_its_paper() -> None:
    made = links.citation("A & B, arXiv 2005.06870")
    assert made == 'A &amp; B, <a href="https://arxiv.org/abs/2005.06870">arXiv 2005.06870</a>'


def entry(name: str, headline: bool = False, kind: str = "figure", content: str | None = "data:") -> dict[str, Any]:
    common = {"builder": "any", "experiments": ["e"], "title": name, "caption": ""}
    return {"item": Item(kind=kind, headline=headline, **common), "name": name, "content": content}


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
