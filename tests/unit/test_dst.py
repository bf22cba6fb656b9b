"""DST: resets, penalty, decay of thresholds, and its limit in which it is dense training."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy.special import lambertw
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.config import RunConfig
from dst_repro.methods.base import Layer
from dst_repro.training.optimisation import build_optimizer
from tests.conftest import MethodFactory, RunFactory, TrainerFactory


def hundred(big: int) -> nn.Sequential:
    """One layer of 10x10 weights: `big` of them 1.0, the others 0.1."""
    model = nn.Sequential(nn.Linear(10, 10))
    with torch.no_grad():
        model[0].weight.fill_(0.1)
        model[0].weight.view(-1)[:big] = 1.0
    return model


def with_thresholds(build: MethodFactory, model: nn.Module, value: float, **fields: Any) -> Any:
    method = build(model, "dst", **{"method_params": {"alpha": 1e-3}} | fields)
    with torch.no_grad():
        model[0].threshold.fill_(value)
    return method


@pytest.mark.parametrize(("big", "resets"), [(0, 1), (1, 1), (2, 0)])
def test_reset_at_one_percent_and_not_above(build: MethodFactory, big: int, resets: int) -> None:
    model = hundred(big)
    method = with_thresholds(build, model, 0.5)
    model(torch.ones(1, 10))
    assert method.events() == {"resets": {"0": resets}}
    assert model[0].threshold.tolist() == pytest.approx([0.0 if resets else 0.5] * 10)
    assert method.layers() == {"0": Layer(100, 100 if resets else big)}


def test_forward_pass_that_resets_already_uses_the_new_mask(build: MethodFactory) -> None:
    model = hundred(1)
    with_thresholds(build, model, 0.5)
    out = model(torch.ones(1, 10)) - model[0].bias
    assert out[0].tolist() == pytest.approx([1.9, *[1.0] * 9])


@pytest.mark.parametrize(("fidelity", "resets"), [("paper", 0), ("released", 1)])
def test_evaluation_resets_only_in_the_released_version(build: MethodFactory, fidelity: str, resets: int) -> None:
    model = hundred(1)
    method = with_thresholds(build, model, 0.5, fidelity=fidelity)
    with torch.no_grad():
        model[0].weight_orig.copy_(hundred(1)[0].weight)
    model.eval()
    model(torch.ones(1, 10))
    assert method.events()["resets"]["0"] == resets
    assert method.layers()["0"].kept == (100 if resets else 1)


def test_no_reset_where_it_is_switched_off(build: MethodFactory) -> None:
    model = hundred(1)
    method = with_thresholds(build, model, 0.5, method_params={"alpha": 1e-3, "reset": False})
    model(torch.ones(1, 10))
    assert method.layers()["0"].kept == 1


@pytest.mark.parametrize(("fidelity", "kept"), [("paper", 100), ("released", 90)])
def test_weights_at_their_threshold(build: MethodFactory, fidelity: str, kept: int) -> None:
    """Thresholds start at 0; a weight of exactly 0 stays under S(0) = 1 and goes under S(0) = 0."""
    model = hundred(0)
    method = build(model, "dst", method_params={"alpha": 0.0}, fidelity=fidelity)
    with torch.no_grad():
        model[0].weight_orig.fill_(0.1)[3] = 0.0
    assert method.layers()["0"].kept == kept


def test_start_of_masked_layers(build: MethodFactory) -> None:
    """The paper says nothing of its own; the released code draws from U(+-1/sqrt(fan_in)), here +-0.1."""
    kept, drawn = (nn.Sequential(nn.Linear(100, 50)) for _ in range(2))
    for model in (kept, drawn):
        nn.init.constant_(model[0].weight, 7.0)
    build(kept, "dst", method_params={"alpha": 0.0})
    build(drawn, "dst", method_params={"alpha": 0.0}, fidelity="released")
    assert kept[0].weight_orig.unique().tolist() == [7.0]
    size = drawn[0].weight_orig.detach().abs()
    assert 0.099 < float(size.max()) <= 0.1
    assert float(size.mean()) == pytest.approx(0.05, abs=0.002)


def test_resets_go_on_being_counted_after_a_resume(build: MethodFactory) -> None:
    model = hundred(1)
    method = with_thresholds(build, model, 0.5)
    model(torch.ones(1, 10))
    other = hundred(1)
    resumed = with_thresholds(build, other, 0.5)
    resumed.load_state_dict(method.state_dict())
    other(torch.ones(1, 10))
    assert (method.events()["resets"]["0"], resumed.events()["resets"]["0"]) == (1, 2)


def test_reset_leaves_momentum_alone(trainer: TrainerFactory, digits: Any) -> None:
    run = trainer("dst", method_params={"alpha": 0.01})
    run._step(0, digits.batch(digits.train.images[:64]), digits.train.labels[:64])
    threshold = run.model.fc1.threshold
    before = run.optimizer.state[threshold]["momentum_buffer"].clone()
    assert before.abs().sum() > 0
    with torch.no_grad():
        threshold.fill_(100.0)
    run.model(digits.batch(digits.train.images[:4]))
    assert threshold.abs().sum() == 0
    assert torch.equal(run.optimizer.state[threshold]["momentum_buffer"], before)


def zero_gradients(method: Any) -> None:
    """As after the backward pass of a loss that no weight has a part in."""
    for masked in method.masked.values():
        masked.grad = torch.zeros_like(masked)


def test_gradient_of_the_regularisation(build: MethodFactory) -> None:
    """Of alpha * sum(exp(-t)) at t = 0, ln 2, ln 4: -alpha, -alpha / 2, -alpha / 4."""
    model = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 1))
    method = build(model, "dst", method_params={"alpha": 0.1})
    with torch.no_grad():
        model[0].threshold.copy_(torch.tensor([0.0, math.log(2)]))
        model[1].threshold.fill_(math.log(4))
    zero_gradients(method)
    assert method.after_backward(0) is False
    assert model[0].threshold.grad.tolist() == pytest.approx([-0.1, -0.05])
    assert model[1].threshold.grad.tolist() == pytest.approx([-0.025])
    assert model[0].weight_orig.grad.abs().sum() == 0


@pytest.mark.parametrize("granularity", ["neuron", "layer", "weight"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_step_equals_autograd_of_the_whole_objective(
    build: MethodFactory, granularity: str, channels_last: bool
) -> None:
    """J(W, t) of eq. 5 in float64, by torch's autograd with S replaced by its estimate, on a convolutional network."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(16, 3)).double()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    method = build(model, "dst", method_params={"alpha": 0.02, "granularity": granularity})
    images = torch.randn(5, 2, 5, 5, dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0, 1])
    with torch.no_grad():
        for threshold in method.thresholds.values():
            threshold.uniform_(0.0, 0.2)
    functional.cross_entropy(model(images), labels).backward()
    method.after_backward(0)

    weights = {name: w.detach().clone().requires_grad_() for name, w in method.weights.items()}
    limits = {name: t.detach().clone().requires_grad_() for name, t in method.thresholds.items()}

    def masked(name: str) -> Tensor:
        weight, limit = weights[name], limits[name]
        if granularity != "weight":
            limit = limit.view(-1, *[1] * (weight.dim() - 1))
        q = weight.abs() - limit
        estimate = torch.where(q.abs() <= 0.4, 2 - 4 * q.abs(), torch.where(q.abs() <= 1, 0.4, 0.0)).detach()
        smooth = q * estimate  # its derivative is the estimate, its value is taken away again
        return weight * ((q >= 0).double() + smooth - smooth.detach())

    x = functional.conv2d(images, masked("0"), model[0].bias).relu()
    x = functional.conv2d(x, masked("2"), model[2].bias).flatten(1)
    loss = functional.cross_entropy(functional.linear(x, masked("4"), model[4].bias), labels)
    (loss + 0.02 * sum(torch.exp(-t).sum() for t in limits.values())).backward()
    for name in weights:
        assert torch.allclose(method.weights[name].grad, weights[name].grad, rtol=1e-6, atol=1e-9), name
        assert torch.allclose(method.thresholds[name].grad, limits[name].grad, rtol=1e-6, atol=1e-9), name


