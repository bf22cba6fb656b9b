"""Each field of a table says from which cell it comes."""

from __future__ import annotations

import re

from dst_repro.tables import render
from dst_repro.tables.pivot import PivotParams, pivot
from tests.unit.tables.test_tables import SMALL, frames


def test_each_field_names_the_cell_that_it_comes_from() -> None:
    table = pivot(frames(*SMALL), PivotParams(metrics=("accuracy", "difference")))
    found = re.findall(r'<td data-cells="([^"]+)">([^<]+)</td>', render.html_fragment(table, "T", "c"))
    told = table.long[table.long["text"] != ""]
    assert sorted(found) == sorted(zip(told["cell"], told["text"], strict=True))
    assert 0 < len(found) < len(table.long)  # dense has no difference to itself, and no link
