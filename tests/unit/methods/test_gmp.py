"""Gradual magnitude pruning: counts at hand-worked steps, exact at the end."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import nn

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Layer
from tests.conftest import MethodFactory


def kept_after_each_step(method: Any, steps: int) -> list[int]:
    kept = []
    for step in range(steps):
        method.after_step(step)
        kept.append(sum(layer.kept for layer in method.layers().values()))
    return kept


def test_counts_by_hand(build: MethodFactory) -> None:
    """100 weights to 10 %, 10 steps, prunings after 3, 6 and 9: 1 - 0.9 * (1 - (2/3)^3) = 0.3667, 0.1333, 0.1."""
    method = build(nn.Linear(10, 10), "gmp", 10, density=0.1, method_params={"update_period": 3, "end": 1.0})
    targets = []
    for step in range(10):
        method.after_step(step)
        targets.append((method.layers()[""].kept, method.at_target()))
    counts = [100, 100, 37, 37, 37, 13, 13, 13, 10, 10]
    assert targets == [(kept, kept == 10) for kept in counts]


def test_begin_and_end_are_shares_of_the_training(build: MethodFactory) -> None:
    """Of 20 steps: from 4 to 12 every 5, so after 4 (nothing yet), 9 (progress 5/8) and, at the end, 12."""
    params = {"begin": 0.2, "end": 0.6, "update_period": 5}
    method = build(nn.Linear(10, 10), "gmp", 20, density=0.2, method_params=params)
    middle = round(100 * (1 - 0.8 * (1 - (3 / 8) ** 3)))
    assert kept_after_each_step(method, 20) == [100] * 8 + [middle] * 3 + [20] * 9


def test_smallest_magnitudes_go_and_stay_gone(build: MethodFactory) -> None:
    model = nn.Sequential(nn.Linear(5, 2, bias=False))
    method = build(model, "gmp", 10, density=0.3, method_params={"end": 0.5, "update_period": 2})
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.1, -0.9, 0.3, -0.2, 0.8], [-0.7, 0.6, -0.4, 0.5, 1.0]]))
    for step in range(10):
        method.after_step(step)
    assert model[0].weight.nonzero().tolist() == [[0, 1], [0, 4], [1, 4]]
    with torch.no_grad():
        model[0].weight.fill_(5.0)
    method.prune(0.3)
    assert method.masks()["0"].nonzero().tolist() == [[0, 1], [0, 4], [1, 4]]


def two_layers() -> nn.Sequential:
    """The second layer's weights are ten times the first's."""
    model = nn.Sequential(nn.Linear(10, 10, bias=False), nn.Linear(10, 10, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.linspace(0.01, 0.1, 100).view(10, 10))
        model[1].weight.copy_(torch.linspace(0.11, 1.0, 100).view(10, 10))
    return model


@pytest.mark.parametrize(
    ("scope", "layers"),
    [("uniform", {"0": Layer(100, 30), "1": Layer(100, 30)}), ("global", {"0": Layer(100, 0), "1": Layer(100, 60)})],
)
def test_scope_says_which_weights_compete(build: MethodFactory, scope: str, layers: dict) -> None:
    method = build(two_layers(), "gmp", 10, density=0.3, method_params={"scope": scope})
    kept_after_each_step(method, 10)
    assert method.layers() == layers


@pytest.mark.parametrize("scope", ["uniform", "er", "erk", "global"])
def test_half_a_weight_is_rounded_as_asked(build: MethodFactory, scope: str) -> None:
    """0.005 * 500 = 2.5 rounds to 2, although 1 - (1 - 0.005) is a little more than 0.005."""
    method = build(nn.Linear(50, 10), "gmp", 10, density=0.005, method_params={"scope": scope})
    assert kept_after_each_step(method, 10)[-1] == 2
    assert method.at_target()


@pytest.mark.parametrize("density", [0.5, 0.21, 0.1, 0.053, 0.02])
@pytest.mark.parametrize("scope", ["uniform", "er", "erk", "global"])
def test_no_layer_falls_below_its_end_and_the_end_is_exact(build: MethodFactory, scope: str, density: float) -> None:
    model = nn.Sequential(nn.Conv2d(1, 5, 3), nn.Conv2d(5, 7, 3), nn.Linear(63, 31), nn.Linear(31, 10))
    method = build(model, "gmp", 60, density=density, method_params={"scope": scope, "update_period": 1})
    rows = []
    for step in range(60):
        method.after_step(step)
        rows.append([layer.kept for layer in method.layers().values()])
    total = 45 + 315 + 1953 + 310
    assert sum(rows[-1]) == round(density * total)
    for earlier, later in itertools.pairwise(rows):
        assert all(a >= b for a, b in zip(earlier, later, strict=True))


@pytest.mark.parametrize(
    ("steps", "params", "kept"),
    [
        (10, {"begin": 0.5, "end": 0.5}, [100] * 4 + [10] * 6),
        (10, {"begin": 0.99, "end": 1.0}, [100] * 8 + [10] * 2),
        (10, {"end": 0.01}, [10] * 10),
        (2, {"begin": 0.6, "end": 0.7}, [10, 10]),
        (1, {}, [10]),
        (1, {"begin": 0.5, "end": 1.0}, [10]),
    ],
)
def test_one_shot_where_begin_is_end(
    build: MethodFactory, steps: int, params: dict[str, float], kept: list[int]
) -> None:
    method = build(nn.Linear(10, 10), "gmp", steps, density=0.1, method_params=params)
    assert kept_after_each_step(method, steps) == kept


def test_begin_after_end_is_refused(build: MethodFactory) -> None:
    with pytest.raises(ConfigError, match=r"^method_params\.begin: must be `end`, 0\.5, or less, not 0\.9$"):
        build(nn.Linear(10, 10), "gmp", 10, density=0.1, method_params={"begin": 0.9, "end": 0.5})


@pytest.mark.parametrize("end", [0.75, 1.0, 0.01])
@pytest.mark.parametrize("unit", ["step", "epoch"])
def test_a_training_that_begins_after_the_last_pruning_is_refused(build: MethodFactory, end: float, unit: str) -> None:
    """Of 40 steps in 4 epochs the last pruning is after step 30, 39 or 1."""

    def made(begin_at: dict[str, int]) -> Any:
        fields = {"epochs": 4, "method_params": {"end": end, "update_period": 1}, "begin_at": begin_at}
        return build(nn.Linear(10, 10), "gmp", 40, density=0.1, **fields)

    last = {0.75: 30, 1.0: 39, 0.01: 1}[end]
    for n in range(1, 40) if unit == "step" else range(1, 4):
        begin = n if unit == "step" else 10 * n
        if begin >= last:
            message = (
                rf"^begin_at: the last pruning comes after step {last}, see `method_params\.end`; "
                rf"the training must begin before, not at step {begin}$"
            )
            with pytest.raises(ConfigError, match=message):
                made({unit: n})
            continue
        method = made({unit: n})
        for step in range(begin, 40):
            method.after_step(step)
        assert method.layers()[""].kept == 10


@pytest.mark.parametrize("scope", ["uniform", "global"])
def test_rounding_before_the_end_costs_no_weight(build: MethodFactory, scope: str) -> None:
    """0.075 * 100 = 7.5 rounds to 8. A step before the end, of 750,000, the sparsity is 0.925 to the last bit, and
    1 - 0.925 a little less than 0.075.
    """
    assert (round(0.075 * 100), round((1 - (1 - 0.075)) * 100)) == (8, 7)
    params = {"scope": scope, "update_period": 1}
    method = build(nn.Linear(10, 10), "gmp", 1_000_000, density=0.075, method_params=params)
    for done in (500_000, 749_999, 750_000):
        method.after_step(done - 1)
    assert method.layers()[""].kept == 8


def test_pruned_weights_are_zero_and_without_gradient(build: MethodFactory) -> None:
    model = nn.Sequential(nn.Linear(10, 10))
    method = build(model, "gmp", 10, density=0.1)
    kept_after_each_step(method, 10)
    model(torch.ones(2, 10)).square().sum().backward()
    method.after_backward(9)
    gone = ~method.masks()["0"]
    assert int(gone.sum()) == 90
    assert not bool(model[0].weight[gone].any() or model[0].weight.grad[gone].any())
