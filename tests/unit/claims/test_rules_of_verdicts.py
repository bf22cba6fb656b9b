"""Verdicts over many settings, against what is worked out by hand."""

from __future__ import annotations

import math

import pytest

from dst_repro.claims.base import brief, everywhere, few, gaps, mostly, of_share, overall, signs, used, when
from dst_repro.statistics.paired import Paired, paired
from dst_repro.statistics.summary import summarise
from dst_repro.tables.cells import cells
from dst_repro.tables.judging import accuracies
from dst_repro.words import how_many
from tests.small import frames, run

# differences of two seeds: mean 1, standard error 0.01, t = 100; at one degree of freedom p = 2 / pi * atan(1 / t)
UP = paired({0: 1.01, 1: 0.99}, {0: 0.0, 1: 0.0})
DOWN = paired({0: -1.01, 1: -0.99}, {0: 0.0, 1: 0.0})
# mean 1, standard error 2, t = 0.5, p = 0.70
MAYBE = paired({0: 3.0, 1: -1.0}, {0: 0.0, 1: 0.0})
MAYBE_NOT = paired({0: -3.0, 1: 1.0}, {0: 0.0, 1: 0.0})
ONE = paired({0: 1.0}, {0: 0.0})
ABOVE, AROUND, BELOW = (summarise(values) for values in ((1.0, 1.1), (-1.0, 1.1), (-1.0, -1.1)))
MEANS = {"ABOVE": ABOVE, "AROUND": AROUND, "BELOW": BELOW}
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
    [([ONE] * 9 + [MAYBE_NOT], "holds"), ([ONE] * 8 + [MAYBE_NOT] * 2, "inconclusive"), ([ONE] * 9 + [DOWN], "fails"),
     ([NONE], "not run")],
)  # fmt: skip
def test_most_are_above_and_none_significantly_below(found: list[Paired], verdict: str) -> None:
    assert mostly(found, ABOVE, 0.9) == verdict


@pytest.mark.parametrize(
    ("mean", "few", "many"),
    [
        ("ABOVE", "inconclusive", "holds"),
        ("AROUND", "inconclusive", "inconclusive"),
        ("BELOW", "fails", "inconclusive"),
    ],
)
def test_the_median_of_all_decides_together_with_the_share(mean: str, few: str, many: str) -> None:
    """Of one in two above zero, and of all."""
    assert mostly([ONE, MAYBE_NOT], MEANS[mean], 0.9) == few
    assert mostly([ONE, MAYBE], MEANS[mean], 0.9) == many
    assert mostly([ONE, MAYBE], MEANS[mean], 0.9, unknown=1) == "inconclusive"


def test_the_median_of_all_is_one_of_seeds_that_all_have() -> None:
    """Seeds 0 and 1: (1 + 3) / 2 and (2 + 6) / 2. Of one seed the cases are the units: 1 and 3. One is far off."""
    assert overall([{0: 1.0, 1: 2.0}, {0: 1.0, 1: 2.0}, {0: -40.0, 1: -60.0}]).mean == 1.5
    found = overall([{0: 1.0, 1: 2.0, 2: 9.0}, {0: 3.0, 1: 6.0}, {}])
    assert (found.n, found.mean) == (2, 3.0)
    assert overall([{0: 1.0}, {0: 3.0}]) == (2, 2.0, math.sqrt(2))
    assert overall([]).n == 0


def test_words() -> None:
    assert [how_many(n, "pair") for n in (0, 1, 2)] == ["0 pairs", "1 pair", "2 pairs"]
    assert few(["a", "b", "c"]) == "a, b, c"
    assert few(["a", "b", "c", "d", "e"]) == "a, b, c, and 2 more"
    assert brief(ONE) == "+1.00"
    assert brief(UP) == "+1.00 [+0.87, +1.13]"  # 12.7062 * 0.01
    assert signs([UP]).text == "1 of 1 above zero, 1 of them significantly; 0 significantly below"


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
