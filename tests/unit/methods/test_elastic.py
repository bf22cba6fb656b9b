"""MEST, ITOP and GraNet: numbers of weights and masks at hand-worked steps."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn

from dst_repro.errors import ConfigError
from tests.conftest import MethodFactory

WEIGHT = [[6.0, -1.0, 3.0, -2.0, 5.0], [-4.0, 0.0, 0.0, 0.0, 0.0]]
GRADIENT = [[0.0, -9.0, 0.5, 0.0, 0.0], [0.0, -4.0, 1.0, 2.0, -0.1]]


def due(method: Any, steps: int) -> list[int]:
    return [done for done in range(steps + 1) if method.due(done)]


def watched(method: Any) -> list[tuple[int, int]]:
    """(weights left by the drop, weights after the update) of every update to come, in the first layer."""
    seen: list[tuple[int, int]] = []
    update, grow = method.update, method.grow

    def spy(done: int) -> None:
        left: list[int] = []

        def growing(name: str, free: Any, n: int, step: int) -> Any:
            left.append(int((~free).sum()))
            return grow(name, free, n, step)

        method.grow = growing
        update(done)
        seen.append((left[0], int(method.masks()["0"].sum())))

    method.update = spy
    return seen


def train(method: Any, model: nn.Module, steps: int) -> None:
    for step in range(steps):
        model.zero_grad()
        model(torch.ones(2, 20)).square().sum().backward()
        if not method.after_backward(step):
            method.after_step(step)


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        # 40 of 400: pruned to 80, 90 and 100 % of it and grown back
        ({}, [(32, 40), (32, 40), (32, 40), (36, 40), (40, 40)]),
        # pruned to 40 and grown to 150, 125 and 100 % of it
        ({"prune_rate": 0.0, "excess_rate": 0.5}, [(40, 60), (40, 60), (40, 60), (40, 50), (40, 40)]),
    ],
)
def test_mest_is_elastic(build: MethodFactory, params: dict[str, Any], numbers: list) -> None:
    """60 steps, an update every ten before the end: those at 40 and 50 are past 0.5625 * 60 = 33 and 0.75 * 60 = 45."""
    model = nn.Sequential(nn.Linear(20, 20, bias=False))
    method: Any = build(model, "mest", 60, density=0.1, method_params={"update_period": 10} | params)
    seen = watched(method)
    train(method, model, 60)
    assert seen == numbers
    assert method.at_target()


def test_mest_counts_in_epochs(build: MethodFactory) -> None:
    assert due(build(nn.Linear(4, 4), "mest", 120, epochs=12, density=0.5), 120) == [50, 100]


@pytest.mark.parametrize(("fidelity", "gone"), [("paper", [[0, 2], [0, 3]]), ("released", [[0, 1], [0, 3]])])
def test_mest_scores_by_weight_and_gradient(build: MethodFactory, fidelity: str, gone: list) -> None:
    """abs(w) + abs(g): 6, 10, 3.5, 2, 5, 4. Released, gamma is 0: 6, 1, 3, 2, 5, 4. Of six, a third goes."""
    model = nn.Sequential(nn.Linear(5, 2, bias=False))
    params = {"update_period": 10, "prune_rate": 1 / 3}
    method: Any = build(model, "mest", 100, density=0.6, fidelity=fidelity, method_params=params)
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor(WEIGHT))
    model[0].weight.grad = torch.tensor(GRADIENT)
    method.set_masks({"0": torch.tensor(WEIGHT) != 0})
    assert method.drop(method.rate(10), 10)["0"].nonzero().tolist() == gone


def test_released_mest_starts_with_the_largest_initial_weights(build: MethodFactory) -> None:
    model = nn.Sequential(nn.Linear(20, 20, bias=False))
    before = model[0].weight.detach().abs().clone()
    mask = build(model, "mest", epochs=10, density=0.1, fidelity="released").masks()["0"]
    assert int(mask.sum()) == 40
    assert float(before[mask].min()) > float(before[~mask].max())


def test_itop_updates_seldom_and_explores(build: MethodFactory) -> None:
    """Unfired first: of 400, 40 are active, and each of 5 updates at a constant rate of a half explores 20 more."""
    for slug, expected in (("itop-set", [1500, 3000, 4500, 6000]), ("itop-rigl", [4000])):
        assert due(build(nn.Linear(4, 4), slug, 7000, density=0.5), 7000) == expected
    model = nn.Sequential(nn.Linear(20, 20, bias=False))
    params = {"update_period": 10, "grow": "random-unfired", "decay": "constant"}
    method: Any = build(model, "itop-set", 60, density=0.1, method_params=params)
    train(method, model, 60)
    assert method.events()["explored"] == {"0": 140.0}
    assert method.layers()["0"].kept == 40


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_itop_grows_by_gradient(build: MethodFactory, fidelity: str) -> None:
    """Half of six: -1, -2 and 3 go. Gradients of the free: 9, .5, 0 (just dropped), 4, 1, 2, .1: 9, 4 and 2 win.
    The weight of -1 goes on."""
    model = nn.Sequential(nn.Linear(5, 2, bias=False))
    params = {"update_period": 10, "decay": "constant"}
    method: Any = build(model, "itop-rigl", 100, density=0.6, fidelity=fidelity, method_params=params)
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor(WEIGHT))
    model[0].weight.grad = torch.tensor(GRADIENT)
    method.set_masks({"0": torch.tensor(WEIGHT) != 0})
    method.after_backward(9)
    method.after_step(9)
    assert method.masks()["0"].int().tolist() == [[1, 1, 0, 0, 1], [1, 1, 0, 1, 0]]
    assert model[0].weight.tolist() == [[6, -1, 0, 0, 5], [-4, 0, 0, 0, 0]]


@pytest.mark.parametrize(("initial", "d0"), [(1.0, 1.0), (0.5, 0.5)])
def test_granet_prunes_gradually_while_it_rewires(build: MethodFactory, initial: float, d0: float) -> None:
    """To 10 % of 400, 100 steps, an update every ten, the last pruning after half: i of n = 5, cubic; then constant."""
    model = nn.Sequential(nn.Linear(20, 20, bias=False))
    params = {"update_period": 10, "initial_density": initial}
    method: Any = build(model, "granet", 100, density=0.1, method_params=params)
    assert method.layers()["0"].kept == d0 * 400
    counts = []
    for step in range(100):
        model.zero_grad()
        model(torch.ones(2, 20)).square().sum().backward()
        method.after_backward(step)
        method.after_step(step)
        counts.append(method.layers()["0"].kept)
        assert method.at_target() == (counts[-1] == 40)
    expected = [round(400 * (0.1 + (d0 - 0.1) * (1 - i / 5) ** 3)) for i in range(1, 6)]
    assert counts[9:50:10] == expected
    assert counts[50:] == [40] * 50
    assert expected[-1] == 40


def test_granet_prunes_all_layers_together_and_regrows_each(build: MethodFactory) -> None:
    """The second layer's weights are larger: it keeps them all, and what is rewired stays in its layer."""
    model = nn.Sequential(nn.Linear(10, 10, bias=False), nn.Linear(10, 10, bias=False))
    method: Any = build(model, "granet", 100, density=0.6, method_params={"update_period": 10, "initial_density": 1.0})
    with torch.no_grad():
        model[0].weight.copy_(torch.linspace(0.01, 0.1, 100).view(10, 10))
        model[1].weight.copy_(torch.linspace(0.11, 1.0, 100).view(10, 10))
        for layer in model:
            layer.weight.grad = torch.ones(10, 10)
    method.update(50)
    assert [layer.kept for layer in method.layers().values()] == [20, 100]


