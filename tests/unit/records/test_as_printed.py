"""What DST's released LSTM code prints for a density, out of the history."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from dst_repro.records.as_printed import as_printed, density, recorded
from dst_repro.records.frames import Frames
from tests import small

RUNS = pd.DataFrame({"id": ["a", "b"], "numel": [200.0, 400.0]})


def history(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=small.HISTORY).astype({"id": "category", "name": "category"})


def test_sums_over_layers_by_weights() -> None:
    """(30 - 10) / 200 and (90 + 30) / 400; what is kept is no part of it."""
    rows = history(
        ("a", 6, 1, "one", "kept_as_printed", 30.0), ("a", 6, 1, "two", "kept_as_printed", -10.0),
        ("a", 6, 1, "one", "kept", 50.0), ("b", 6, 2, "one", "kept_as_printed", 90.0),
        ("b", 6, 2, "two", "kept_as_printed", 30.0), ("b", 6, 1, "one", "kept_as_printed", 400.0),
    )  # fmt: skip
    assert as_printed(Frames(RUNS, rows)) == {("a", 1): 0.1, ("b", 2): 0.3, ("b", 1): 1.0}


def test_nothing_where_nothing_was_recorded() -> None:
    assert as_printed(Frames(RUNS, history(("a", 6, 1, "one", "kept", 50.0)))) == {}
    assert as_printed(Frames(RUNS.drop(columns="numel"), history())) == {}


def test_the_density_of_an_epoch() -> None:
    printed = {("a", 2): 0.1}
    row = {"id": "a", "last.density": 0.13, "last.epoch": 2.0, "best.density": 0.2, "best.epoch": 1.0}
    row |= {"none.density": None, "none.epoch": math.nan}
    assert density(row, "last", printed) == 0.1
    assert density(row, "best", printed) == 0.2  # of that epoch there is no other
    assert density(row | {"id": "b"}, "last", printed) == 0.13
    assert math.isnan(density(row, "none", printed))


@pytest.mark.parametrize(("runs", "found"), [(["a"], True), (["b", "a"], True), (["b"], False), ([], False)])
def test_who_recorded_it(runs: list[str], found: bool) -> None:
    assert recorded(runs, {("a", 2): 0.1}) == found
