"""Masks that change against one that does not, by hand."""

from __future__ import annotations

import pytest

from dst_repro.claims.beats_static import StaticParams, beats_static
from dst_repro.errors import UserError
from tests.small import frames, run
from tests.unit.claims.grids import cell, pruned

TWO = ("magnitude", "snip")
PERIOD = "method_params.update_period"


def static(*accuracies: float, **fields: object) -> list[dict[str, object]]:
    return cell("static", accuracies, density=0.05, **fields)


def test_every_criterion_against_the_mask_of_its_density() -> None:
    """Gains of 1 and 1.2, and of 2 and 2; static at 20 % is none of the controls."""
    rows = [
        *static(80, 81),
        *cell("static", (99, 99), density=0.2),
        *pruned("magnitude", 81, 82.2),
        *pruned("snip", 82, 83),
    ]
    answer = beats_static(frames(*rows), StaticParams(treatments=TWO))
    assert (answer.verdict, answer.statistic, answer.threshold, len(answer.runs)) == ("holds", 1.0, 0.9, 6)
    assert answer.evidence.startswith("difference to static: 2 of 2 above zero, ")
    assert "lowest +1.10 points" in answer.evidence


def test_too_few_above_decide_nothing_unless_the_mean_is_below() -> None:
    """Differences -1 and 0.5, and 2 and 2: 0.5 and 1.25 in the mean. Then both masks: -1 and -1.01, sd 0.007."""
    rows = [*static(80, 81), *pruned("magnitude", 79, 81.5), *pruned("snip", 82, 83)]
    answer = beats_static(frames(*rows), StaticParams(treatments=TWO))
    assert (answer.verdict, answer.statistic) == ("inconclusive", 0.5)
    rows = [*static(80, 81), *pruned("magnitude", 79.6, 79.38), *pruned("snip", 78.4, 80.6)]
    answer = beats_static(frames(*rows), StaticParams(treatments=TWO))
    assert (answer.verdict, answer.statistic) == ("fails", 0)
    assert "0 significantly below (Holm)" in answer.evidence


def test_one_significantly_below_fails() -> None:
    """-1.01 and -0.99: p = 0.0064, twice that by Holm."""
    rows = [*static(80, 81), *pruned("magnitude", 78.99, 80.01), *pruned("snip", 82, 83)]
    answer = beats_static(frames(*rows), StaticParams(treatments=TWO, share=0.5))
    assert answer.verdict == "fails"
    assert "1 significantly below (Holm), 1 below by their own intervals" in answer.evidence


def test_what_has_no_control_is_unknown() -> None:
    rows = [*static(80, 81), *pruned("magnitude", 81, 82), *pruned("snip", 82, 83, density=0.1)]
    answer = beats_static(frames(*rows), StaticParams(treatments=TWO))
    assert answer.verdict == "inconclusive"
    assert "; 1 cell unknown" in answer.evidence
    assert beats_static(frames(*pruned("snip", 82, 83)), StaticParams(treatments=TWO)).verdict == "not run"


def test_missing_seeds_are_shown() -> None:
    gone = run("static", 2, None, "diverged") | {key: static(80)[0][key] for key in ("cell", "config", "density")}
    rows = [*static(80, 81), gone, *pruned("magnitude", 81, 82)]
    assert beats_static(frames(*rows), StaticParams(treatments=TWO)).evidence.endswith("; runs: 1 diverged")


def test_the_largest_period_alone() -> None:
    rows = [*static(80, 81), *pruned("snip", 82, 83, method_params={"update_period": 100}),
            *pruned("snip", 70, 71, method_params={"update_period": 6400})]  # fmt: skip
    answer = beats_static(frames(*rows), StaticParams(treatments=TWO, largest=PERIOD))
    assert (answer.verdict, answer.statistic, len(answer.runs)) == ("fails", 0.0, 4)


def test_two_controls_are_refused() -> None:
    rows = [*static(80, 81), *cell("static", (80, 81), density=0.05, method_params={"distribution": "uniform"})]
    with pytest.raises(UserError, match="two cells are 'static'"):
        beats_static(frames(*rows), StaticParams())