def test_granet_reaches_its_target_where_no_update_falls_before_the_end(build: MethodFactory) -> None:
    method: Any = build(nn.Linear(20, 20), "granet", 100, density=0.1, method_params={"update_period": 60})
    assert method.density(60) == 0.1


def test_granet_cannot_start_sparser_than_it_ends(build: MethodFactory) -> None:
    with pytest.raises(ConfigError, match=r"method_params.initial_density: must be the density, 0.6, or more"):
        build(nn.Linear(4, 4), "granet", density=0.6, method_params={"update_period": 10})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "leaves no update: the period is 1000 of 100 steps"),
        # the last pruning is at step 50, and the last update before step 30 or 50
        (
            {"update_period": 10, "update_end": 0.3},
            "no update for the last pruning, at step 50 or later: the period is 10",
        ),
        (
            {"update_period": 10, "update_end": 0.5},
            "no update for the last pruning, at step 50 or later: the period is 10",
        ),
        ({"update_period": 45, "end": 0.95, "update_end": 0.9}, "no update for the last pruning, at step 90 or later"),
    ],
)
def test_granet_without_its_last_pruning_is_refused(build: MethodFactory, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"method_params.update_period: {message}"):
        build(nn.Linear(4, 4), "granet", density=0.1, method_params=params)


