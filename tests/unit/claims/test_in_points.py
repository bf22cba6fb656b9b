"""Rules that compare two treatments, or two groups, in points: values by hand."""

from __future__ import annotations

import pytest

from dst_repro.claims.always_below import BelowParams, always_below
from dst_repro.claims.closer import CloserParams, closer
from dst_repro.claims.frequent_updates import FrequentParams, frequent_updates
from dst_repro.claims.gamma_of_mest import GammaParams, gamma_of_mest
from tests.small import frames
from tests.unit.claims.grids import pruned

Rows = list[dict[str, object]]


def sensitivities(lower: tuple[float, ...], higher: tuple[float, ...], density: float) -> Rows:
    return pruned("sensitivity", *lower, density=density) + pruned("reciprocal-sensitivity", *higher, density=density)


@pytest.mark.parametrize(
    ("second", "verdict", "share"),
    [((80, 81), "holds", 1.0), ((90.5, 89.7), "inconclusive", 0.5), ((90.99, 91.01), "fails", 0.5)],
)
def test_below_in_every_setting(second: tuple[float, ...], verdict: str, share: float) -> None:
    """Of 90 and 90 in the second setting: 10 and 9 below; 0.5 above and 0.3 below; 1 above, significantly."""
    rows = sensitivities((80, 82), (90, 91), 0.05) + sensitivities(second, (90, 90), 0.2)
    answer = always_below(frames(*rows), BelowParams())
    assert (answer.verdict, answer.statistic, answer.threshold) == (verdict, share, 1.0)
    assert len(answer.runs) == 8


def test_below_needs_seeds_of_both() -> None:
    assert always_below(frames(*pruned("sensitivity", 80, 81)), BelowParams()).verdict == "not run"
    rows = sensitivities((80,), (90,), 0.05) + sensitivities((80,), (90,), 0.2)
    assert always_below(frames(*rows), BelowParams()).verdict == "inconclusive"


def batches(magnitude: tuple[float, ...], others: tuple[float, ...], size: int) -> Rows:
    """Of the three others one is as given, one a point above, one a point below."""
    rows = pruned("magnitude", *magnitude, batch_size=size)
    for name, off in (("mest", 0), ("snip", 1), ("reciprocal-sensitivity", -1)):
        rows += pruned(name, *(value + off for value in others), batch_size=size)
    return rows


@pytest.mark.parametrize(
    ("large", "verdict", "mean"),
    [((89, 89), "holds", 1.0), ((88.1, 87.9), "inconclusive", 0.0), ((87, 87), "fails", -1.0)],
)
def test_closer_in_large_batches(large: tuple[float, ...], verdict: str, mean: float) -> None:
    """Two points behind in small ones."""
    rows = batches((90, 90), (88, 88), 128) + batches((90, 90), large, 1024)
    answer = closer(frames(*rows), CloserParams())
    assert (answer.verdict, answer.statistic) == (verdict, pytest.approx(mean, abs=1e-9))
    assert len(answer.runs) == 16
    assert "+2.00 points at batch_size 128" in answer.evidence


def test_closer_needs_both_groups() -> None:
    assert closer(frames(*batches((90, 90), (88, 88), 128)), CloserParams()).verdict == "not run"


def gamma(value: float, density: float, *accuracies: float) -> Rows:
    return pruned("mest", *accuracies, density=density, method_params={"gamma": value})


def mest(small: float = 0.0, low: float = 2.0, high: float = 0.5) -> Rows:
    """What gamma 0.001 is above magnitude, and what 1,000 loses at 5 and at 50 %; seeds are 0.02 apart."""
    rows: Rows = []
    for density, loss in ((0.05, low), (0.5, high)):
        rows += pruned("magnitude", 90, 91, density=density) + gamma(0.001, density, 90 + small, 91.02 + small)
        rows += gamma(1.0, density, 90, 91) + gamma(1000.0, density, 90 - loss, 91.02 - loss)
    return rows


@pytest.mark.parametrize(
    ("given", "verdict"),
    [({}, "holds"), ({"small": 1.0}, "fails"), ({"low": -1.0}, "fails"), ({"high": 3.0}, "fails"),
     ({"high": 1.99}, "inconclusive")],
)  # fmt: skip
def test_gamma(given: dict[str, float], verdict: str) -> None:
    rows = mest(**given)
    if verdict == "inconclusive":  # 0.01 and -0.03
        rows[-1]["last.test_accuracy"] = 0.8899
    answer = gamma_of_mest(frames(*rows), GammaParams())
    assert answer.verdict == verdict
    assert answer.statistic == pytest.approx(given.get("low", 2.0) - 0.01)
    assert len(answer.runs) == 16


def test_gamma_of_one_seed() -> None:
    rows = [row for row in mest() if row["seed"] == 0]
    answer = gamma_of_mest(frames(*rows), GammaParams())
    assert answer.verdict == "inconclusive"
    assert "gamma 1 less 1000 at densities up to 10 % +2.00 points (1 seed), to be above 0" in answer.evidence
    assert gamma_of_mest(frames(*pruned("magnitude", 90, 91)), GammaParams()).verdict == "not run"


def period(steps: int, *accuracies: float) -> Rows:
    return pruned("magnitude", *accuracies, method_params={"update_period": steps})


@pytest.mark.parametrize(
    ("often", "verdict"), [((90, 91), "holds"), ((93.01, 93.99), "fails"), ((92.5, 93), "inconclusive")]
)
def test_frequent_updates_are_no_better(often: tuple[float, ...], verdict: str) -> None:
    """The best of the others has 92 and 93: above; significantly below; below, though not significantly."""
    rows = period(25, 80, 81) + period(50, *often) + period(100, 90, 91) + period(800, 92, 93)
    answer = frequent_updates(frames(*rows), FrequentParams())
    assert answer.verdict == verdict
    assert (answer.statistic, answer.threshold, len(answer.runs)) == (float(verdict == "holds"), 0.9, 8)
    assert "by period 25: 80.50 %, 50: " in answer.evidence


def test_frequent_updates_need_both() -> None:
    assert frequent_updates(frames(*period(800, 92, 93)), FrequentParams()).verdict == "not run"
