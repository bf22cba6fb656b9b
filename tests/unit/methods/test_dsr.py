"""DSR on two layers of ten weights, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import MethodFactory

WEIGHTS = ([[6.0, -1.0, 3.0, -2.0, 5.0], [-4.0, 0, 0, 0, 0]], [[0.4, -0.3], [0.2, 0.1], [0, 0], [0, 0], [0, 0]])


def two_layers(build: MethodFactory, threshold: float, **fields: Any) -> tuple[Any, list[Tensor]]:
    """Layers "0" (2, 5) with 6 weights and "1" (5, 2) with 4; an update should drop half of the ten."""
    model = nn.Sequential(nn.Linear(5, 2, bias=False), nn.Linear(2, 5, bias=False))
    params = {"update_period": 10, "prune_rate": 0.5, "threshold": threshold}
    method = build(model, "dsr", density=0.5, method_params=params, **fields)
    weights = [model[0].weight, model[1].weight]
    with torch.no_grad():
        for weight, value in zip(weights, WEIGHTS, strict=True):
            weight.copy_(torch.tensor(value))
    method.set_masks({str(i): weight != 0 for i, weight in enumerate(weights)})
    return method, weights


def test_one_threshold_for_all_layers_and_growth_by_survivors(build: MethodFactory) -> None:
    """Below 2.5 are -1 and -2 and the second layer, of which the largest stays: 5 dropped, as wanted.

    The survivors are 4 and 1: of 5 the first layer grows 4, its four places that were free before, the second one.
    """
    method, weights = two_layers(build, 2.5)
    method.update(10)
    assert method.threshold == 2.5
    assert weights[0].tolist() == [[6, 0, 3, 0, 5], [-4, 0, 0, 0, 0]]
    assert method.masks()["0"].int().tolist() == [[1, 0, 1, 0, 1], [1, 1, 1, 1, 1]]
    assert weights[1].flatten().tolist() == pytest.approx([0.4] + 9 * [0])
    assert int(method.masks()["1"].sum()) == 2
    assert int(method.masks()["1"][2:].sum()) == 1  # not where one was just dropped


def test_released_code_keeps_the_first_weight_of_an_emptied_layer(build: MethodFactory) -> None:
    for fidelity, stays in (("paper", 0), ("released", 1)):
        method, weights = two_layers(build, 2.5, fidelity=fidelity)
        with torch.no_grad():
            weights[1].copy_(torch.tensor([[0, -0.3], [0.2, 0.4], [0.1, 0], [0, 0], [0, 0]]))
        method.set_masks({str(i): weight != 0 for i, weight in enumerate(weights)})
        left = method.masks()["1"] & ~method.drop(0.5, 10)["1"]
        assert left.nonzero().tolist() == [[[1, 1]], [[0, 1]]][stays]


@pytest.mark.parametrize(
    ("threshold", "dropped", "after"),
    [
        (0.05, 0, 0.1),  # too few of 5
        (1.5, 4, 3.0),  # -1, and three of the second layer: 4 < 4.5
        (2.5, 5, 2.5),
        (3.5, 6, 1.75),  # 6 > 5.5
    ],
)
def test_threshold_adapts(build: MethodFactory, threshold: float, dropped: int, after: float) -> None:
    method, _ = two_layers(build, threshold)
    assert sum(int(mask.sum()) for mask in method.drop(0.5, 10).values()) == dropped
    assert method.threshold == after


def test_a_miss_within_the_tolerance_changes_nothing(build: MethodFactory) -> None:
    """5 dropped of 10 active: of a wanted 5.5 that is 9 % too few, of 5.6 it is 11 %; 4.6 and 4.5 likewise."""
    for rate, factor in ((0.55, 1.0), (0.56, 2.0), (0.46, 1.0), (0.45, 0.5)):
        method, _ = two_layers(build, 2.5)
        method.drop(rate, 10)
        assert method.threshold == 2.5 * factor


def test_just_dropped_places_are_taken_where_no_others_are_left(build: MethodFactory) -> None:
    """18 of 20 are active and 5 go: there are 2 other places."""
    method, weights = two_layers(build, 2.5)
    with torch.no_grad():
        for weight in weights:
            weight.fill_(4.0)
            weight[0, 0] = 0.0
        weights[0][1, :] = 1.0
    method.set_masks({str(i): weight != 0 for i, weight in enumerate(weights)})
    method.update(10)
    assert sum(layer.kept for layer in method.layers().values()) == 18
    assert method.wanted() == range(10, 11)  # of the density that was asked for, not of these masks
    assert sum(int((layer.weight[method.masks()[name]] == 0).sum()) for name, layer in method.modules.items()) == 5


@pytest.mark.parametrize("regrown", ["keep", "zero"])
def test_just_dropped_weights_go_on_only_if_that_is_asked_for(build: MethodFactory, regrown: str) -> None:
    """Five ones are dropped of a layer without another place, and come back where they were."""
    model = nn.Sequential(nn.Linear(5, 2, bias=False))
    params = {"update_period": 10, "prune_rate": 0.5, "threshold": 2.5, "regrown": regrown}
    method = build(model, "dsr", density=1.0, method_params=params)
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[4.0] * 5, [1.0] * 5]))
    method.update(10)
    assert model[0].weight[1].tolist() == [1.0 if regrown == "keep" else 0.0] * 5


def test_period_doubles(build: MethodFactory) -> None:
    """1000 steps: every 10 up to 125, every 20 up to 400, every 40 up to 700, every 80 up to 950."""
    method = build(nn.Linear(4, 4), "dsr", steps=1000, density=0.5, method_params={"update_period": 10})
    due = [done for done in range(1001) if method.due(done)]
    expected = [*range(10, 125, 10), *range(140, 400, 20), *range(400, 700, 40), *range(720, 950, 80)]
    assert due == expected
