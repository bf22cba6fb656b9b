"""Deep R: single steps worked out by hand, the noise by its moments, and what holds after every step of a training."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dst_repro.data.base import Data
from dst_repro.training.optimisation import build_optimizer
from tests.conftest import MethodFactory, RunFactory, TrainerFactory

INITIAL = [[0.5, -0.2, 0.3, -0.4], [0.1, -0.6, 0.7, -0.8]]
PLAIN = {"optimizer_params": {"momentum": 0.0}, "learning_rate": 0.5}


def one_layer(build: MethodFactory, tiny: RunFactory, **fields: Any) -> tuple[Any, nn.Linear, Any]:
    """A layer (2, 4) with the weights above, of which four are drawn to be active, and its optimiser."""
    model = nn.Sequential(nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor(INITIAL))
    fields = {"density": 0.5, "steps": 100} | PLAIN | fields
    method = build(model, "deep-r", **fields)
    del fields["steps"]
    optimizer = build_optimizer(tiny("deep-r", **fields), method.param_groups(model, 0.0))
    method.bind(optimizer)
    return method, model[0], optimizer


def a_step(method: Any, layer: nn.Linear, optimizer: Any, gradient: Tensor, step: int = 0) -> None:
    optimizer.zero_grad()
    layer.weight.grad = gradient.clone()
    assert method.after_backward(step) is False
    optimizer.step()
    method.after_step(step)


def compare_with(method: Any, signs: Tensor) -> None:
    """Have the next step compared with these signs."""
    method.load_state_dict(method.state_dict() | {"sign": signs})


def still(alpha: float) -> dict[str, Any]:
    return {"alpha": alpha, "temperature": [[0.0, 0.0]]}


def test_gradient_step_and_prior_by_hand(build: MethodFactory, tiny: RunFactory) -> None:
    """w - 0.5 * g - 0.5 * alpha * sign(w) with g = 0.04 and alpha = 0.06: 0.05 less if positive, 0.01 more if not."""
    method, layer, optimizer = one_layer(build, tiny, method_params=still(0.06))
    active, initial = method.masks()["0"].clone(), torch.tensor(INITIAL)
    a_step(method, layer, optimizer, torch.full((2, 4), 0.04))
    expected = torch.where(initial > 0, initial - 0.05, initial + 0.01) * active
    assert torch.allclose(layer.weight, expected, atol=1e-7)
    assert torch.equal(method.masks()["0"], active)


def test_a_connection_that_would_cross_zero_gives_its_place_away(build: MethodFactory, tiny: RunFactory) -> None:
    """A gradient that pushes one active weight to twice its size on the other side; the others have none."""
    moved = set()
    for seed in range(40):
        method, layer, optimizer = one_layer(build, tiny, method_params=still(0.0), seed=seed)
        before = method.masks()["0"].clone()
        row, column = before.nonzero()[0].tolist()
        gradient = torch.zeros(2, 4)
        gradient[row, column] = 6 * layer.weight[row, column]
        a_step(method, layer, optimizer, gradient)
        after = method.masks()["0"]
        assert int(after.sum()) == 4
        assert layer.weight[row, column] == 0
        kept = before.clone()
        kept[row, column] = False
        assert torch.equal(layer.weight, torch.tensor(INITIAL) * kept)
        assert bool(after[kept].all())
        assert method.events() == {"rewired": {"0": 1.0}}
        moved.add(bool(after[row, column]))
    assert moved == {True, False}  # the one that has just gone dormant is one of the five to draw from


def test_new_connections_grow_into_their_fixed_sign_or_go(build: MethodFactory, tiny: RunFactory) -> None:
    """From zero, against the sign of its initial weight: dormant again. Along it: that weight."""
    for along in (True, False):
        method, layer, optimizer = one_layer(build, tiny, method_params=still(0.0))
        first = method.masks()["0"].clone()
        sign = torch.tensor(INITIAL).sign()
        a_step(method, layer, optimizer, 6 * layer.weight.detach())  # all four
        assert not bool(layer.weight.any())
        new = method.masks()["0"].clone()
        assert not torch.equal(new, first)
        a_step(method, layer, optimizer, (-0.2 if along else 0.2) * sign, step=1)
        assert torch.allclose(layer.weight, 0.1 * sign * new if along else torch.zeros(2, 4))
        assert method.events()["rewired"]["0"] == (4 if along else 8)


def test_a_new_connection_has_no_momentum(build: MethodFactory, tiny: RunFactory) -> None:
    """0.9 * 0.02 and then the gradient for those that stay; for the third, which was replaced, the gradient alone."""
    fields = {"optimizer_params": {"momentum": 0.9}, "method_params": still(0.0)}
    method, layer, optimizer = one_layer(build, tiny, **fields)

    def momentum() -> Tensor:
        return optimizer.state[method.values]["momentum_buffer"]

    a_step(method, layer, optimizer, torch.full((2, 4), 0.02))
    assert momentum().tolist() == pytest.approx(4 * [0.02])
    with torch.no_grad():
        method.values[2] = -method.values[2]
    method.after_step(1)
    assert momentum().tolist() == pytest.approx([0.02, 0.02, 0, 0.02])
    along = -0.02 * torch.tensor(INITIAL).sign()  # so that none crosses
    a_step(method, layer, optimizer, along, step=2)
    gradient = along.flatten()[method._where]
    assert torch.allclose(momentum(), 0.9 * torch.tensor([0.02, 0.02, 0, 0.02]) + gradient)


@pytest.mark.parametrize(("rate", "temperature"), [(0.5, 1e-4), (0.02, 1e-4), (0.5, 1e-6)])
def test_noise_has_the_deviation_of_the_formula(
    build: MethodFactory, tiny: RunFactory, rate: float, temperature: float
) -> None:
    """sqrt(2 * eta * T) over 5,000 weights of size 1: mean 0, standard deviation within 5 %."""
    model = nn.Sequential(nn.Linear(100, 100, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.ones(100, 100).index_fill_(0, torch.arange(50), -1.0))
    params = {"alpha": 0.0, "temperature": [[0.0, temperature]]}
    fields = {"density": 0.5, "method_params": params, "learning_rate": rate, "optimizer_params": {"momentum": 0.0}}
    method = build(model, "deep-r", **fields)
    optimizer = build_optimizer(tiny("deep-r", **fields), method.param_groups(model, 0.0))
    method.bind(optimizer)
    start = model[0].weight.detach().clone()
    moves = []
    for step in range(2):
        before = model[0].weight.detach().clone()
        a_step(method, model[0], optimizer, torch.zeros(100, 100), step)
        moves.append((model[0].weight.detach() - before)[start != 0].double())
    for move in moves:
        deviation = math.sqrt(2 * rate * temperature)
        assert float(move.std()) == pytest.approx(deviation, rel=0.05)
        assert abs(float(move.mean())) < 4 * deviation / math.sqrt(5000)
    assert abs(float(torch.corrcoef(torch.stack(moves))[0, 1])) < 0.06  # every step draws anew


def test_released_prior_and_noise_are_in_the_gradient(build: MethodFactory, tiny: RunFactory) -> None:
    """alpha * sign(w) + sqrt(2 * 0.01 * 1e-5) * nu with plain SGD at 0.5, whatever the optimiser's own rate in it."""
    model = nn.Sequential(nn.Linear(100, 100, bias=False))
    nn.init.ones_(model[0].weight)
    fields = {"density": 0.5, "fidelity": "released", "method_params": {"alpha": 0.01}, **PLAIN}
    method = build(model, "deep-r", **fields)
    optimizer = build_optimizer(tiny("deep-r", **fields), method.param_groups(model, 0.0))
    method.bind(optimizer)
    compare_with(method, torch.ones(5000))
    a_step(method, model[0], optimizer, torch.zeros(100, 100))
    move = (model[0].weight.detach() - 1.0)[method.masks()["0"]].double()
    assert float(move.mean()) == pytest.approx(-0.5 * 0.01, rel=0.01)
    assert float(move.std()) == pytest.approx(0.5 * math.sqrt(2 * 0.01 * 1e-5), rel=0.05)


