"""Claims about accuracy at a density, and about density at a parameter: frames where they hold, fail, or neither."""

from __future__ import annotations

import math

import pytest

from dst_repro.claims.at_density import dense_beside, known, of_method, own, reached
from dst_repro.claims.close_to_dense import CloseToDenseParams, close_to_dense
from dst_repro.claims.density_at_parameter import DensityAtParams, density_at_parameter
from dst_repro.claims.drop_below import DropBelowParams, drop_below
from dst_repro.claims.monotone import MonotoneParams, monotone
from dst_repro.claims.no_cost import NoCostParams, no_cost
from dst_repro.errors import ConfigError
from dst_repro.records.frames import Frames
from tests.small import frames, run
from tests.unit.claims.by_hand import Row, dense, dst, unfinished

DENSE = [dense(seed, 94.0 + seed / 10) for seed in range(3)]


def curve(*points: tuple[float, float, float], seeds: int = 3, noise: tuple[float, ...] = (0.0, 0.1, 0.2)) -> list[Row]:
    """(alpha, density, accuracy) of seed 0; the others lie higher, as the dense networks do."""
    return [
        dst(alpha, seed, density, accuracy + noise[seed])
        for alpha, density, accuracy in points
        for seed in range(seeds)
    ]


# VGG-16 at 8.82 %: published 93.93 - 93.75 = +0.18, the margin of CIFAR-10 is 0.5, so at least -0.32
CLOSE = CloseToDenseParams(published="dst/Table 2", model="vgg-16", percent=8.82)


@pytest.mark.parametrize(
    ("accuracy", "noise", "verdict"),
    [(93.8, (0.0, 0.1, 0.2), "holds"), (93.5, (0.0, 0.1, 0.2), "fails"),
     # differences -0.5, -0.2, 0.1: mean -0.2, half an interval 4.3027 * 0.3 / sqrt 3 = 0.745
     (93.5, (0.0, 0.4, 0.8), "inconclusive")],
)  # fmt: skip
def test_close_to_dense(accuracy: float, noise: tuple[float, ...], verdict: str) -> None:
    rows = [*DENSE, *curve((1e-6, 8.82, accuracy), noise=noise)]
    answer = close_to_dense(frames(*rows), CLOSE)
    assert answer.verdict == verdict
    mean = accuracy - 94.0 + sum(n - s / 10 for s, n in enumerate(noise)) / 3
    assert answer.statistic == pytest.approx(mean)
    assert answer.threshold == pytest.approx(-0.32)
    assert len(answer.runs) == 6


def test_close_to_dense_is_interpolated_over_log_density() -> None:
    # sqrt(4 * 16) = 8 lies halfway between 4 and 16 in log density: (93 + 94) / 2 = 93.5
    params = CLOSE.model_copy(update={"percent": 3.76, "tolerance": 0.0})
    rows = curve((1e-6, 3.76 * 4, 94.0), (1e-5, 3.76 / 4, 93.0), seeds=1)
    answer = close_to_dense(frames(DENSE[0], *rows), params)
    assert answer.statistic == pytest.approx(93.5 - 94.0)
    assert answer.threshold == pytest.approx(93.02 - 93.75)
    assert answer.verdict == "inconclusive"  # one seed has no interval
    assert "best on test -0.50 points (1 seed)" in answer.evidence


def test_seeds_that_do_not_reach_the_density_are_named() -> None:
    rows = [*DENSE, *curve((1e-6, 8.82, 93.8), seeds=2), unfinished(1e-6, 2, "diverged")]
    answer = close_to_dense(frames(*rows), CLOSE)
    assert answer.evidence.endswith("; without seed 2 (seed 2 diverged)")
    assert close_to_dense(frames(*DENSE, *curve((1e-6, 20.0, 94.0))), CLOSE).verdict == "not run"
    assert close_to_dense(frames(*curve((1e-6, 8.82, 94.0))), CLOSE).verdict == "not run"


