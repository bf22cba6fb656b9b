"""Criteria on a layer of ten weights, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import get_args

import pytest
import torch
from torch import Tensor

from dst_repro.seeding import generator
from dst_repro.sparsity.criteria import (
    DROP,
    GROW,
    DropBy,
    GrowBy,
    View,
    gradient,
    lowest_of_all,
    momentum,
    nearest_zero_of_each_sign,
    pooled,
)
from dst_repro.sparsity.redistribution import SHARES, Redistribution
from dst_repro.sparsity.schedule import DECAYS, Decay

WEIGHT = torch.tensor([[6.0, -1.0, 3.0, -2.0, 5.0], [-4.0, 0.0, 0.0, 0.0, 0.0]])
ACTIVE = WEIGHT != 0


@dataclass
class Ten:
    """A layer as a criterion reads it."""

    weight: Tensor = field(default_factory=lambda: WEIGHT)
    gradient: Tensor = field(default_factory=lambda: -0.5 * torch.arange(10.0).view(2, 5))
    momentum: Tensor = field(default_factory=lambda: torch.tensor([[3.0, -3, 3, -3, 3], [9, 8, -7, 6, 5]]))
    rng: torch.Generator = field(default_factory=lambda: generator(0, "test"))


LAYER: View = Ten()


def half(active: int) -> int:
    return active // 2


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (DropBy, DROP),
        (GrowBy, GROW),
        (Decay, DECAYS),
        (Redistribution, SHARES | {"none": None}),
    ],
)
def test_every_name_that_a_run_may_use_is_known(names: object, known: dict) -> None:
    assert set(get_args(names)) == set(known)


def test_scores() -> None:
    assert torch.equal(DROP["magnitude"].score(LAYER), WEIGHT.abs())
    assert torch.equal(DROP["each-sign"].score(LAYER), WEIGHT)
    assert torch.equal(gradient(LAYER), 0.5 * torch.arange(10.0).view(2, 5))
    assert torch.equal(momentum(LAYER), torch.tensor([[3.0, 3, 3, 3, 3], [9, 8, 7, 6, 5]]))


def test_growth() -> None:
    """Of the four inactive the gradients are 3, 3.5, 4, 4.5 and the momenta 8, -7, 6, 5."""
    assert GROW["gradient"](LAYER, ~ACTIVE, 2).nonzero().tolist() == [[1, 3], [1, 4]]
    assert GROW["momentum"](LAYER, ~ACTIVE, 2).nonzero().tolist() == [[1, 1], [1, 2]]
    drawn = [GROW["random"](Ten(rng=generator(seed, "test")), ~ACTIVE, 2) for seed in range(40)]
    assert all(int(mask.sum()) == 2 and not bool((mask & ACTIVE).any()) for mask in drawn)
    assert torch.equal(sum(mask.int() for mask in drawn) > 0, ~ACTIVE)


def test_random_scores_are_a_draw_of_their_generator() -> None:
    one, same, other = (DROP["random"].score(Ten(rng=generator(seed, "test"))) for seed in (0, 0, 1))
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


def test_weights_of_exactly_zero_go_with_either_sign() -> None:
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