def test_released_first_step_rewires_half_of_every_layer(build: MethodFactory, tiny: RunFactory) -> None:
    """Signs of a draw that was thrown away: each connection goes with a chance of 1/2, whatever the step does.

    Half of the new ones, which are compared with their own draw, go again at the second step.
    """
    layers = {"0": (784, 300), "1": (300, 100), "2": (100, 100)}
    model = nn.Sequential(*(nn.Linear(*sizes, bias=False) for sizes in layers.values()))
    params = still(0.0) | {"distribution": "uniform"}
    fields = {"density": 0.1, "fidelity": "released", "method_params": params} | PLAIN
    method = build(model, "deep-r", **fields)
    optimizer = build_optimizer(tiny("deep-r", **fields), method.param_groups(model, 0.0))
    method.bind(optimizer)
    rewired = dict.fromkeys(layers, 0.0)
    going = {name: 0.1 * inputs * outputs for name, (inputs, outputs) in layers.items()}  # 23520, 3000, 1000
    for step in range(2):
        optimizer.zero_grad()
        for module in model:
            module.weight.grad = 1e-9 * torch.randn(module.weight.shape)  # moves new ones, and no old one across zero
        assert method.after_backward(step) is False
        optimizer.step()
        method.after_step(step)
        now = method.events()["rewired"]
        for name, number in going.items():
            assert abs(now[name] - rewired[name] - number / 2) < 4 * math.sqrt(number) / 2, name
        going, rewired = {name: now[name] - rewired[name] for name in layers}, now


