"""Dynamic network surgery: thresholds, masks between them, when they are updated, and pruned weights that come back."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError
from dst_repro.methods.base import Layer
from dst_repro.sparsity.surgery import operate, threshold
from dst_repro.training.checkpoint import Checkpoint
from dst_repro.training.loop import Trainer
from tests.conftest import MethodFactory, RunFactory, TrainerFactory

FIDELITIES = pytest.mark.parametrize("fidelity", ["paper", "released"])


def test_thresholds_by_hand() -> None:
    """Magnitudes 3, 1, 2: mean 2, variance 2/3, the zero left out; with a bias of 4 and 0: mean 2.5, variance 5/4."""
    weight = torch.tensor([[3.0, -1.0], [0.0, 2.0]])
    assert float(threshold(weight, 1.5)) == pytest.approx(2 + 1.5 * math.sqrt(2 / 3))
    assert float(threshold(weight, 1.5, torch.tensor([-4.0, 0.0]))) == pytest.approx(2.5 + 1.5 * math.sqrt(5 / 4))
    assert float(threshold(weight, -3.0)) == 0
    assert float(threshold(torch.zeros(2, 2), 3.0)) == 0


@pytest.mark.parametrize(
    ("closed", "pruned", "kept"),
    [(True, [0, 0, 0, 0, 1, 1], [0, 1, 1, 1, 1, 1]), (False, [0, 0, 0, 0, 0, 1], [0, 0, 1, 1, 1, 1])],
)
def test_masks_between_two_thresholds(closed: bool, pruned: list[int], kept: list[int]) -> None:
    """t = 20: zero below 18, one above 22, and unchanged between; a weight at 18 or 22 is above, as released below."""
    weight, t = (
        torch.tensor([-17.9, 18, 20, -21.9, 22, 22.1], dtype=torch.float64),
        torch.tensor(20, dtype=torch.float64),
    )
    assert operate(torch.zeros(6, dtype=torch.bool), weight, t, closed).int().tolist() == pruned
    assert operate(torch.ones(6, dtype=torch.bool), weight, t, closed).int().tolist() == kept


def descend(method: Any, model: nn.Module, rate: float) -> float:
    """One step of plain SGD on minus the sum of outputs; the output before it."""
    out = model(torch.ones(3))
    (-out).sum().backward()
    method.after_backward(method._next)
    weight = model[0].weight_orig
    with torch.no_grad():
        weight -= rate * weight.grad
    return float(out.detach())


@pytest.mark.parametrize(
    ("fidelity", "outputs", "masks"),
    [
        ("paper", [2.1, 3.0, 4.0, 6.6], [[1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]),
        ("released", [2.0, 3.0, 5.1, 6.6], [[1, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 1]]),
    ],
)
def test_a_pruned_weight_goes_on_learning_and_comes_back(
    build: MethodFactory, fidelity: str, outputs: list[float], masks: list[list[int]]
) -> None:
    """Weights 1, 1, 0.1 with c = 0: t = 0.7, a = 0.63, b = 0.77. The gradient at W * T is -1 for all, pruned or not.

    With a rate of 0.5 the third weight is 0.1, 0.6, 1.1, 1.6 before the four steps. The paper updates the mask after
    each backward pass, the released code before each forward pass, and only there it counts at once.
    """
    model = nn.Sequential(nn.Linear(3, 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 1.0, 0.1]]))
    method: Any = build(model, "dns", method_params={"c": 0.0, "gamma": 0.0}, fidelity=fidelity)
    assert float(method._limits["0"]) == pytest.approx(0.7)
    seen = []
    for expected in outputs:
        assert descend(method, model, 0.5) == pytest.approx(expected)
        seen.append(method.masks()["0"].int().flatten().tolist())
    assert seen == masks
    assert model[0].weight_orig.detach().flatten().tolist() == pytest.approx([3.0, 3.0, 2.1])
    assert method.events() == {"spliced": {"0": 1.0}}


@FIDELITIES
def test_evaluation_updates_no_mask(build: MethodFactory, fidelity: str) -> None:
    model = nn.Sequential(nn.Linear(8, 8))
    method: Any = build(model, "dns", method_params={"c": 0.0}, fidelity=fidelity)
    model.eval()
    model(torch.ones(8))
    assert method.layers() == {"0": Layer(64, 64)}
    model.train()
    model(torch.ones(8)).sum().backward()
    method.after_backward(0)
    assert 0 < method.layers()["0"].kept < 64


def test_gradient_is_that_at_the_masked_weights_for_all(build: MethodFactory) -> None:
    """By torch's autograd, in float64, on a convolutional network whose second layer stays dense."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(16, 3)).double()
    model = model.to(memory_format=torch.channels_last)
    method: Any = build(model, "dns", method_params={"c": {"0": 0.5, "4": 0.0}})
    method.update(0)
    kept = {name: layer.kept / layer.numel for name, layer in method.layers().items()}
    assert 0 < kept["0"] < kept["4"] < kept["2"] == 1
    images, labels = torch.randn(5, 2, 5, 5, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    masks = dict(method.masks())
    functional.cross_entropy(model(images), labels).backward()
    method.after_backward(1)

    used = {name: (w.detach() * masks[name]).requires_grad_() for name, w in method.weights.items()}
    x = functional.conv2d(images, used["0"], model[0].bias).relu()
    x = functional.conv2d(x, used["2"], model[2].bias).flatten(1)
    functional.cross_entropy(functional.linear(x, used["4"], model[4].bias), labels).backward()
    for name, weight in method.weights.items():
        torch.testing.assert_close(weight.grad, used[name].grad, rtol=1e-9, atol=1e-12)
        assert name == "2" or bool(weight.grad[~masks[name]].any())


def test_probability_of_an_update(build: MethodFactory) -> None:
    params = {"c": 0.0, "gamma": 0.5, "power": 2.0, "stop": 0.8}
    method: Any = build(nn.Linear(2, 2), "dns", 10, method_params=params)
    expected = [(1 + 0.5 * i) ** -2 for i in range(8)] + [0, 0]
    assert [method.probability(step) for step in range(10)] == pytest.approx(expected)
    assert expected[:3] == [1, pytest.approx(4 / 9), 0.25]


def test_masks_are_updated_as_often_as_they_should(build: MethodFactory) -> None:
    """Each layer by draws of its own; after `stop` never."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    method: Any = build(model, "dns", 1000, method_params={"c": 9.0, "gamma": 0.01, "stop": 0.9})
    updated: dict[str, list[int]] = {"0": [], "1": []}
    for step in range(1000):
        for name in updated:
            method._masks[name] = torch.ones(2, 2, dtype=torch.bool)
        method.update(step)
        for name, mask in method.masks().items():
            updated[name] += [step] if not mask.any() else []
    p = [1 / (1 + 0.01 * step) for step in range(900)]
    spread = math.sqrt(sum(q * (1 - q) for q in p))
    for steps in updated.values():
        assert steps[0] == 0
        assert steps[-1] < 900
        assert abs(len(steps) - sum(p)) < 4 * spread
    assert updated["0"] != updated["1"]


@pytest.mark.parametrize(
    ("c", "message"),
    [
        ({"fc9": 1.0}, "method_params.c: no layer 'fc9'; there are fc1, fc2, fc3"),
        ({"fc1": 1.0, "fc*": 2.0}, "method_params.c: layer 'fc1' fits both 'fc*' and 'fc1'"),
    ],
)
def test_layers_are_named_once(trainer: TrainerFactory, c: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        trainer("dns", method_params={"c": dict(sorted(c.items()))})
    assert str(error.value) == message


def test_layers_that_are_not_named_stay_dense(trainer: TrainerFactory) -> None:
    run = trainer("dns", method_params={"c": {"fc[12]": 0.5}})
    run.run_epoch()
    layers = run.method.layers()
    assert layers["fc3"] == Layer(1000, 1000)
    assert all(0 < layers[name].kept < 0.5 * layers[name].numel for name in ("fc1", "fc2"))


@FIDELITIES
def test_plain_network_and_thresholds_of_a_trained_one(tiny: RunFactory, digits: Data, fidelity: str) -> None:
    """Thresholds are those of the weights to start from, by the formula of the released code in one pass."""
    given = Trainer(tiny("dense"), digits, torch.device("cpu"))
    given.run_epoch()
    start = {name: value.clone() for name, value in given.method.network(given.model).items()}
    config = tiny("dns", method_params={"c": 0.7}, fidelity=fidelity)
    run = Trainer(config, digits, torch.device("cpu"), start)
    method: Any = run.method
    for name in ("fc1", "fc2", "fc3"):
        w = start[f"{name}.weight"].double().flatten()
        w = w if fidelity == "paper" else torch.cat([w, start[f"{name}.bias"].double()])
        mu, n = float(w.abs().mean()), len(w)
        sigma = math.sqrt((float((w * w).sum()) - n * mu * mu) / n)
        assert float(method._limits[name]) == pytest.approx(mu + 0.7 * sigma, rel=1e-5)
    run.run_epoch()
    plain = method.network(run.model)
    assert set(plain) == set(start)
    for name, mask in method.masks().items():
        underneath: Tensor = method.weights[name].detach()
        assert torch.equal(plain[f"{name}.weight"], underneath * mask)
        assert bool(underneath[~mask].all())  # they live on


@FIDELITIES
def test_state_moves_with_thresholds_and_the_step_to_come(
    tiny: RunFactory, digits: Data, tmp_path: Path, fidelity: str
) -> None:
    """The other trainer has other thresholds until it is given the state."""
    config = tiny("dns", method_params={"c": 0.5, "gamma": 0.05}, fidelity=fidelity, epochs=3)
    run, other = (Trainer(c, digits, torch.device("cpu")) for c in (config, config))
    method: Any = other.method
    method._limits = {name: 2 * limit for name, limit in method._limits.items()}
    run.run_epoch()
    checkpoint = Checkpoint(tmp_path, "run", {})
    checkpoint.save(run.state_dict())
    other.load_state_dict(checkpoint.load(torch.device("cpu")))
    for _ in range(2):
        assert run.run_epoch() == other.run_epoch()
    assert run.method.events() == other.method.events()
    assert sum(run.method.events()["spliced"].values()) > 0
    for name, mask in run.method.masks().items():
        assert torch.equal(mask, other.method.masks()[name])
        assert 0 < mask.sum() < mask.numel()
