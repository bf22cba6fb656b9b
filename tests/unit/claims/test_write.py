"""Answers as readers see them."""

from __future__ import annotations

import pandas as pd

from dst_repro.claims.answering import COLUMNS
from dst_repro.claims.write import table


def test_a_sign_is_a_minus_and_a_hyphen_stays_one() -> None:
    evidence = "sparse-momentum at alpha 5e-6: -0.47 points [-0.6, +0.1]"
    (texts,) = table(pd.DataFrame([dict.fromkeys(COLUMNS, "") | {"stale": 0, "evidence": evidence}])).texts
    minus = "\N{MINUS SIGN}"
    assert texts[2] == f"sparse-momentum at alpha 5e-6: {minus}0.47 points [{minus}0.6, +0.1]"
