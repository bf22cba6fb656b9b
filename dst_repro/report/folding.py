"""Which items the page folds, because there is little in them yet, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dst_repro.plan.grid import Item
from dst_repro.records.frames import Frames
from dst_repro.tables.cells import select

ENOUGH = 0.5
"""Share of an item's cells that have a finished run."""
BESIDE = {"what": ("run", "published"), "source": ("published",), "method": ("dense",)}
"""Column -> values of the rows of a figure that are no points of ours: single seeds, printed numbers, levels."""


def reason(frames: Frames, item: Item, drawn: Iterable[Mapping[str, str]]) -> str:
    """One sentence, or nothing for an item that is shown. `drawn` are the rows of the CSV beside a figure."""
    runs = select(frames.of(item.experiments).runs, item.params.get("where", {}))
    begun, known = runs.loc[runs["status"] == "finished", "cell"].nunique(), runs["cell"].nunique()
    if begun < ENOUGH * known:
        return f"Only {begun} of its {known} cells {'has' if begun == 1 else 'have'} a finished run."
    if item.kind == "figure" and len(points(drawn)) == 1:
        return "It has a single point."
    return ""


def points(drawn: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    """The rows that are points of our own."""
    return [row for row in drawn if not any(row.get(column) in values for column, values in BESIDE.items())]
