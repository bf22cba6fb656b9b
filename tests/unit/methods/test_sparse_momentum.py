"""Sparse momentum on two layers of ten weights, worked out by hand."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError
from dst_repro.methods.sparse_momentum import released_regrowth
from dst_repro.training.optimisation import build_optimizer
from tests.conftest import MethodFactory, RunFactory, TrainerFactory

# the first layer keeps 6 weights of mean momentum 3, the second 4 of mean momentum 1
WEIGHTS = ([[6.0, -1.0, 3.0, -2.0, 5.0], [-4.0, 0, 0, 0, 0]], [[0.4, -0.3], [0.2, 0.1], [0, 0], [0, 0], [0, 0]])
MOMENTA = (
    [[3.0, 2.0, 4.0, -3.0, 3.0], [3.0, -9.0, 1.0, 2.5, 8.0]],
    [[-1.0, 1.0], [1.0, 1.0], [5.0, -6.0], [0.5, 0.5], [0.5, 0.5]],
)
HALF = {"update_period": 10, "prune_rate": 0.5, "decay": "constant"}
ADAM = {"optimizer": "adam", "learning_rate": 1e-3}


def two_layers(build: MethodFactory, tiny: RunFactory, **fields: Any) -> tuple[Any, list[Tensor], Any]:
    """Layers "0" (2, 5) and "1" (5, 2) as above, and their optimiser."""
    model = nn.Sequential(nn.Linear(5, 2, bias=False), nn.Linear(2, 5, bias=False))
    fields = {"density": 0.5, "method_params": HALF} | fields
    method = build(model, "sparse-momentum", **fields)
    optimizer = build_optimizer(tiny("sparse-momentum", **fields), method.param_groups(model, 0.0))
    method.bind(optimizer)
    weights = [model[0].weight, model[1].weight]
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    optimizer.step()  # creates the optimiser's state
    for weight, value, momentum in zip(weights, WEIGHTS, MOMENTA, strict=True):
        with torch.no_grad():
            weight.copy_(torch.tensor(value))
        state = optimizer.state[weight]
        state["exp_avg" if "exp_avg" in state else "momentum_buffer"].copy_(torch.tensor(momentum))
    method.set_masks({str(i): weight != 0 for i, weight in enumerate(weights)})
    return method, weights, optimizer


@pytest.mark.parametrize("kind", [{}, ADAM])
def test_update_by_hand(build: MethodFactory, tiny: RunFactory, kind: dict[str, Any]) -> None:
    """ceil(6 / 2) + ceil(4 / 2) = 5 are dropped; 5 * 3/4 = 3.75 and 5 * 1/4 = 1.25 come back, hence 4 and 1.

    The first layer drops -1, -2 and 3. Of its free places the momenta are 9, 8, 2.5 and 1 and, of those just dropped,
    2, 3 and 4: 9, 8, 4 and 3 win, of which the last two go on. The second drops 0.1 and 0.2 and grows where the
    momentum is -6.
    """
    method, weights, optimizer = two_layers(build, tiny, **kind)
    method.after_step(9)
    assert method.masks()["0"].int().tolist() == [[1, 0, 1, 1, 1], [1, 1, 0, 0, 1]]
    assert method.masks()["1"].int().tolist() == [[1, 1], [0, 0], [0, 1], [0, 0], [0, 0]]
    assert weights[0].tolist() == [[6, 0, 3, -2, 5], [-4, 0, 0, 0, 0]]
    assert weights[1].flatten().tolist() == pytest.approx([0.4, -0.3, 0, 0, 0, 0, 0, 0, 0, 0])
    state = optimizer.state[weights[0]]
    assert state["exp_avg" if kind else "momentum_buffer"].tolist() == MOMENTA[0]


def test_released_numbers_stray_and_are_made_up_for(build: MethodFactory, tiny: RunFactory) -> None:
    """ceil(3.75) + ceil(1.25) = 6 for 5 dropped. Then the adjustment is 0.75 * -1 + -1 = -1.75."""
    method, weights, _ = two_layers(build, tiny, fidelity="released")
    method.after_step(9)
    assert {name: layer.kept for name, layer in method.layers().items()} == {"0": 7, "1": 4}
    assert weights[0].tolist() == [[6, 0, 3, -2, 5], [-4, 0, 0, 0, 0]]  # 3 and -2 went and came back
    state = method.state_dict()
    assert (state["adjustment"], state["residuals"]) == (-1.75, [-1.0])
    method.after_step(19)  # now 4 + 2 are dropped, and 6 - 1.75 shared out
    assert sum(layer.kept for layer in method.layers().values()) in (9, 10)


def test_released_adam_divides_by_the_root_of_the_second_moment(build: MethodFactory, tiny: RunFactory) -> None:
    for fidelity, divisor in (("paper", 1.0), ("released", 2.0)):
        method, weights, optimizer = two_layers(build, tiny, fidelity=fidelity, **ADAM)
        optimizer.state[weights[0]]["exp_avg_sq"].fill_(4.0)
        assert torch.allclose(method.momentum("0"), torch.tensor(MOMENTA[0]) / divisor)


@pytest.mark.parametrize(
    ("shares", "room", "expected"),
    [
        ({"a": 1.0, "b": 3.0}, {"a": 50, "b": 50}, {"a": 5, "b": 15}),
        # ceil(1/3 * 20) is 7: one weight too many
        ({"a": 1.0, "b": 1.0, "c": 1.0}, {"a": 50, "b": 50, "c": 50}, {"a": 7, "b": 7, "c": 7}),
        # b may have 9.9 of its 15; 5.1 are spread: 5 + 2.55, then b gives 2.55 back: + 1.275, ... to 5 + 5.1
        ({"a": 1.0, "b": 3.0}, {"a": 50, "b": 10}, {"a": 10, "b": 9}),
        # no room: 0.99 * 10 each, rounded down
        ({"a": 1.0, "b": 1.0}, {"a": 10, "b": 10}, {"a": 9, "b": 9}),
        ({"a": 0.0, "b": 0.0}, {"a": 10, "b": 10}, {"a": 0, "b": 0}),
    ],
)
def test_released_regrowth_of_twenty(shares: dict, room: dict, expected: dict) -> None:
    assert released_regrowth(20, shares, room) == expected


def test_released_regrowth_of_less_than_nothing() -> None:
    assert released_regrowth(-3.0, {"a": 1.0, "b": 1.0}, {"a": 5, "b": 5}) == {"a": 0, "b": 0}


def test_full_layers_give_the_excess_to_the_others_in_equal_parts(build: MethodFactory, tiny: RunFactory) -> None:
    """Momenta of 90 to 5 to 5: of 15 dropped the first would get 13.5. It has room for 10, the others get 2.5 each."""
    model = nn.Sequential(*(nn.Linear(5, 4, bias=False) for _ in range(3)))
    method = build(model, "sparse-momentum", density=0.5, method_params=HALF)
    method._shares = {"0": 90.0, "1": 5.0, "2": 5.0}
    method.share = lambda name, kept, step: method._shares[name]
    dropped = {name: torch.zeros(4, 5, dtype=torch.bool) for name in "012"}
    free = {name: torch.ones(4, 5, dtype=torch.bool) for name in "012"}
    dropped["1"][:3] = True
    free["0"][2:] = False
    assert method.regrowth(dropped, free, 10) == {"0": 10, "1": 3, "2": 2}


def test_nearly_full_layers_with_much_momentum_are_spared(build: MethodFactory, tiny: RunFactory) -> None:
    """At sparsity 0.1 and a share above 1/2 a layer drops at rate 0.1; with less momentum or at 0.2, at 0.5."""
    method, _, _ = two_layers(build, tiny)
    full, nearly = torch.ones(2, 5, dtype=torch.bool), torch.ones(2, 5, dtype=torch.bool)
    nearly[0, 0] = False
    method._shares = {"0": 3.0, "1": 1.0}
    for mask, share, expected in ((nearly, 3.0, 0.1), (full, 3.0, 0.0), (nearly, 1.0, 0.5), (nearly, 0.5, 0.5)):
        method._masks["0"], method._shares["0"] = mask, share
        assert method.layer_rate("0", 0.5) == pytest.approx(expected)
    nearly[0, 1] = False
    method._masks["0"], method._shares["0"] = nearly, 3.0
    assert method.layer_rate("0", 0.5) == 0.5


def test_criteria_are_compared_with_the_shares_of_their_update(build: MethodFactory, tiny: RunFactory) -> None:
    """The first layer has 9 of 10 weights and a mean momentum of 3 beside 1, hence it drops ceil(0.1 * 9) = 1, though
    the update before found 1 beside 9, with which it would have dropped ceil(0.5 * 9) = 5.
    """
    method, weights, _ = two_layers(build, tiny, method_params=HALF | {"compare": ["magnitude"]})
    with torch.no_grad():
        weights[0].copy_(torch.arange(10.0).view(2, 5))
    method.set_masks({str(i): weight != 0 for i, weight in enumerate(weights)})
    method._shares = {"0": 1.0, "1": 9.0}
    method.update(10)
    assert method._shares["0"] == pytest.approx((2 + 4 + 3 + 3 + 3 + 9 + 1 + 2.5 + 8) / 9)
    assert method.events()["selected/magnitude"] == {"0": 1.0, "1": 2.0}


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_shares_that_are_not_finite_stop_the_update(
    build: MethodFactory, tiny: RunFactory, fidelity: str, value: float
) -> None:
    """One momentum of one layer is enough, and nothing has changed then."""
    method, weights, optimizer = two_layers(build, tiny, fidelity=fidelity)
    optimizer.state[weights[1]]["momentum_buffer"][0, 0] = value
    before = {name: mask.clone() for name, mask in method.masks().items()}
    message = r"^shares of what is grown are not finite: 1 \(redistribution by momentum, step 10\)$"
    with pytest.raises(FloatingPointError, match=message):
        method.after_step(9)
    assert all(torch.equal(mask, before[name]) for name, mask in method.masks().items())
    assert weights[0].flatten().tolist() == [x for row in WEIGHTS[0] for x in row]


@pytest.mark.parametrize("fidelity", ["paper", "released"])
@pytest.mark.parametrize("redistribution", ["nonzeros", "survivors", "magnitude", "gradient", "momentum"])
def test_no_redistribution_hides_a_divergence(
    trainer: TrainerFactory, digits: Data, fidelity: str, redistribution: str
) -> None:
    """At a learning rate of 1e30 everything is infinite or not a number after a few steps: shares that say so stop the
    update, others leave as many weights as there were, for released sparse momentum within its bound."""
    params = {"update_period": 4, "redistribution": redistribution}
    run = trainer("sparse-momentum", density=0.1, learning_rate=1e30, fidelity=fidelity, method_params=params)
    method, stopped = run.method, False
    for step, (images, labels) in enumerate(itertools.islice(digits.train_batches(50, 0, 0), 8)):
        run.optimizer.zero_grad()
        nn.functional.cross_entropy(run.model(images), labels).backward()
        try:
            if not method.after_backward(step):
                run.optimizer.step()
                method.after_step(step)
        except FloatingPointError:
            stopped = True
            break
    assert stopped == (redistribution in ("magnitude", "gradient", "momentum"))
    assert sum(layer.kept for layer in method.layers().values()) in method.wanted()


def worst(updates: int) -> float:
    """By how much |r_t| can exceed what is asked for if every |e_t| is 1, of all t: the sum of the sizes of what each
    e alone makes of r, worked out in float64 from
    r_t = r_(t-1) - a_(t-1) - e_t, a_t = a_(t-1) / 4 + 3 r_t / 4 + (r_1 + .. + r_t) / t.
    """
    r, a, total = (torch.zeros(updates, dtype=torch.float64) for _ in range(3))
    largest = 0.0
    for t in range(updates):
        r = r - a
        r[t] -= 1.0
        total = total + r
        a = a / 4 + 3 * r / 4 + total / (t + 1)
        largest = max(largest, float(r.abs().sum()))
    return largest


def test_released_numbers_stray_by_no_more_than_rounding_can_do(build: MethodFactory) -> None:
    """2.15 weights a layer by the recurrence, and a weight for the target's own rounding: here 2 layers, 10 weights."""
    assert worst(50) < worst(1500) < 2.15
    exact = {"density": 0.5, "method_params": HALF}
    for fields, wanted in (
        ({}, range(10, 11)),
        ({"fidelity": "released"}, range(4, 17)),  # ceil(2.2 * 2) + 1 = 6
        ({"fidelity": "released", "method_params": HALF | {"redistribution": "none"}}, range(10, 11)),
        ({"fidelity": "released", "density": 0.9}, range(12, 21)),  # no more than there are
    ):
        model = nn.Sequential(nn.Linear(5, 2, bias=False), nn.Linear(2, 5, bias=False))
        assert build(model, "sparse-momentum", **exact | fields).wanted() == wanted


