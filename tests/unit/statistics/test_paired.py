"""Paired differences against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from dst_repro.statistics.paired import holm, paired


def test_differences_are_taken_seed_by_seed() -> None:
    """Differences 1, 2 and 3: mean 2, std 1, t = 2 sqrt(3), 2 degrees of freedom; seeds 3 and 4 have no pair."""
    found = paired({0: 11.0, 1: 22.0, 2: 33.0, 3: 5.0}, {0: 10.0, 1: 20.0, 2: 30.0, 4: 7.0})
    assert found[:3] == (3, 2.0, 1.0)
    half = 4.302653 / math.sqrt(3)  # Student's t at 97.5 % with 2 degrees of freedom
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))
    assert found.up == 3
    t = 2 * math.sqrt(3)
    assert found.p == pytest.approx(1 - t / math.sqrt(t**2 + 2))  # in closed form for 2 degrees of freedom


def test_of_one_seed_nothing_but_the_difference_is_known() -> None:
    found = paired({0: 1.0, 1: math.nan}, {0: 2.0, 1: 2.0})
    assert (found.n, found.mean, found.up) == (1, -1.0, 0)
    assert all(math.isnan(value) for value in (found.std, found.low, found.high, found.p))
    assert paired({}, {0: 1.0}).n == 0


@pytest.mark.parametrize("gain", [0.0, 2.0])
def test_equal_differences_are_no_test(gain: float) -> None:
    found = paired({0: 1 + gain, 1: 2 + gain}, {0: 1.0, 1: 2.0})
    assert math.isnan(found.p)
    assert (found.low, found.high) == (gain, gain)


def test_holm_by_hand() -> None:
    """The smallest of three times 3, the next times 2, the largest times 1, none below the one before."""
    assert holm([0.03, math.nan, 0.01, 0.02])[2:] == pytest.approx([0.03, 0.04])
    found = holm([0.03, math.nan, 0.01, 0.02])
    assert found[0] == pytest.approx(0.04)
    assert math.isnan(found[1])
    assert holm([]) == []
