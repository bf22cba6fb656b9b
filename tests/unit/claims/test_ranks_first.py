"""Ranks of three criteria over settings, by hand."""

from __future__ import annotations

import pytest

from dst_repro.claims.ranks_first import BestParams, FirstParams, best_in_most, ranks_first
from tests.small import frames
from tests.unit.claims.grids import pruned

THREE = ("magnitude", "mest", "snip")


def blocks(*orders: str) -> list[dict[str, object]]:
    """One setting an order: `mas` is magnitude before mest (a) before snip."""
    names = {"m": "magnitude", "a": "mest", "s": "snip"}
    return [
        row
        for number, order in enumerate(orders)
        for place, letter in enumerate(order)
        for row in pruned(names[letter], 90.0 - place, 91.0 - place, dataset=f"set-{number}")
    ]


@pytest.mark.parametrize(
    ("orders", "verdict", "behind"),
    [
        # all agree: Friedman's chi2 is 2 N, p = exp(-N) at two degrees of freedom
        (("mas",) * 4, "holds", 0.0),
        (("mas",) * 2, "inconclusive", 0.0),
        # ranks 1, 2, 3; the critical difference is 2.344 * sqrt(12 / (6 * 12)) = 0.957 for 12 settings
        (("sma",) * 12, "fails", 1.0),
        # and 1.048 for 10
        (("sma",) * 10, "holds", 1.0),
        (("mas", "asm", "sma"), "inconclusive", 0.0),
    ],
)
def test_first_or_not_significantly_behind(orders: tuple[str, ...], verdict: str, behind: float) -> None:
    answer = ranks_first(frames(*blocks(*orders)), FirstParams(treatments=THREE))
    assert (answer.verdict, answer.statistic) == (verdict, pytest.approx(behind))
    assert answer.threshold == pytest.approx(2.3437 * (2 / len(orders)) ** 0.5, rel=1e-3)
    assert len(answer.runs) == 6 * len(orders)


def test_the_evidence_has_all_ranks() -> None:
    answer = ranks_first(frames(*blocks(*("sma",) * 10)), FirstParams(treatments=THREE))
    assert answer.evidence.startswith("average ranks SNIP 1.00, magnitude 2.00, MEST 3.00; magnitude behind the first "
                                      "by 1.00, significant from 1.05 on (Friedman p = 4.5e-05); its mean is the "
                                      "highest in 0 of 10 settings")  # fmt: skip


def test_settings_at_other_densities_and_of_one_seed_do_not_count() -> None:
    rows = [*pruned("magnitude", 90.0), *pruned("mest", 90.0), *pruned("snip", 90.0)]
    assert ranks_first(frames(*rows), FirstParams(treatments=THREE)).verdict == "inconclusive"
    assert best_in_most(frames(*rows), BestParams(treatments=THREE)).verdict == "inconclusive"
    rows = pruned("magnitude", 90.0, 91.0, density=0.2)
    assert ranks_first(frames(*rows), FirstParams(treatments=THREE)).verdict == "not run"


@pytest.mark.parametrize(
    ("orders", "verdict", "share"),
    [(("mas", "msa", "sam", "asm"), "holds", 0.5), (("mas", "sma", "sam"), "fails", 1 / 3)],
)
def test_best_in_half_of_the_settings(orders: tuple[str, ...], verdict: str, share: float) -> None:
    answer = best_in_most(frames(*blocks(*orders)), BestParams(treatments=THREE))
    assert (answer.verdict, answer.statistic, answer.threshold) == (verdict, pytest.approx(share), 0.5)