def test_without_pull_and_far_from_thresholds_it_is_dense_training(trainer: TrainerFactory, digits: Any) -> None:
    """alpha = 0 and t = -5 < -1 - max|w|: the mask is full and H is 0, so every bit is that of dense training."""
    dense, dst = trainer("dense", weight_decay=1e-3), trainer("dst", method_params={"alpha": 0.0}, weight_decay=1e-3)
    for module in dst.method.modules.values():
        nn.init.constant_(module.threshold, -5.0)
    for step in range(5):
        index = slice(64 * step, 64 * step + 64)
        losses = [
            t._step(step, digits.batch(digits.train.images[index]), digits.train.labels[index]) for t in (dense, dst)
        ]
        assert torch.equal(*losses)
    for name, parameter in dense.model.named_parameters():
        other = dst.model.get_parameter(name.replace("weight", "weight_orig"))
        assert torch.equal(parameter, other), name
    assert torch.equal(dst.model.fc1.threshold.detach(), torch.full((300,), -5.0))


def iterate(build: MethodFactory, tiny: RunFactory, steps: int, **fields: Any) -> Tensor:
    """Thresholds after `steps` updates by the regularisation and the decay alone. The large rate only saves steps."""
    fields = {"method_params": {"alpha": 1e-5}, "weight_decay": 1e-4, "learning_rate": 1000.0} | fields
    config: RunConfig = tiny("dst", optimizer_params={"momentum": 0.0}, **fields)
    model = nn.Sequential(nn.Linear(3, 2))
    method = build(model, "dst", **fields)
    optimizer = build_optimizer(config, method.param_groups(model, config.weight_decay))
    for _ in range(steps):
        optimizer.zero_grad()
        zero_gradients(method)
        method.after_backward(0)
        optimizer.step()
    return model[0].threshold.detach()