def test_granet_cannot_end_before_it_begins(build: MethodFactory) -> None:
    params = {"update_period": 10, "begin": 0.6}
    with pytest.raises(ConfigError, match=r"method_params.begin: must not come after `end`, 0.5"):
        build(nn.Linear(4, 4), "granet", density=0.1, method_params=params)


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_granet_ends_at_its_target_or_is_refused(build: MethodFactory, fidelity: str) -> None:
    """Whatever the period, begin and end; 40 of 400 weights."""
    done = 0
    for period, begin, end, stop in itertools.product((3, 7, 24, 30), (0.0, 0.3), (0.3, 0.7, 1.0), (0.5, 1.0)):
        model = nn.Sequential(nn.Linear(20, 20, bias=False))
        params = {"update_period": period, "begin": begin, "end": end, "update_end": stop}
        try:
            method: Any = build(model, "granet", 30, density=0.1, fidelity=fidelity, method_params=params)
        except ConfigError:
            continue
        train(method, model, 30)
        assert method.layers()["0"].kept == 40, params
        done += 1
    assert done > 10


EXCESS = {"prune_rate": 0.0, "excess_rate": 0.5}


@pytest.mark.parametrize(
    ("fields", "steps", "period"),
    [
        ({"method_params": EXCESS | {"update_period": 10}}, 20, 10),  # an update at 10; the last stage is from 15
        ({"method_params": EXCESS | {"update_period": 10, "update_end": 0.5}}, 60, 10),
        ({"method_params": EXCESS, "epochs": 7}, 70, 50),  # an update after five epochs, the last stage from step 52
    ],
)
def test_mest_whose_excess_would_not_end_is_refused(
    build: MethodFactory, fields: dict[str, Any], steps: int, period: int
) -> None:
    message = rf"method_params.update_period: no update ends the excess .* the period is {period} of {steps} steps"
    with pytest.raises(ConfigError, match=message):
        build(nn.Linear(20, 20), "mest", steps, density=0.1, **fields)


def test_one_update_in_the_last_stage_ends_mests_excess(build: MethodFactory) -> None:
    """26 steps: updates at 10, with which it grows, and 20; the second stage is from 14, the last from 19."""
    model = nn.Sequential(nn.Linear(20, 20, bias=False))
    method: Any = build(model, "mest", 26, density=0.1, method_params=EXCESS | {"update_period": 10})
    seen = watched(method)
    train(method, model, 26)
    assert seen == [(40, 60), (40, 40)]