def test_released_first_step_by_hand(build: MethodFactory, tiny: RunFactory) -> None:
    """Of four connections the second and the third had the other sign in the draw that was thrown away."""
    method, layer, optimizer = one_layer(build, tiny, fidelity="released", method_params=still(0.0))
    initial, first = torch.tensor(INITIAL), method.masks()["0"].clone()
    where = first.flatten().nonzero().squeeze(1)
    stays = torch.tensor([1.0, -1.0, -1.0, 1.0])
    compare_with(method, initial.flatten()[where].sign() * stays)
    a_step(method, layer, optimizer, torch.zeros(2, 4))
    kept = torch.zeros(8, dtype=torch.bool).index_fill_(0, where[stays > 0], True).view(2, 4)
    assert torch.equal(layer.weight, initial * kept)
    assert method.events() == {"rewired": {"0": 2.0}}
    new = method.masks()["0"] & ~kept
    assert int(new.sum()) == 2
    assert not bool((new & first).any())  # one that has just gone dormant is not drawn
    # the first of them goes the way of its own initial weight, the second the other way
    gradient, (one, other) = torch.zeros(8), new.flatten().nonzero().squeeze(1).tolist()
    gradient[one], gradient[other] = -0.2 * initial.flatten()[[one, other]].sign() * torch.tensor([1.0, -1.0])
    a_step(method, layer, optimizer, gradient.view(2, 4), step=1)
    found = layer.weight.detach().flatten()
    assert float(found[one]) == pytest.approx(0.1 * float(initial.flatten()[one].sign()))
    assert not bool(method.masks()["0"].flatten()[other])
    assert method.events() == {"rewired": {"0": 3.0}}
    # without momentum nothing is left at the other positions: what replaces it may go either way, and then not back
    third = int((method.masks()["0"] & ~kept & ~new).nonzero() @ torch.tensor([4, 1]))
    for sign, stays_active in ((-1.0, True), (1.0, False)):
        gradient = torch.zeros(8)
        gradient[third] = 0.1 * sign * (1 if stays_active else 2)
        a_step(method, layer, optimizer, gradient.view(2, 4), step=2)
        assert bool(method.masks()["0"].flatten()[third]) == stays_active


