"""MEST, ITOP and GraNet: numbers of weights and masks at hand-worked steps."""

from __future__ import annotations

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
    mask = build(model, "mest", density=0.1, fidelity="released").masks()["0"]
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
    Released, the weight of -1 goes on; else it starts from zero."""
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
    assert model[0].weight.tolist() == [[6, -1 if fidelity == "released" else 0, 0, 0, 5], [-4, 0, 0, 0, 0]]


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
        build(nn.Linear(4, 4), "granet", density=0.6)