@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
def test_released_numbers_end_as_wanted(build: MethodFactory, tiny: RunFactory, density: float) -> None:
    """200 updates of five layers with momenta drawn anew, a thousand times larger in one layer, in turn."""
    model = nn.Sequential(*(nn.Linear(12, 12, bias=False) for _ in range(5)))
    fields = {"density": density, "fidelity": "released", "method_params": {"update_period": 1, "decay": "constant"}}
    method: Any = build(model, "sparse-momentum", 201, **fields)
    optimizer = build_optimizer(tiny("sparse-momentum", **fields), method.param_groups(model, 0.0))
    method.bind(optimizer)
    rng = torch.Generator().manual_seed(0)
    for done in range(1, 201):
        for i, layer in enumerate(model):
            size = 1000.0 if i == done // 7 % 5 else 1.0
            optimizer.state[layer.weight]["momentum_buffer"] = size * torch.randn(12, 12, generator=rng)
        method.update(done)
        assert sum(layer.kept for layer in method.layers().values()) in method.wanted()


@pytest.mark.parametrize(("fidelity", "last"), [("paper", 0.0), ("released", 0.005)])
def test_prune_rate_falls_on_a_cosine_over_the_whole_training(build: MethodFactory, fidelity: str, last: float) -> None:
    made = build(nn.Linear(4, 4), "sparse-momentum", steps=100, epochs=5, density=0.5, fidelity=fidelity)
    assert made.rate(0) == pytest.approx(0.5)
    assert made.rate(50) == pytest.approx((0.5 + last) / 2)
    assert made.rate(100) == pytest.approx(last)
    assert [done for done in range(101) if made.due(done)] == [20, 40, 60, 80]  # after every epoch but the last


