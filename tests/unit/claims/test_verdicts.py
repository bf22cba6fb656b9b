"""Verdicts over many settings, against what is worked out by hand."""

from __future__ import annotations

import math

import pytest

from dst_repro.claims.base import accuracies, everywhere, gaps, mostly, of_share, signs, used, when
from dst_repro.statistics.paired import Paired, paired
from dst_repro.tables.cells import cells
from tests.small import frames, run

# differences of two seeds: mean 1, standard error 0.01, t = 100; at one degree of freedom p = 2 / pi * atan(1 / t)
UP = paired({0: 1.01, 1: 0.99}, {0: 0.0, 1: 0.0})
DOWN = paired({0: -1.01, 1: -0.99}, {0: 0.0, 1: 0.0})
# mean 1, standard error 2, t = 0.5, p = 0.70
MAYBE = paired({0: 3.0, 1: -1.0}, {0: 0.0, 1: 0.0})
MAYBE_NOT = paired({0: -3.0, 1: 1.0}, {0: 0.0, 1: 0.0})
ONE = paired({0: 1.0}, {0: 0.0})
NONE = paired({0: 1.0}, {1: 0.0})


@pytest.mark.parametrize(
    ("hits", "cases", "unknown", "verdict"),
    [(8, 10, 0, "holds"), (7, 10, 0, "fails"), (8, 8, 2, "holds"), (7, 8, 2, "inconclusive"), (5, 8, 2, "fails"),
     (0, 0, 5, "not run"), (9, 10, 0, "holds")],
)  # fmt: skip
def test_a_share_of_all_cases_of_which_some_may_be_unknown(hits: int, cases: int, unknown: int, verdict: str) -> None:
    assert of_share(hits, cases, 0.8, unknown) == verdict


def test_a_share_is_exact() -> None:
    assert of_share(9, 10, 0.9) == "holds"
    assert of_share(3, 30, 0.1) == "holds"  # 0.1 * 30 is above 3 in floating point


def test_signs_are_corrected_together() -> None:
    assert math.isclose(UP.p, 2 * math.atan(0.01) / math.pi)
    assert signs([UP, DOWN, MAYBE, ONE, NONE]) == (4, 3, 1, 1)
    assert signs([UP] * 8) == (8, 8, 0, 0)  # 8 * 0.0064 = 0.051


@pytest.mark.parametrize(
    ("found", "verdict"),
    [([ONE] * 9 + [MAYBE_NOT], "holds"), ([ONE] * 8 + [MAYBE_NOT] * 2, "fails"), ([ONE] * 9 + [DOWN], "fails"),
     ([NONE], "not run")],
)  # fmt: skip
def test_most_are_above_and_none_significantly_below(found: list[Paired], verdict: str) -> None:
    assert mostly(signs(found), 0.9) == verdict


@pytest.mark.parametrize(
    ("found", "verdict"),
    [([UP, MAYBE], "holds"), ([UP, ONE], "inconclusive"), ([UP, MAYBE_NOT], "inconclusive"), ([UP, DOWN], "fails"),
     ([UP], "holds"), ([DOWN], "fails"), ([MAYBE], "inconclusive"), ([ONE], "inconclusive"), ([NONE], "not run")],
)  # fmt: skip
def test_all_are_above(found: list[Paired], verdict: str) -> None:
    assert everywhere(found) == verdict


def test_what_may_still_come_leaves_it_open() -> None:
    assert everywhere([UP, UP], unknown=1) == "inconclusive"
    assert everywhere([UP, DOWN], unknown=1) == "fails"
    assert everywhere([UP], unknown=1) == "inconclusive"


def test_runs_are_judged_by_the_last_epoch_where_nothing_is_held_out() -> None:
    best = {"best_on_validation.test_accuracy": 0.9, "validation": 0.1}
    rows = (run("dst", 0, 0.8, **best), run("dst", 1, None, "diverged", **best), run("set", 0, 0.7),
            run("set", 1, None, "missing"))  # fmt: skip
    known = cells(frames(*rows).runs)
    assert [accuracies(cell, "best_on_validation") for cell in known] == [{0: 90.0}, {0: 70.0}]
    assert accuracies(known[0], "last") == {0: 80.0}
    assert when(known, "best_on_validation") == "at the best epoch on images held out or at the last epoch"
    assert used(known) == (rows[0]["id"], rows[2]["id"])
    assert gaps(known) == "; runs: 1 diverged, 1 missing"