def test_decay_on_thresholds_has_the_fixed_point_of_lambert_w(build: MethodFactory, tiny: RunFactory) -> None:
    """wd * t = alpha * exp(-t), so t = W0(alpha / wd): 0.0913 for 1e-5 and 1e-4."""
    expected = float(lambertw(0.1).real)
    assert expected == pytest.approx(0.0913, abs=5e-5)
    assert iterate(build, tiny, 300, fidelity="released").tolist() == pytest.approx([expected] * 2, rel=1e-5)


@pytest.mark.parametrize(
    ("fields", "decays"),
    [
        ({}, False),
        ({"fidelity": "released"}, True),
        ({"method_params": {"alpha": 1e-5, "threshold_decay": True}}, True),
        ({"method_params": {"alpha": 1e-5, "threshold_decay": False}, "fidelity": "released"}, False),
    ],
)
def test_who_decays_thresholds(build: MethodFactory, tiny: RunFactory, fields: Any, decays: bool) -> None:
    """From t1 = lr * alpha = 0.01 the second step adds lr * alpha * exp(-t1), less lr * wd * t1 with decay."""
    expected = 0.01 + 0.01 * math.exp(-0.01) - (0.1 * 0.01 if decays else 0)
    assert iterate(build, tiny, 2, **fields).tolist() == pytest.approx([expected] * 2, rel=1e-5)


def test_counts_of_every_layer(build: MethodFactory) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten(), nn.Linear(4, 2))
    method = build(model, "dst", method_params={"alpha": 1e-3})
    with torch.no_grad():
        model[0].weight_orig.copy_(torch.tensor([[[[0.1, -0.2], [0.3, -0.4]]], [[[0.1, -0.2], [0.3, -0.4]]]]))
        model[0].threshold.copy_(torch.tensor([0.15, 0.35]))
        model[2].weight_orig.copy_(torch.tensor([[0.5, -0.5, 0.1, 0.0], [1.0, 1.0, -1.0, 2.0]]))
        model[2].threshold.copy_(torch.tensor([0.2, 3.0]))
    assert method.layers() == {"0": Layer(8, 4), "2": Layer(8, 2)}