@pytest.mark.parametrize("step", [1, 2000])
@pytest.mark.parametrize("along", [True, False])
def test_released_signs_of_new_connections(build: MethodFactory, tiny: RunFactory, along: bool, step: int) -> None:
    """The prior of the first step left the momentum 0.001 * sign(w) everywhere, which moves to the other side of zero.

    0.9^1 of it is there after the second step: new connections are compared with -sign(w). 0.9^2000 of it (1e-92) is
    nothing in float32: they take the sign of their first step, whichever it is.
    """
    fields = {"optimizer_params": {"momentum": 0.9}, "fidelity": "released", "method_params": still(0.001)}
    method, layer, optimizer = one_layer(build, tiny, steps=4000, **fields)
    first = method.masks()["0"].clone()
    compare_with(method, torch.tensor(INITIAL)[first].sign())
    sign = torch.tensor(INITIAL).sign()
    a_step(method, layer, optimizer, torch.zeros(2, 4))
    assert torch.equal(method.masks()["0"], first)
    a_step(method, layer, optimizer, 6 * sign, step=step)  # all four
    new = method.masks()["0"].clone()
    assert torch.equal(new, ~first)
    left = 0.9 * 0.001 if step == 1 else 0.0
    assert torch.allclose(optimizer.state[method.values]["momentum_buffer"], left * sign[new], atol=1e-12)
    a_step(method, layer, optimizer, (-0.2 if along else 0.2) * sign, step=step + 1)
    stay = step == 2000 or not along
    assert method.events()["rewired"]["0"] == (4 if stay else 8)
    moved = -0.5 * (0.9 * left + (-0.2 if along else 0.2)) * sign * new
    assert torch.allclose(layer.weight, moved if stay else torch.zeros(2, 4), atol=1e-7)


@pytest.mark.parametrize(
    ("alpha", "decay", "momentum", "nesterov"),
    [
        (1e-3, 0.0, 0.9, True),
        (0.0, 1e-2, 0.9, False),
        (0.0, 0.0, 0.9, True),
        (1e-3, 1e-2, 0.0, False),
    ],
)
def test_released_steps_are_those_of_a_dense_tensor_under_a_mask(
    build: MethodFactory, tiny: RunFactory, alpha: float, decay: float, momentum: float, nesterov: bool
) -> None:
    """The released rule as it is written there: all weights and momenta are kept, dormant weights are set to zero after
    each step but not before the first, signs of all are compared with those of the step before.
    """
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 15, bias=False))
    dense = nn.Parameter(model[0].weight.detach().clone())
    options = {"momentum": momentum, "nesterov": nesterov}
    fields: dict[str, Any] = {"density": 0.2, "fidelity": "released", "learning_rate": 0.1, "weight_decay": decay}
    fields |= {"optimizer_params": options, "method_params": still(alpha)}
    method = build(model, "deep-r", **fields)
    optimizer = build_optimizer(tiny("deep-r", **fields), method.param_groups(model, decay))
    method.bind(optimizer)
    reference = torch.optim.SGD([dense], 0.1, weight_decay=decay, **options)
    mask, signs = method.masks()["0"].clone(), torch.zeros(15, 20)
    signs[mask] = method.state_dict()["sign"]
    assert set(signs[mask].tolist()) == {-1.0, 1.0}
    gone_in_all, again = 0, 0
    ever = mask.clone()
    for step in range(60):
        gradient = torch.randn(15, 20)
        a_step(method, model[0], optimizer, gradient, step)
        dense.grad = gradient * mask + alpha * dense.detach().sign()
        reference.step()
        found = dense.detach().sign()
        gone = mask & (found * signs < 0)
        after = method.masks()["0"].clone()
        assert torch.equal(gone, mask & ~after)
        grown = after & ~mask
        assert int(grown.sum()) == int(gone.sum())
        again += int((grown & ever).sum())
        gone_in_all, mask, signs, ever = gone_in_all + int(gone.sum()), after, found, ever | after
        with torch.no_grad():
            dense.mul_(mask & ~grown)
        torch.testing.assert_close(model[0].weight.detach(), dense.detach())
        if momentum:
            left = reference.state[dense]["momentum_buffer"].flatten()[method.state_dict()["where"]]
            torch.testing.assert_close(optimizer.state[method.values]["momentum_buffer"], left)
    assert gone_in_all > 60
    assert again > 30  # positions that had a connection before


