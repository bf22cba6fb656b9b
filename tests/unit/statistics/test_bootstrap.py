"""Bootstrap intervals of the mean."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dst_repro.statistics.bootstrap import interval
from dst_repro.statistics.summary import COLUMNS, columns, summarise


def test_below_five_values_there_is_none() -> None:
    assert all(map(math.isnan, interval([1.0, 2.0, 3.0, 4.0])))


def test_equal_values_have_no_width() -> None:
    assert interval([2.0] * 5) == (2.0, 2.0)


def test_it_is_always_the_same() -> None:
    values = [1.0, 2.0, 4.0, 8.0, 16.0]
    assert interval(values) == interval(values)
    assert interval(values)[0] > min(values)


def test_of_many_normal_values_it_is_students() -> None:
    values = [float(v) for v in np.random.default_rng(1).normal(size=2000)]
    assert interval(values) == pytest.approx(summarise(values).interval(), abs=4e-3)


def test_skewed_values_have_an_interval_that_is_skewed() -> None:
    """Which Student's is not."""
    values = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 10.0]
    low, high = interval(values)
    mean = summarise(values).mean
    assert high - mean > 2 * (mean - low)


def test_columns_of_tables() -> None:
    found = columns([1.0, 2.0, 3.0, 4.0, 5.0, math.nan])
    assert tuple(found) == COLUMNS
    assert (found["n"], found["mean"]) == (5, 3)
    assert found["high"] - 3 == pytest.approx(2.7764 * math.sqrt(2.5 / 5), abs=1e-3)  # t(0.975, 4)
    assert 1 < found["bootstrap_low"] < 3 < found["bootstrap_high"] < 5
