"""Answers as readers see them."""

from __future__ import annotations

import pandas as pd

from dst_repro.claims.answering import COLUMNS
from dst_repro.claims.write import table


def test_a_sign_is_a_minus_and_a_hyphen_stays_one() -> None:
    evidence = "sparse-momentum at alpha 5e-6: -0.47 points [-0.6, +0.1]"
    (texts,) = table(pd.DataFrame([dict.fromkeys(COLUMNS, "") | {"stale": 0, "evidence": evidence}])).texts
    minus = "\N{MINUS SIGN}"
    assert texts[2] == f"sparse momentum at alpha 5e-6: {minus}0.47 points [{minus}0.6, +0.1]"


def test_what_is_answered_comes_first() -> None:
    """In the order of the papers otherwise."""
    verdicts = ["not run", "holds", "not run", "inconclusive", "fails"]
    rows = [dict.fromkeys(COLUMNS, "") | {"stale": 0, "claim": f"c{n}", "verdict": v} for n, v in enumerate(verdicts)]
    assert [label[1] for label in table(pd.DataFrame(rows)).labels] == ["c1", "c3", "c4", "c0", "c2"]