@pytest.mark.parametrize("distribution", ["uniform", "er"])
def test_released_dense_layers_have_neither_noise_nor_signs(
    build: MethodFactory, tiny: RunFactory, distribution: str
) -> None:
    params = {"alpha": 0.0, "temperature": [[0.0, 1.0]], "distribution": distribution}
    method, layer, optimizer = one_layer(build, tiny, density=1.0, fidelity="released", method_params=params)
    a_step(method, layer, optimizer, 6 * torch.tensor(INITIAL))
    assert torch.allclose(layer.weight, -2 * torch.tensor(INITIAL))
    assert method.events() == {"rewired": {"0": 0.0}}


def test_temperature_by_the_share_of_the_training(build: MethodFactory) -> None:
    model = nn.Linear(4, 4)
    stages = {"temperature": [[0.5, 2.0], [0.25, 1.0]]}
    method = build(model, "deep-r", steps=200, density=0.5, method_params=stages)
    assert [method.temperature(step) for step in (0, 49, 50, 99, 100, 199)] == [0, 0, 1, 1, 2, 2]
    assert build(model, "deep-r", density=0.5).temperature(0) == 2.5e-11
    released = build(model, "deep-r", steps=200, density=0.5, fidelity="released")
    assert [released.temperature(step) for step in (0, 24, 25, 80, 140, 199)] == [1e-5, 1e-5, 1e-8, 1e-12, 1e-15, 1e-15]


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_after_the_end_weights_cross_freely(build: MethodFactory, tiny: RunFactory, fidelity: str) -> None:
    params = {"alpha": 0.0, "temperature": [[0.0, 1.0]], "update_end": 0.5}
    method, layer, optimizer = one_layer(build, tiny, method_params=params, fidelity=fidelity)
    before, mask = layer.weight.detach().clone(), method.masks()["0"].clone()
    a_step(method, layer, optimizer, 6 * before, step=50)
    assert torch.allclose(layer.weight, -2 * before)
    assert torch.equal(method.masks()["0"], mask)


CASES = [
    (fidelity, density, optimizer)
    for fidelity in ("paper", "released")
    for density in (0.9, 0.3, 0.05)
    for optimizer in ("sgd", "adam")
]


@pytest.mark.parametrize(("fidelity", "density", "optimizer"), CASES)
def test_every_step_keeps_number_and_signs(
    trainer: TrainerFactory, digits: Data, fidelity: str, density: float, optimizer: str
) -> None:
    """30 steps with much noise: exactly K weights are active, others zero; by the paper, signs are the initial ones."""
    kind = {"optimizer": "adam", "learning_rate": 1e-3} if optimizer == "adam" else {}
    params = {"temperature": [[0.0, 1e-3]]}
    run = trainer("dense")  # its weights are those that the sparse network starts from
    signs = {name: module.weight.detach().sign() for name, module in run.method.modules.items()}
    run = trainer("deep-r", density=density, fidelity=fidelity, method_params=params, **kind)
    start, rewired = run.method.layers(), 0.0
    for step, batch in enumerate(itertools.islice(digits.train_batches(40, 0, 0), 30)):
        before = {name: mask.clone() for name, mask in run.method.masks().items()}
        run._step(step, *batch)
        assert run.method.layers() == start
        for name, mask in run.method.masks().items():
            weight = run.method.modules[name].weight
            assert not bool(weight[~mask].any())
            fresh = mask & ~before[name]
            assert not bool(weight[fresh].any())
            if fidelity == "paper":
                assert bool((weight * signs[name] >= 0).all())
        assert sum(run.method.events()["rewired"].values()) >= rewired
        rewired = sum(run.method.events()["rewired"].values())
    assert rewired > 100