@pytest.mark.parametrize("kind", [{}, ADAM])
def test_missing_weights_have_the_momentum_of_their_dense_gradient(
    trainer: TrainerFactory, digits: Data, kind: dict[str, Any]
) -> None:
    """By hand from the gradients of every step: v = 0.9 v + g, or m = 0.9 m + 0.1 g, pruned weights included."""
    run = trainer("sparse-momentum", density=0.1, **kind)
    expected = {name: torch.zeros_like(m.weight) for name, m in run.method.modules.items()}
    for step, (images, labels) in enumerate(itertools.islice(digits.train_batches(50, 0, 0), 4)):
        run.optimizer.zero_grad()
        nn.functional.cross_entropy(run.model(images), labels).backward()
        for name, module in run.method.modules.items():
            expected[name] = 0.9 * expected[name] + (0.1 if kind else 1.0) * module.weight.grad
        assert run.method.after_backward(step) is False
        run.optimizer.step()
        run.method.after_step(step)
        for name, mask in run.method.masks().items():
            assert not bool(run.method.modules[name].weight[~mask].any())
            assert torch.allclose(run.method.momentum(name), expected[name], atol=1e-7)
            assert float(run.method.momentum(name)[~mask].abs().sum()) > 0


def test_an_optimiser_without_momentum_is_refused(trainer: TrainerFactory) -> None:
    with pytest.raises(ConfigError, match=r"optimizer_params.momentum: sparse-momentum needs a momentum above 0"):
        trainer("sparse-momentum", density=0.1, optimizer_params={"momentum": 0.0})


def test_growth_by_a_momentum_that_is_always_zero_is_refused(trainer: TrainerFactory) -> None:
    with pytest.raises(ConfigError, match=r"method_params.momentum: growth by momentum needs `momentum: dense`"):
        trainer("rigl", density=0.1, method_params={"grow": "momentum"})


def test_released_without_any_momentum_has_no_shares_to_grow_by(build: MethodFactory) -> None:
    """The authors' code divides by their sum."""
    made = build(nn.Linear(4, 4), "sparse-momentum", steps=100, epochs=5, density=0.5, fidelity="released")
    made._shares = {"0": 0.0}
    masks = {"0": torch.ones(4, 4, dtype=torch.bool)}
    with pytest.raises(FloatingPointError, match="all momenta are zero"):
        made.regrowth(masks, masks, 20)


def test_released_can_not_keep_a_network_nearly_dense(build: MethodFactory) -> None:
    with pytest.raises(ConfigError, match=r"^density: as released, growth is bounded by 99 %"):
        build(nn.Linear(4, 4), "sparse-momentum", steps=100, epochs=5, density=0.995, fidelity="released")