def test_a_number_that_no_item_prints_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"prints no accuracy of dst on vgg-16 at 9 %"):
        close_to_dense(frames(*DENSE), CLOSE.model_copy(update={"percent": 9.0}))


def test_the_dense_network_of_the_same_pipeline_is_the_one_beside() -> None:
    other = dense(0, 90.0, config='{"seed": 0, "learning_rate": 0.5}', cell="other", id="other-s0")
    found = known(frames(other, *DENSE, dst(1e-6, 0, 8.0, 93.0)), {})
    (sparse,) = of_method(found, "dst")
    beside = dense_beside(found, sparse)
    assert beside is not None
    assert beside.runs[0]["id"] == DENSE[0]["id"]
    assert own(beside, sparse)
    assert not own(found[0], sparse)


def test_a_run_that_was_asked_for_the_density_answers() -> None:
    rows = [run("set", seed, accuracy, density=0.05) for seed, accuracy in ((0, 0.9), (1, 0.8))]
    lost = run("set", 2, None, "missing", density=0.05)
    found = reached(known(frames(*rows, lost), {}), 5.0)
    assert found.values == {0: pytest.approx(90.0), 1: pytest.approx(80.0)}
    assert found.without == "; without seed 2 (seed 2 missing)"


def density(*percents: float) -> Frames:
    return frames(*(dst(5e-6, seed, percent, 93.0) for seed, percent in enumerate(percents)))


# 8.82 % within 15 %: from 7.497 to 10.143
@pytest.mark.parametrize(
    ("percents", "verdict", "off"),
    [((8.7, 8.8, 8.9), "holds", 8.8 / 8.82 - 1), ((11.9, 12.0, 12.1), "fails", 12 / 8.82 - 1),
     ((5.9, 6.0, 6.1), "fails", 6 / 8.82 - 1), ((8.0, 10.0, 12.0), "inconclusive", 10 / 8.82 - 1),
     ((8.82,), "inconclusive", 0.0)],
)  # fmt: skip
def test_density_at_a_parameter(percents: tuple[float, ...], verdict: str, off: float) -> None:
    answer = density_at_parameter(density(*percents), DensityAtParams(published=("dst/Table 2",), model="vgg-16"))
    assert answer.verdict == verdict
    assert answer.statistic == pytest.approx(100 * off)
    assert math.isnan(answer.threshold) or answer.threshold == pytest.approx(15.0)


def test_densities_that_have_no_run_leave_it_open() -> None:
    params = DensityAtParams(published=("dst/Table 2", "dst/Fig. 7(b)"), model="vgg-16")
    answer = density_at_parameter(density(8.7, 8.8, 8.9), params)
    assert answer.verdict == "inconclusive"
    assert answer.evidence.endswith("1 of 2 printed densities have no run")
    assert density_at_parameter(density(12.0, 12.1, 12.0), params).verdict == "fails"
    assert density_at_parameter(frames(*DENSE), params).verdict == "not run"


@pytest.mark.parametrize(
    ("densities", "verdict", "rho"),
    [((50.0, 20.0, 5.0), "holds", -1.0),
     # ranks 1 2 3 and 3 1 2: 1 - 6 * (4 + 1 + 1) / (3 * 8) = -0.5
     ((50.0, 5.0, 20.0), "fails", -0.5)],
)  # fmt: skip
def test_monotone(densities: tuple[float, ...], verdict: str, rho: float) -> None:
    rows = curve(*((10.0**-p, d, 90.0) for p, d in zip((7, 6, 5), densities, strict=True)), seeds=2)
    answer = monotone(frames(*rows), MonotoneParams())
    assert (answer.verdict, answer.statistic) == (verdict, pytest.approx(rho))
    assert len(answer.runs) == 6


