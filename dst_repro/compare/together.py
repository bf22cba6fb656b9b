"""The verdicts of one published table judged together: Holm's correction over all its tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dst_repro.statistics.paired import holm
from dst_repro.statistics.ranking import LEVEL
from dst_repro.statistics.verdicts import DIFFERENT


def corrected(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with `p_holm`, corrected over all rows with a `p` of the same paper and item.

    The verdict stays what the test of its own number says; one of a difference that is not significant among so many
    says so in its reason.
    """
    families: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(rows):
        if not math.isnan(row.get("p", math.nan)):
            families.setdefault((row["paper"], row["item"]), []).append(place)
    found = [dict(row) for row in rows]
    for places in families.values():
        for place, p in zip(places, holm([rows[place]["p"] for place in places]), strict=True):
            found[place] |= {"p_holm": p} | _told(rows[place], p, len(places))
    return found


def _told(row: dict[str, Any], p: float, tests: int) -> dict[str, Any]:
    if row["verdict"] not in DIFFERENT or p < LEVEL:
        return {}
    said = f"not significant among the {tests} tests of {row['item']} (p {row['p']:.2g}, by Holm {p:.2g})"
    return {"reason": f"{row['reason']}; {said}"}
