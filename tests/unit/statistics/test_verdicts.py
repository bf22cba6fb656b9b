"""How many of the planned seeds a verdict takes."""

from __future__ import annotations

import pytest

from dst_repro.statistics.summary import summarise
from dst_repro.statistics.verdicts import Judged, enough, judge


@pytest.mark.parametrize(
    ("seeds", "planned", "decide"),
    [
        (2, 2, False),
        (3, 3, True),
        (2, 5, False),
        (3, 5, True),
        (3, 6, False),
        (4, 6, True),
        (4, 8, False),
        (0, 0, False),
    ],
)
def test_three_seeds_and_more_than_half_of_those_planned(seeds: int, planned: int, decide: bool) -> None:
    assert enough(seeds, planned) == decide


def test_why_nothing_is_settled() -> None:
    """Mean 98.1, sd .02, sem .011547: t(2) is 2.92 for 90 % and 4.303 for 95 %, so 98.1 +- .0337 and +- .0497."""
    three = summarise((98.08, 98.10, 98.12))
    assert judge(three, 3, 98.0, 0.3, "top1") == Judged("reproduced")
    assert judge(three, 5, 98.5, 0.3, "top1") == Judged("worse")  # 98.2 lies above 98.1497
    assert judge(three, 3, 98.42, 0.3, "top1") == Judged("inconclusive", "too wide")  # 98.12 lies inside
    assert judge(three, 6, 98.0, 0.3, "top1") == Judged("inconclusive", "few seeds")  # half is no majority
    assert judge(summarise((98.0, 98.1)), 2, 98.0, 0.3, "top1") == Judged("inconclusive", "few seeds")
    assert judge(summarise((98.0,)), 1, 98.0, 0.3, "top1") == Judged("inconclusive", "one seed")
    assert judge(summarise(()), 5, 98.0, 0.3, "top1") == Judged("inconclusive", "few seeds")
    assert [j.tested for j in (Judged("worse"), Judged("inconclusive", "too wide"))] == [True, True]
    assert not Judged("inconclusive", "few seeds").tested
