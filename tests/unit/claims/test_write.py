"""Answers as readers see them."""

from __future__ import annotations

import pandas as pd

from dst_repro.claims.answering import COLUMNS
from dst_repro.claims.write import caption, table


def test_a_sign_is_a_minus_and_a_hyphen_stays_one() -> None:
    evidence = "sparse-momentum at alpha 5e-6: -0.47 points [-0.6, +0.1]"
    (texts,) = table(rows(("dst", "c0", "holds")).assign(evidence=evidence)).texts
    minus = "\N{MINUS SIGN}"
    assert texts[2] == f"sparse momentum at alpha 5e-6: {minus}0.47 points [{minus}0.6, +0.1]"


def rows(*claims: tuple[str, str, str]) -> pd.DataFrame:
    fields = [{"paper": paper, "claim": claim, "verdict": verdict} for paper, claim, verdict in claims]
    return pd.DataFrame([dict.fromkeys(COLUMNS, "") | {"stale": 0} | each for each in fields])


def test_claims_stand_by_paper_and_what_is_answered_comes_first() -> None:
    found = table(rows(("dst", "c0", "not run"), ("dst", "c1", "holds"), ("tost", "c2", "inconclusive"),
                       ("dst-small", "c3", "fails"), ("dst", "c4", "fails")))  # fmt: skip
    assert found.labels == [
        ("Dynamic Sparse Training", "c1"), ("Dynamic Sparse Training", "c4"), ("Dynamic Sparse Training", "c0"),
        ("Dynamic Sparse Training, reduced", "c3"), ("ToST", "c2"),
    ]  # fmt: skip


def test_one_is_no_plural() -> None:
    frame = rows(("dst", "c0", "holds"), ("dst", "c1", "fails"), ("dst", "c2", "fails"))
    assert caption(frame).startswith("3 claims: 1 holds, 2 fail, 0 are inconclusive, 0 are not run.")
    (texts,) = table(rows(("dst", "c0", "holds")).assign(stale=1)).texts
    assert texts[1] == "holds, 1 run stale"
