"""Items in which there is little to see are folded, and say why."""

from __future__ import annotations

from dst_repro.plan.grid import Item
from dst_repro.report import folding
from tests import small


def item(kind: str = "figure", **params: object) -> Item:
    common = {"builder": "any", "experiments": ["e"], "title": "T", "caption": "C"}
    return Item.model_validate({"kind": kind, **common, "params": params})


FOUND = small.frames(
    small.run("set", 0, 0.9, density=0.1),
    small.run("set", 0, None, "missing", density=0.05),
    small.run("set", 0, None, "missing", density=0.02),
)
TWO = [{"cell": "a", "method": "set"}, {"cell": "b", "method": "set"}]


def test_an_item_that_mostly_waits_for_its_runs_is_folded() -> None:
    assert folding.reason(FOUND, item("table"), TWO) == "Only 1 of its 3 cells has a finished run."


def test_only_the_cells_that_it_shows_count() -> None:
    assert folding.reason(FOUND, item("table", where={"density": [0.1]}), TWO) == ""
    assert folding.reason(FOUND, item("table", where={"density": [0.1, 0.05]}), TWO) == ""  # half is enough


def test_a_figure_with_a_single_point_is_folded_and_a_table_is_not() -> None:
    single = {"where": {"density": [0.1]}}
    rows = [
        {"method": "set", "what": "mean"},
        {"method": "set", "what": "run"},
        {"method": "set", "what": "published"},
        {"method": "dense", "what": "mean"},
    ]
    assert folding.reason(FOUND, item(**single), rows) == "It has a single point."
    assert folding.reason(FOUND, item(**single), [*rows, {"method": "snip", "what": "mean"}]) == ""
    assert folding.reason(FOUND, item("table", **single), rows) == ""
    assert folding.reason(FOUND, item(**single), []) == ""  # not built, which is said there
