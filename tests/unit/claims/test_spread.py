"""Spreads of three criteria, worked out by hand."""

from __future__ import annotations

import pytest

from dst_repro.claims.spread_grows import GrowsParams, spread_grows
from dst_repro.claims.spread_of_criteria import SpreadParams, spread_of_criteria
from tests.small import frames
from tests.unit.claims.grids import pruned

THREE = ("magnitude", "mest", "snip")
Rows = list[dict[str, object]]


def setting(low: float, middle: float, high: float, off: float = 0.1, **fields: object) -> Rows:
    """Means as given, seeds this far above and below, so that the standard deviation is off times the root of 2."""
    means = zip(THREE, (low, middle, high), strict=True)
    return [row for name, mean in means for row in pruned(name, mean - off, mean + off, **fields)]  # type: ignore[arg-type]


def test_the_spread_may_be_half_a_point_or_two_deviations() -> None:
    """Spreads 0.4, 0.6 and 0.6; pooled deviations 0.14, 0.14 and 0.42, of which two are 0.85."""
    rows = setting(90, 90.2, 90.4, density=0.2) + setting(90, 90.2, 90.6, density=0.3)
    rows += setting(90, 90.2, 90.6, 0.3, density=0.5) + setting(60, 70, 80, density=0.1)
    answer = spread_of_criteria(frames(*rows), SpreadParams(treatments=THREE))
    assert (answer.verdict, answer.threshold, len(answer.runs)) == ("fails", 0.8, 18)
    assert answer.statistic == pytest.approx(2 / 3)
    assert answer.evidence == ("best and worst of 3 differ by no more than 0.5 points or 2 sd over seeds in 2 of 3 "
                               "settings (0.40 to 0.60 points), needed in 80 %; at the last epoch")  # fmt: skip
    assert spread_of_criteria(frames(*rows), SpreadParams(treatments=THREE, share=0.6)).verdict == "holds"


def test_settings_without_two_seeds_of_each_are_unknown() -> None:
    rows = setting(90, 90.2, 90.4, density=0.2) + pruned("magnitude", 90.0, density=0.3)
    answer = spread_of_criteria(frames(*rows), SpreadParams(treatments=THREE))
    assert answer.verdict == "inconclusive"
    assert "; 1 settings with fewer than two seeds of each; " in answer.evidence
    assert spread_of_criteria(frames(*pruned("mest", 90.0, density=0.1)), SpreadParams()).verdict == "not run"


@pytest.mark.parametrize(
    ("control", "verdict"), [((89.5, 89.7), "holds"), ((90.0, 90.2), "inconclusive"), ((90.4, 90.6), "fails")]
)
def test_a_control_is_below_the_worst_of_them(control: tuple[float, float], verdict: str) -> None:
    """The worst has 89.9 and 90.1: 0.4 in both seeds; 0.1 below in both; 0.5 above in both."""
    rows = setting(90, 90.2, 90.4, density=0.2) + pruned("random", *control, density=0.2)
    if verdict == "inconclusive":
        rows[-1]["last.test_accuracy"] = 0.90  # differences -0.1 and 0.1
    answer = spread_of_criteria(frames(*rows), SpreadParams(treatments=THREE, deviations=0, share=1, control="random"))
    assert answer.verdict == verdict


def grid(low: float, high: float, count: int = 6) -> Rows:
    """Spreads at 5 and at 20 %, on so many data sets."""
    rows: Rows = []
    for number in range(count):
        for density, spread in ((0.05, low + 0.01 * number), (0.2, high)):
            rows += setting(90, 90, 90 + spread, density=density, dataset=f"set-{number}")
    return rows


def test_six_pairs_of_one_sign_are_significant() -> None:
    """Wilcoxon's two-sided p is 2 / 2^6; differences 1.00 to 1.05."""
    answer = spread_grows(frames(*grid(1.5, 0.5)), GrowsParams(treatments=THREE))
    assert (answer.verdict, answer.threshold, len(answer.runs)) == ("holds", 0.0, 72)
    assert answer.statistic == pytest.approx(1.025)
    assert "larger in 6 of 6 pairs, median difference +1.02; Wilcoxon p = 0.0312, to be below 0.05;" in answer.evidence
    assert spread_grows(frames(*grid(0.5, 1.5)), GrowsParams(treatments=THREE)).verdict == "fails"


def test_five_pairs_never_are() -> None:
    answer = spread_grows(frames(*grid(1.5, 0.5, 5)), GrowsParams(treatments=THREE))
    assert answer.verdict == "inconclusive"
    assert "p = 0.0625, to be below 0.05, which 5 pairs never are" in answer.evidence


def test_a_pair_needs_both_densities() -> None:
    answer = spread_grows(frames(*setting(90, 90, 92, density=0.05)), GrowsParams(treatments=THREE))
    assert answer.verdict == "inconclusive"
    assert "larger in 0 of 0 pairs" in answer.evidence
    assert spread_grows(frames(*pruned("mest", 90.0, density=0.15)), GrowsParams()).verdict == "not run"
