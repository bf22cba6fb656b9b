"""Criteria on a layer of ten weights, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from dst_repro.errors import ConfigError
from dst_repro.plan.catalogue import check_params
from dst_repro.registry import Registry, drops, grows
from dst_repro.seeding import generator
from dst_repro.sparsity.axes import DropAndGrowParams
from dst_repro.sparsity.criteria import criterion, pooled
from dst_repro.sparsity.growth import by_chance, growth
from dst_repro.sparsity.redistribution import SHARES, Redistribution
from dst_repro.sparsity.schedule import DECAYS, Decay
from dst_repro.sparsity.selection import (
    lowest_of_all,
    nearest_zero_of_both_signs,
    nearest_zero_of_each_sign,
    negatives_but_the_largest,
)
from dst_repro.sparsity.view import Named, View

WEIGHT = torch.tensor([[6.0, -1.0, 3.0, -2.0, 5.0], [-4.0, 0.0, 0.0, 0.0, 0.0]])
ACTIVE = WEIGHT != 0


@dataclass
class Ten:
    """A layer as a criterion reads it."""

    weight: Tensor = field(default_factory=lambda: WEIGHT)
    gradient: Tensor = field(default_factory=lambda: -0.5 * torch.arange(10.0).view(2, 5))
    momentum: Tensor = field(default_factory=lambda: torch.tensor([[3.0, -3, 3, -3, 3], [9, 8, -7, 6, 5]]))
    signs: Tensor = field(default_factory=lambda: torch.tensor([[1, -1, -1, 0, -1], [-1, 1, 0, 0, 0]]).to(torch.int8))
    ever: Tensor = field(default_factory=lambda: ACTIVE | (torch.arange(10).view(2, 5) == 6))
    gamma: float = 1.0
    rng: torch.Generator = field(default_factory=lambda: generator(0, "test"))


LAYER: View = Ten()


def half(active: int) -> int:
    return active // 2


@pytest.mark.parametrize(("names", "known"), [(Decay, DECAYS), (Redistribution, SHARES | {"none": None})])
def test_every_name_that_a_run_may_use_is_known(names: object, known: dict) -> None:
    assert set(get_args(names)) == set(known)


SCORES = {  # weights 6, -1, 3, -2, 5, -4 with gradients -0, -.5, -1, -1.5, -2, -2.5
    "magnitude": [6, 1, 3, 2, 5, 4],
    "running-magnitude": [6, 1, 3, 2, 5, 4],
    "each-sign": [6, -1, 3, -2, 5, -4],
    "each-sign-equal": [6, -1, 3, -2, 5, -4],
    "each-sign-released": [6, -1, 3, -2, 5, -4],
    "mest": [6, 1.5, 4, 3.5, 7, 6.5],
    "snip": [0, 0.5, 3, 3, 10, 10],
    "running-snip": [0, 0.5, 3, 3, 10, 10],
    "taylor": [0, 0.25, 9, 9, 100, 100],
    "sensitivity": [0, 0.5, 1 / 3, 0.75, 0.4, 0.625],
    "reciprocal-sensitivity": [6e8, 2, 3, 4 / 3, 2.5, 1.6],
    "gradient-step": [6, 0.5, 4, 0.5, 7, 1.5],
    "sign-flip": [6, 1, -1 / 3, 2, -1 / 5, 4],  # 3 and 5 were negative, -2 was zero
}
RELEASED = {"snip": 1e-5, "sensitivity": 1.0, "reciprocal-sensitivity": 1.0}


def test_every_score_is_worked_out_here() -> None:
    assert set(drops.discover()) == {*SCORES, "random"}


@pytest.mark.parametrize("slug", SCORES)
def test_scores(slug: str) -> None:
    assert criterion(slug).score(LAYER)[ACTIVE].tolist() == pytest.approx(SCORES[slug])


def test_gamma_is_what_a_gradient_counts() -> None:
    layer: View = Ten(gamma=4.0)
    assert criterion("mest").score(layer)[ACTIVE].tolist() == [6, 3, 7, 8, 13, 14]
    assert criterion("gradient-step").score(layer)[ACTIVE].tolist() == [6, 1, 7, 4, 13, 6]
    released = criterion("gradient-step").released
    assert released is not None
    assert released(layer)[ACTIVE].tolist() == SCORES["gradient-step"]


@pytest.mark.parametrize("slug", RELEASED)
def test_released_scores_are_raised(slug: str) -> None:
    released = criterion(slug).released
    assert released is not None
    assert released(LAYER)[ACTIVE].tolist() == pytest.approx([s + RELEASED[slug] for s in SCORES[slug]])


def test_what_is_added_orders_small_scores_otherwise() -> None:
    """Products of 1e-14 and 2e-14 differ; with 1e-5 added float32 cannot tell them apart, its steps are 9e-13."""
    small = Ten(weight=torch.tensor([1e-7, 2e-7]), gradient=torch.tensor([1e-7, 1e-7]))
    released = criterion("snip").released
    assert released is not None
    assert len(criterion("snip").score(small).unique()) == 2
    assert len(released(small).unique()) == 1


@pytest.mark.parametrize("slug", sorted(drops.discover()))
def test_what_a_criterion_says_it_reads_is_what_it_reads(slug: str) -> None:
    """A score changes with the gradient or the signs exactly if it says so, and changes nothing itself."""
    made = criterion(slug)
    before = [t.clone() for t in (LAYER.weight, LAYER.gradient, LAYER.momentum, LAYER.signs)]
    usual = made.score(Ten())
    assert all(torch.equal(a, b) for a, b in zip(before, (WEIGHT, *before[1:]), strict=True))
    assert torch.equal(LAYER.gradient, before[1])
    assert torch.equal(made.score(Ten(gradient=torch.ones(2, 5))), usual) != made.reads_gradient
    assert torch.equal(made.score(Ten(signs=-torch.ones(2, 5).to(torch.int8))), usual) != made.reads_signs


def test_growth() -> None:
    """Of the four inactive the gradients are 3, 3.5, 4, 4.5 and the momenta 8, -7, 6, 5."""
    assert growth("gradient")(LAYER, ~ACTIVE, 2).nonzero().tolist() == [[1, 3], [1, 4]]
    assert growth("momentum")(LAYER, ~ACTIVE, 2).nonzero().tolist() == [[1, 1], [1, 2]]
    drawn = [growth("random")(Ten(rng=generator(seed, "test")), ~ACTIVE, 2) for seed in range(40)]
    assert all(int(mask.sum()) == 2 and not bool((mask & ACTIVE).any()) for mask in drawn)
    assert torch.equal(sum(mask.int() for mask in drawn) > 0, ~ACTIVE)


def test_what_was_never_active_grows_first() -> None:
    """Of the four inactive (1, 1) was active once."""
    for seed in range(10):
        layer = Ten(rng=generator(seed, "test"))
        assert growth("random-unfired")(layer, ~ACTIVE, 3).nonzero().tolist() == [[1, 2], [1, 3], [1, 4]]
        assert torch.equal(growth("random-unfired")(layer, ~ACTIVE, 4), ~ACTIVE)
        assert int(growth("random-unfired")(layer, ~ACTIVE, 1)[1, 2:].sum()) == 1


@pytest.mark.parametrize("slug", sorted(grows.discover()))
@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_growth_takes_as_many_as_asked_of_the_free(slug: str, n: int) -> None:
    grown = growth(slug)(Ten(), ~ACTIVE, n)
    assert (grown.dtype, int(grown.sum()), bool((grown & ACTIVE).any())) == (torch.bool, n, False)


def test_growth_by_chance_has_the_expected_number() -> None:
    """1000 of 8000 free positions: binomial with a standard deviation of sqrt(1000 * 7/8) = 29.6."""
    free = torch.arange(10_000).view(100, 100) >= 2000
    grown = by_chance(free, 1000, generator(0, "test"))
    assert not bool((grown & ~free).any())
    assert 880 < int(grown.sum()) < 1120
    assert int(grown.sum()) != 1000
    assert torch.equal(by_chance(free, 8000, generator(0, "test")), free)
    assert not bool(by_chance(free & False, 0, generator(0, "test")).any())


def test_random_scores_are_a_draw_of_their_generator() -> None:
    one, same, other = (criterion("random").score(Ten(rng=generator(seed, "test"))) for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.shape == WEIGHT.shape
    assert len(one.unique()) == 10


def test_lowest_of_all() -> None:
    assert lowest_of_all(WEIGHT.abs(), ACTIVE, half).nonzero().tolist() == [[0, 1], [0, 2], [0, 3]]


def test_each_sign_by_its_own_count() -> None:
    """Positive 6, 3, 5 and negative -1, -2, -4: one of each. Of 6, 3, 5, 1 and -2, -4 it is two and one."""
    assert nearest_zero_of_each_sign(WEIGHT, ACTIVE, half).nonzero().tolist() == [[0, 1], [0, 2]]
    flipped = WEIGHT.clone()
    flipped[0, 1] = 1.0
    assert nearest_zero_of_each_sign(flipped, ACTIVE, half).nonzero().tolist() == [[0, 1], [0, 2], [0, 3]]


def test_both_signs_by_half_of_the_count() -> None:
    """Three go, hence ceil(3 / 2) = 2 of a sign; of 6, 3, 5, 1, 2 and -4 two and one."""
    assert nearest_zero_of_both_signs(WEIGHT, ACTIVE, half).nonzero().tolist() == [[0, 1], [0, 2], [0, 3], [0, 4]]
    positive = torch.tensor([[6.0, 1.0, 3.0, 2.0, 5.0], [-4.0, 0, 0, 0, 0]])
    assert nearest_zero_of_both_signs(positive, ACTIVE, half).nonzero().tolist() == [[0, 1], [0, 3], [1, 0]]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, []),
        (1, [[0, 1], [0, 2], [0, 3], [1, 0]]),  # k = 1: 3, and all negative ones
        (3, [[0, 1], [0, 2], [0, 3], [0, 4]]),  # k = 2: 3 and 5, and all negative ones but -4
        (5, [[0, 0], [0, 1], [0, 2], [0, 4]]),  # k = 3: all positive ones, and -1
    ],
)
def test_set_as_released_drops_the_negatives_whatever_the_count(count: int, expected: list) -> None:
    """Three are negative: 3 + 1 go."""
    assert negatives_but_the_largest(WEIGHT, ACTIVE, lambda active: count).nonzero().tolist() == expected


@pytest.mark.parametrize(
    ("weights", "gone"),
    [
        # k = 3, of the negative ones 2: below the second lowest, -.1, only -.2 stays
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, -0.1, -0.2], [0.1, 0.2, 0.3, -0.1]),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, -0.2], [0.1, 0.2, 0.3, -0.2]),
        # of the positive ones 2: both go; of the negative ones the third lowest is -.4, below it -.5 and -.6 stay
        ([-0.1, -0.2, -0.3, -0.4, -0.5, -0.6, 0.1, 0.2], [-0.1, -0.2, -0.3, -0.4, 0.1, 0.2]),
        # of one sign, where that code stops
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], [0.1, 0.2, 0.3]),
        ([-0.1, -0.2, -0.3, -0.4, -0.5, -0.6, -0.7, -0.8], [-0.1, -0.2, -0.3, -0.4, -0.5, -0.6]),
    ],
)
def test_set_as_released_where_a_sign_has_few(weights: list[float], gone: list[float]) -> None:
    """Six of eight are to go."""
    weight = torch.tensor(weights)
    chosen = negatives_but_the_largest(weight, torch.ones(8, dtype=torch.bool), lambda active: 6)
    assert weight[chosen].tolist() == pytest.approx(gone)


@pytest.mark.parametrize("rate", [0.5, 0.25, 0.05, 0.005])
def test_set_as_released_drops_half_of_gaussian_weights_at_any_rate(rate: float) -> None:
    """Of 10,000 weights the negative ones and one more; the corrected rule drops the rate, to one weight a sign."""
    weight = torch.randn(100, 100, generator=generator(0, "test"))
    everywhere = torch.ones(100, 100, dtype=torch.bool)
    gone = negatives_but_the_largest(weight, everywhere, lambda active: math.ceil(rate * active))
    assert int(gone.sum()) == int((weight < 0).sum()) + 1
    assert 0.48 < int(gone.sum()) / 10_000 < 0.52
    right = nearest_zero_of_both_signs(weight, everywhere, lambda active: math.ceil(rate * active))
    assert int(right.sum()) == 10_000 * rate
    assert int((right & (weight < 0)).sum()) == int((right & (weight > 0)).sum())


@pytest.mark.parametrize(
    "select",
    [nearest_zero_of_each_sign, nearest_zero_of_both_signs, negatives_but_the_largest],
    ids=lambda s: s.__name__,
)
def test_weights_of_exactly_zero_go_with_either_sign(select: Any) -> None:
    zero = ACTIVE.clone()
    zero[1, 4] = True
    assert select(WEIGHT, zero, lambda active: 1)[1].tolist()[4] is True


def test_weights_of_exactly_zero_go_alone_where_the_count_is_zero() -> None:
    zero = ACTIVE.clone()
    zero[1, 4] = True
    assert nearest_zero_of_each_sign(WEIGHT, zero, lambda active: 0).nonzero().tolist() == [[1, 4]]


def test_layers_compete_in_a_pool() -> None:
    scores = {"a": torch.tensor([[1.0, 5.0]]), "b": torch.tensor([2.0, 3.0, 4.0])}
    among = {"a": torch.tensor([[True, True]]), "b": torch.tensor([False, True, True])}
    chosen = pooled(lambda score, mask: lowest_of_all(score, mask, half), scores, among)
    assert {name: mask.tolist() for name, mask in chosen.items()} == {"a": [[True, False]], "b": [False, True, False]}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("nonzeros", 6.0),
        ("survivors", 4.0),
        ("magnitude", (6 + 1 + 3 + 2 + 5 + 4) / 6),
        ("gradient", (0 + 0.5 + 1 + 1.5 + 2 + 2.5) / 6),
        ("momentum", (5 * 3 + 9) / 6),
    ],
)
def test_shares_are_of_the_active_weights(rule: str, expected: float) -> None:
    """Six are active; the drop leaves four."""
    kept = ACTIVE & (WEIGHT.abs() > 2)
    assert SHARES[rule](LAYER, ACTIVE, kept) == pytest.approx(expected)
    assert SHARES[rule](LAYER, torch.zeros_like(ACTIVE), torch.zeros_like(ACTIVE)) == 0


def test_cosine_with_a_floor() -> None:
    """0.005 + 0.2475 * (1 + cos(pi * t / T)), at a third 1 + cos = 1.5."""
    values = {0: 0.5, 40: 0.005 + 0.2475 * 1.5, 60: 0.2525, 120: 0.005, 130: 0.005}
    assert {t: DECAYS["cosine-floor"](0.5, t, 120) for t in values} == pytest.approx(values)
    assert DECAYS["cosine"](0.5, 40, 120) == pytest.approx(0.25 * (1 + math.cos(math.pi / 3)))


@pytest.mark.parametrize(("key", "registry"), [("drop", drops), ("grow", grows)])
def test_what_does_not_exist_is_refused_with_what_does(key: str, registry: Registry) -> None:
    known = sorted(registry.discover())
    with pytest.raises(ConfigError) as caught:
        DropAndGrowParams(**{key: "magnitud"})
    assert str(caught.value) == f"unknown {registry.kind} 'magnitud'; known: {', '.join(known)}"
    with pytest.raises(ConfigError) as caught:
        check_params("method", "rigl", {key: "magnitud"}, "p")
    assert str(caught.value) == f"p.{key}: 'magnitud' is not one of {known} (method 'rigl')"
    with pytest.raises(ValidationError):
        DropAndGrowParams(**{key: 3})


def test_a_name_registered_later_is_known_at_once() -> None:
    registry = Registry("prune rule", "dst_repro.sparsity")
    registry.register("own")(test_growth)
    assert Named(registry).check("own") == "own"
    with pytest.raises(ConfigError, match="unknown prune rule 'magnitude'; known: own"):
        Named(registry).check("magnitude")
