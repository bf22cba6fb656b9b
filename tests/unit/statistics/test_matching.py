"""Accuracy at a density between those that were reached: worked out by hand."""

from __future__ import annotations

import math

import pytest

from dst_repro.records.sparsest import with_sparsest
from dst_repro.statistics.matching import Point, at_density, match
from tests import small

# log 2 / log 4 = 1/2: from 1 to 4 %, 2 % is half way; from 4 to 16 %, 8 % is
CURVE = [Point(16, 97, "c"), Point(4, 96, "b"), Point(1, 90, "a")]  # by rising alpha


@pytest.mark.parametrize(
    ("density", "value", "between"),
    [
        (2, 93, ("a", "b")),
        (8, 96.5, ("b", "c")),
        (4, 96, ("b",)),
        (4.019, 96, ("b",)),  # within 0.5 %: the same density
        (1, 90, ("a",)),
        (0.9951, 90, ("a",)),
        (16, 97, ("c",)),
    ],
)
def test_a_straight_line_over_log_density(density: float, value: float, between: tuple[str, ...]) -> None:
    found = at_density(CURVE, density)
    assert found is not None
    assert found.value == pytest.approx(value)
    assert found.between == between


def test_the_neighbours_count_and_nothing_else() -> None:
    # from 4 to 5 %: log(4.5 / 4) / log(5 / 4) = 0.52783
    found = at_density([Point(16, 97, "c"), Point(5, 90, "d"), Point(4, 96, "b")], 4.5)
    assert found is not None
    assert found.value == pytest.approx(96 - 6 * 0.527832)
    assert found.between == ("b", "d")


def test_neighbours_are_those_in_the_sweep_not_in_density() -> None:
    # with resets the largest alpha may end denser than smaller ones: the first pair that encloses 2 % is (4, 1)
    found = at_density([*CURVE, Point(2.1, 50, "reset"), Point(1.5, 40, "again")], 2)
    assert found is not None
    assert (found.value, found.between) == (pytest.approx(93), ("a", "b"))
    found = at_density([Point(1, 90, "a"), Point(16, 97, "c"), Point(4, 96, "b")], 8)
    assert found is not None
    assert found.between == ("a", "c")


@pytest.mark.parametrize("density", [0.9, 16.2, 50])
def test_nothing_is_extrapolated(density: float) -> None:
    assert at_density(CURVE, density) is None
    assert at_density(CURVE[:1], density) is None
    assert at_density([], density) is None


def test_an_empty_network_is_no_point() -> None:
    assert at_density([Point(0, 10, "empty"), Point(4, 96, "b")], 2) is None
    assert at_density([Point(1, math.nan, "lost"), Point(4, 96, "b")], 2) is None


def test_seeds_have_curves_of_their_own() -> None:
    # at 2 %: seed 0 has 93; seed 1, between 1 % and 2.0001 %, has what it has at 2.0001 %; seed 2 ends at 3 %
    curves = {
        0: CURVE,
        1: [Point(1, 80, "a"), Point(2.0001, 94, "b")],
        2: [Point(3, 91, "a"), Point(9, 95, "b")],
        3: [],
    }
    found = match(curves, 2)
    assert found.values == {0: pytest.approx(93), 1: 94}
    assert found.outside == {2: (3, 9)}
    assert found.between == ("a", "b")


def test_the_sparsest_epoch_is_the_latest_of_the_sparsest() -> None:
    runs = [small.run("dst", 0, 0.9), small.run("dense", 1, 0.9), small.run("set", 2, None, "failed", density=0.1)]
    frames = small.frames(*runs)
    history = frames.history.iloc[:0]
    densities = {runs[0]["id"]: [0.5, 0.02, 0.8, 0.02, 0.7], runs[1]["id"]: [1.0] * 5, runs[2]["id"]: [0.1] * 5}
    rows = []
    for run, values in densities.items():
        rows.append((run, 0, 0, "fc1", "kept", 1.0))  # before training
        for epoch, value in enumerate(values, start=1):
            rows += [(run, epoch, epoch, "", "density", value), (run, epoch, epoch, "", "test_accuracy", epoch / 10)]
    history = small.pd.DataFrame(rows, columns=small.HISTORY)
    found = with_sparsest(small.Frames(frames.runs, history)).set_index("method")
    assert found.loc["dst", ["sparsest.epoch", "sparsest.density", "sparsest.test_accuracy"]].tolist() == [4, 0.02, 0.4]
    assert found.loc["dense", "sparsest.epoch"] == 5
    assert math.isnan(found.loc["set", "sparsest.density"])
    assert math.isnan(found.loc["dst", "sparsest.validation_accuracy"])
    assert len(found) == 3