def test_monotone_needs_two_seeds_three_values_and_few_diverged_runs() -> None:
    points = ((1e-7, 50.0, 90.0), (1e-6, 20.0, 90.0), (1e-5, 5.0, 90.0))
    assert monotone(frames(*curve(*points, seeds=1)), MonotoneParams()).verdict == "inconclusive"
    assert monotone(frames(*curve(*points[:2])), MonotoneParams()).verdict == "inconclusive"
    assert monotone(frames(*curve(*points[:1])), MonotoneParams()).verdict == "not run"
    lost = monotone(frames(*curve(*points), unfinished(1e-5, 3, "diverged")), MonotoneParams())
    assert lost.verdict == "fails"  # 1 of 4
    assert "more than 25 % of the runs diverged, asked 20 %" in lost.evidence
    tolerant = monotone(frames(*curve(*points), unfinished(1e-5, 3, "diverged")), MonotoneParams(diverged=0.25))
    assert tolerant.verdict == "holds"


@pytest.mark.parametrize(
    ("low", "verdict", "by_intervals"),
    [(93.75, "holds", "holds"), (93.6, "fails", "fails")],
)
def test_no_cost(low: float, verdict: str, by_intervals: str) -> None:
    made = frames(*DENSE, *curve((1e-7, 40.0, 94.0), (1e-6, 15.0, low), (1e-5, 5.0, 80.0)))
    answer = no_cost(made, NoCostParams())
    assert (answer.verdict, answer.statistic) == (verdict, pytest.approx(low - 94.0))
    assert no_cost(made, NoCostParams(by="intervals")).verdict == by_intervals
    assert len(answer.runs) == 9  # those at 5 % do not count


def test_no_cost_where_seeds_scatter_or_lack() -> None:
    # differences -0.5, 0, 0.5: mean 0, half an interval 4.3027 * 0.5 / sqrt 3 = 1.24
    scattered = frames(*DENSE, *curve((1e-7, 40.0, 93.5), noise=(0.0, 0.6, 1.2)))
    assert no_cost(scattered, NoCostParams()).verdict == "holds"
    assert no_cost(scattered, NoCostParams(by="intervals")).verdict == "inconclusive"
    assert no_cost(frames(DENSE[0], dst(1e-7, 0, 40.0, 94.0)), NoCostParams()).verdict == "inconclusive"
    partly = no_cost(frames(*DENSE, *curve((1e-7, 40.0, 94.0)), unfinished(1e-6, 0)), NoCostParams())
    assert partly.verdict == "inconclusive"
    assert partly.evidence.endswith("1 of 2 cells have no finished run")
    assert no_cost(frames(*DENSE, *curve((1e-5, 5.0, 94.0))), NoCostParams()).verdict == "not run"


# 20, 8 and 3.5 % are points of the curve
@pytest.mark.parametrize(
    ("accuracies", "verdict", "fall"),
    [((94.0, 93.8, 93.0), "holds", 0.8), ((94.0, 93.8, 93.5), "fails", 0.3), ((95.0, 93.8, 93.0), "fails", 0.8)],
)
def test_drop_below(accuracies: tuple[float, float, float], verdict: str, fall: float) -> None:
    alphas, densities = (1e-6, 1e-5, 1e-4), (20.0, 8.0, 3.5)
    made = frames(*curve(*zip(alphas, densities, accuracies, strict=True)))
    answer = drop_below(made, DropBelowParams())
    assert (answer.verdict, answer.statistic, answer.threshold) == (verdict, pytest.approx(fall), 0.5)
    alone = drop_below(made, DropBelowParams(larger_than_from=None))
    assert alone.verdict == ("fails" if fall < 0.5 else "holds")


def test_drop_below_where_the_sweep_ends_early_or_seeds_scatter() -> None:
    short = frames(*curve((1e-6, 20.0, 94.0), (1e-5, 5.0, 93.0)))
    assert drop_below(short, DropBelowParams()).verdict == "not run"
    low = frames(*curve((1e-5, 8.0, 94.0), (1e-4, 3.5, 93.0)))
    assert drop_below(low, DropBelowParams()).verdict == "inconclusive"  # nothing at 20 %
    one = frames(*curve((1e-6, 20.0, 94.0), (1e-5, 8.0, 93.8), (1e-4, 3.5, 93.0), seeds=1))
    assert drop_below(one, DropBelowParams()).verdict == "inconclusive"