def test_mest_without_an_excess_is_at_its_target_after_every_update(build: MethodFactory) -> None:
    """One update, before the last stage: pruned to 32 and grown back to 40."""
    model = nn.Sequential(nn.Linear(20, 20, bias=False))
    method: Any = build(model, "mest", 15, density=0.1, method_params={"update_period": 10, "stages": [0.9]})
    seen = watched(method)
    train(method, model, 15)
    assert seen == [(32, 40)]


@pytest.mark.parametrize("drop", ["each-sign", "each-sign-equal", "each-sign-released"])
def test_mest_ends_no_excess_by_a_criterion_that_counts_signs(build: MethodFactory, drop: str) -> None:
    """Of 6 with a target of 3 half must go: of 5 positive ones round(2.5) = 2, of one negative round(0.5) = 0."""
    params = EXCESS | {"update_period": 10, "drop": drop}
    with pytest.raises(ConfigError, match=r"method_params.drop: counts each sign by itself"):
        build(nn.Linear(20, 20), "mest", 60, density=0.1, method_params=params)
    build(nn.Linear(20, 20), "mest", 60, density=0.1, method_params={"update_period": 10, "drop": drop})


def test_granets_pruned_weights_do_not_come_back_with_their_values(build: MethodFactory) -> None:
    """The last pruning leaves 4 of 6 weights: -1 and -2 go. Then half of 6, 3, 5 and -4, which are 3 and -4. Gradients
    of the free are 9 (-1), .5 (3), 0 (-2), 5 (-4), 4, 1, 2, .1: 9 and 5 win, where -1 starts anew and -4 goes on."""
    model = nn.Sequential(nn.Linear(5, 2, bias=False))
    params = {"update_period": 10, "initial_density": 0.6, "decay": "constant"}
    method: Any = build(model, "granet", 100, density=0.4, method_params=params)
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor(WEIGHT))
    model[0].weight.grad = torch.tensor(GRADIENT)
    model[0].weight.grad[1, 0] = 5.0
    method.set_masks({"0": torch.tensor(WEIGHT) != 0})
    method.update(50)
    assert method.masks()["0"].int().tolist() == [[1, 1, 0, 0, 1], [1, 0, 0, 0, 0]]
    assert model[0].weight.tolist() == [[6, 0, 0, 0, 5], [-4, 0, 0, 0, 0]]


def test_released_granet_with_random_growth_is_pruned_no_more_after_its_last_pruning(build: MethodFactory) -> None:
    """Exact after a pruning; then growth by chance strays, on either side, within six standard deviations."""
    model = nn.Sequential(nn.Linear(100, 40, bias=False))
    params = {"update_period": 10, "grow": "random"}
    above, below = 0, 0
    for seed in range(6):
        method: Any = build(model, "granet", 100, density=0.1, fidelity="released", seed=seed, method_params=params)
        assert method.wanted() is not None
        grown, variance = method.grow, [0.0]

        def grow(name: str, free: Any, n: int, step: int, made: Any = grown, total: list[float] = variance) -> Any:
            total[0] += n * (1 - n / int(free.sum()))
            return made(name, free, n, step)

        method.grow = grow
        for done in range(10, 110, 10):
            left = round(4000 * (0.1 + 0.4 * (1 - done / 50) ** 3)) if done <= 50 else 4000
            if method.layers()["0"].kept > left:
                variance[0] = 0.0
            method.update(done)
        reach = math.ceil(6 * math.sqrt(variance[0]))
        assert method.wanted() == range(400 - reach, 400 + reach + 1)
        kept = method.layers()["0"].kept
        assert kept in method.wanted()
        above, below = above + (kept > 400), below + (kept < 400)
    assert above > 0
    assert below > 0


@pytest.mark.parametrize("slug", ["itop-set", "itop-rigl", "granet", "mest"])
def test_everything_else_is_wanted_exactly(build: MethodFactory, slug: str) -> None:
    model = nn.Sequential(nn.Linear(20, 20, bias=False))
    method = build(model, slug, density=0.1, method_params={"update_period": 10})
    assert method.wanted() == range(40, 41)
