"""The tests that answers are made of."""

from __future__ import annotations

import pytest

from dst_repro.claims.base import Verdict, decided, settled
from dst_repro.statistics.summary import summarise


@pytest.mark.parametrize(
    ("verdict", "seeds", "expected"),
    [("holds", [2, 3], "holds"), ("holds", [1, 3], "inconclusive"), ("fails", [5, 0], "inconclusive"),
     ("fails", [2], "fails"), ("not run", [0], "not run"), ("holds", [], "inconclusive")],
)  # fmt: skip
def test_one_seed_settles_nothing(verdict: Verdict, seeds: list[int], expected: str) -> None:
    assert settled(verdict, seeds) == expected


@pytest.mark.parametrize(
    ("values", "by", "expected"),
    [([-0.2, -0.3], "means", "holds"), ([-0.3, -0.4], "means", "fails"), ([-0.1], "means", "inconclusive"),
     # mean -0.25, standard error 0.05, times 12.7062 is 0.64: from -0.89 to 0.39
     ([-0.2, -0.3], "intervals", "inconclusive"), ([1.0, 1.0], "intervals", "holds")],
)  # fmt: skip
def test_means_or_intervals_decide(values: list[float], by: str, expected: str) -> None:
    assert decided(summarise(values), -0.3, by) == expected  # type: ignore[arg-type]
