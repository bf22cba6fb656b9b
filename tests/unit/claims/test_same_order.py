"""Kendall's tau of average ranks, by hand."""

from __future__ import annotations

import json

import pytest

from dst_repro.claims.same_order import OrderParams, same_order
from tests.small import frames
from tests.unit.claims.grids import pruned

THREE = ("magnitude", "mest", "snip")
Rows = list[dict[str, object]]


def group(grow: str, *means: float, seeds: int = 2, **fields: object) -> Rows:
    pairs = zip(THREE, means, strict=True)
    return [row for name, mean in pairs
            for row in pruned(name, *[mean + 0.1 * s for s in range(seeds)], grow=grow, **fields)]  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize(
    ("gradient", "verdict", "tau"),
    [((92, 91, 90), "holds", 1.0), ((92, 90, 91), "holds", 1 / 3), ((90, 92, 91), "fails", -1 / 3),
     ((90, 91, 92), "fails", -1.0)],
)  # fmt: skip
def test_the_order_of_two_groups(gradient: tuple[float, ...], verdict: str, tau: float) -> None:
    answer = same_order(
        frames(*group("random", 92, 91, 90), *group("gradient", *gradient)), OrderParams(treatments=THREE)
    )
    assert (answer.verdict, answer.statistic, answer.threshold) == (verdict, pytest.approx(tau), 0.0)
    assert len(answer.runs) == 12


def test_one_seed_settles_nothing() -> None:
    rows = group("random", 92, 91, 90, seeds=1) + group("gradient", 92, 91, 90, seeds=1)
    answer = same_order(frames(*rows), OrderParams(treatments=THREE))
    assert (answer.verdict, answer.statistic) == ("inconclusive", pytest.approx(1.0))
    assert "; of one seed" in answer.evidence


def test_settings_that_one_group_lacks_do_not_count() -> None:
    rows = group("random", 92, 91, 90) + group("gradient", 90, 91, 92, density=0.2)
    answer = same_order(frames(*rows), OrderParams(treatments=THREE))
    assert answer.verdict == "inconclusive"
    assert answer.evidence.startswith("Kendall's tau +nan over 0 settings in both")
    assert same_order(frames(*group("random", 92, 91, 90)), OrderParams(treatments=THREE)).verdict == "not run"


@pytest.mark.parametrize(("high", "verdict"), [(90.4, "holds"), (92.0, "fails")])
def test_rules_answer_alike_for_both(high: float, verdict: str) -> None:
    """The spread is 0.4 points with random growth."""
    rows = group("random", 90.4, 90.2, 90, density=0.2) + group("gradient", high, 90.2, 90, density=0.2)
    conclusions = {"spread-of-criteria": {"treatments": THREE, "deviations": 0}}
    answer = same_order(frames(*rows), OrderParams(treatments=THREE, conclusions=conclusions))
    assert answer.verdict == verdict
    assert f"; spread-of-criteria: holds and {verdict}" in answer.evidence


def test_what_is_inconclusive_for_one_is_inconclusive() -> None:
    rows = group("random", 92, 91, 90) + group("gradient", 92, 91, 90)
    conclusions = {"spread-grows": {"treatments": THREE}}
    answer = same_order(frames(*rows), OrderParams(treatments=THREE, conclusions=conclusions))
    assert answer.verdict == "inconclusive"


def test_the_sparsest_layer_of_a_group() -> None:
    layers = json.dumps([{"name": "a", "numel": 10, "kept": 0}, {"name": "b", "numel": 10, "kept": 5}])
    rows = group("random", 92, 91, 90) + group("gradient", 92, 91, 90, layers=layers)
    answer = same_order(frames(*rows), OrderParams(treatments=THREE, layers_of="gradient"))
    assert "; sparsest layer 0 %, some layer empty in 6 of 6 runs; " in answer.evidence
