"""DST: resets, penalty, decay of thresholds, and its limit in which it is dense training."""

from __future__ import annotations

import contextlib
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.special import lambertw
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.data.base import load
from dst_repro.errors import ConfigError
from dst_repro.methods.base import Layer, maskable
from dst_repro.methods.dst import DST
from dst_repro.plan.config import RunConfig
from dst_repro.records import record
from dst_repro.registry import models
from dst_repro.seeding import derive
from dst_repro.training.loop import Trainer
from dst_repro.training.optimisation import build_optimizer
from dst_repro.training.run import train, train_missing
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
    for model, fidelity in ((kept, "paper"), (drawn, "released")):
        fields = {"method_params": {"alpha": 0.0}, "fidelity": fidelity}
        build(nn.Sequential(nn.Linear(100, 50)), "dst", **fields).initialise(model)
        build(model, "dst", **fields)
    assert kept[0].weight_orig.unique().tolist() == [7.0]
    size = drawn[0].weight_orig.detach().abs()
    assert 0.099 < float(size.max()) <= 0.1
    assert float(size.mean()) == pytest.approx(0.05, abs=0.002)


@pytest.mark.parametrize("model", ["lenet-300-100", "lenet-5-caffe", "lstm-a"])
def test_released_layers_are_drawn_on_the_cpu_before_the_network_moves(
    tiny: RunFactory, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One draw of the seed's stream after that of the network, of weights as they lie in memory, and none later."""
    run = tiny("dst", model=model, dataset_params={"size": 28}, method_params={"alpha": 1e-3}, fidelity="released")
    data, states = load(run), []
    usual = DST.prepare

    def prepare(self: DST, model: nn.Module) -> None:
        states.append(torch.get_rng_state())
        usual(self, model)
        states.append(torch.get_rng_state())

    monkeypatch.setattr(DST, "prepare", prepare)
    trainer = Trainer(run, data, torch.device("cpu"))
    started = trainer.method.network(trainer.model)
    assert torch.equal(*states)
    torch.manual_seed(derive(run.seed, "initialisation"))
    expected: Any = models[model].object(data.shape, data.classes, models[model].params())
    expected = expected.to(memory_format=torch.channels_last)
    for module in maskable(expected).values():
        module.reset_parameters()
    for name, value in expected.state_dict().items():
        assert torch.equal(value, started[name]), name


@pytest.mark.parametrize(
    ("fidelity", "params", "resets"),
    [("paper", {}, 1), ("paper", {"reset": False}, 0), ("released", {}, 0), ("released", {"reset": True}, 0)],
)
@pytest.mark.parametrize("training", [True, False])
def test_an_emptied_lstm_stays_empty_as_released(
    build: MethodFactory, fidelity: str, params: dict[str, Any], resets: int, training: bool
) -> None:
    model = nn.Sequential(models["lstm-a"].object((1, 8, 8), 10, models["lstm-a"].params()), nn.Linear(10, 10))
    method: Any = build(model, "dst", fidelity=fidelity, method_params={"alpha": 1e-3} | params)
    with torch.no_grad():
        for name, threshold in method.thresholds.items():
            threshold.fill_(0.0 if name == "0.lstm1.input" else 1e3)
    model.train(training)(torch.rand(2, 1, 8, 8))
    emptied = ("0.lstm1.hidden", "0.lstm2.input", "0.lstm2.hidden")
    counted = {"0.lstm1.input": 0, **dict.fromkeys(emptied, resets if training else 0), "1": 0}
    if params.get("reset", True) and (training or fidelity == "released"):
        counted["1"] = 1  # of other layers it knows no exception
    assert method.events()["resets"] == counted
    assert all((method.layers()[name].kept > 0) == (counted[name] > 0) for name in emptied)


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


def surrogate(x: Tensor) -> Tensor:
    """The integral of H from -1 on, by hand: 0 to 0.24 at -0.4, 0.72 at 0, 1.2 at 0.4, and 1.44 from 1 on."""
    inner = 0.72 + 2 * x - 2 * x * x.abs()
    tail = torch.where(x < 0, 0.4 * (x + 1), 1.44 - 0.4 * (1 - x))
    return torch.where(x.abs() <= 0.4, inner, tail).clamp(0.0, 1.44)


@pytest.mark.parametrize("granularity", ["neuron", "layer", "weight"])
def test_gradients_are_differences_of_a_smooth_objective(build: MethodFactory, granularity: str) -> None:
    """A loss that is linear in the masked weights, S replaced by the integral of H: central differences in float64.

    Those of thresholds, regularisation included, are the gradient. Those of weights have the surrogate where the
    gradient has the mask.
    """
    rng = torch.Generator().manual_seed(2)
    model = nn.Sequential(nn.Linear(6, 5, bias=False)).double()
    method = build(model, "dst", method_params={"alpha": 0.3, "granularity": granularity})
    weight, threshold = model[0].weight_orig, model[0].threshold
    x, above = (torch.randn(n, generator=rng, dtype=torch.float64) for n in (6, 5))
    with torch.no_grad():
        weight.copy_(torch.randn(5, 6, generator=rng, dtype=torch.float64))
        threshold.copy_(0.6 + 0.2 * torch.rand(threshold.shape, generator=rng, dtype=torch.float64))
    (model(x) @ above).backward()
    method.after_backward(0)
    w, t = weight.detach().clone(), threshold.detach().clone()
    g = above[:, None] * x

    def limit(t: Tensor) -> Tensor:
        return t if granularity == "weight" else t.view(-1, 1)

    def objective(w: Tensor, t: Tensor) -> Tensor:
        return (g * w * surrogate(w.abs() - limit(t))).sum() + 0.3 * torch.exp(-t).sum()

    q = w.abs() - limit(t)
    assert float((q.abs() - 1).abs().min()) > 1e-4, "H jumps there"
    for low, high in ((-1, -0.4), (-0.4, 0), (0, 0.4), (0.4, 1), (1, 9)):
        assert bool(((low < q) & (q < high)).any()), "every branch of H"
    structure = differences(lambda v: objective(v, t), w) - g * surrogate(q)
    torch.testing.assert_close(weight.grad, g * (q >= 0) + structure, rtol=0, atol=1e-6)
    torch.testing.assert_close(threshold.grad, differences(lambda v: objective(w, v), t), rtol=0, atol=1e-6)


def differences(function: Any, at: Tensor, step: float = 1e-5) -> Tensor:
    """Central ones, one for each element of `at`."""
    found = torch.empty_like(at)
    for i in range(at.numel()):
        move = torch.zeros_like(at)
        move.view(-1)[i] = step
        found.view(-1)[i] = (function(at + move) - function(at - move)) / (2 * step)
    return found


def test_a_pruned_weight_recovers_in_training(build: MethodFactory, tiny: RunFactory) -> None:
    """Of 0.3 and 0.9 under t = 0.5 the first is pruned; the loss is minus their sum, so that G = -1.

    H(-0.2) = 1.2 and H(0.4) = 0.4. Gradients: -0.3 * 1.2 = -0.36 and -1 - 0.9 * 0.4 = -1.36, of t 0.36 + 0.36 = 0.72.
    With a learning rate of 0.5 that leaves 0.48 and 1.58 under t = 0.14.
    """
    model = nn.Sequential(nn.Linear(2, 1, bias=False))
    method = with_thresholds(build, model, 0.5, method_params={"alpha": 0.0})
    with torch.no_grad():
        model[0].weight_orig.copy_(torch.tensor([[0.3, 0.9]]))
    optimizer = build_optimizer(tiny("dst", method_params={"alpha": 0.0}), method.param_groups(model, 0.0))
    for group in optimizer.param_groups:
        group["lr"] = 0.5
    out = model(torch.ones(2))
    assert float(out.detach()) == pytest.approx(0.9)
    assert method.masks()["0"].tolist() == [[False, True]]
    (-out).sum().backward()
    method.after_backward(0)
    optimizer.step()
    assert model[0].weight_orig.detach().flatten().tolist() == pytest.approx([0.48, 1.58])
    assert float(model[0].threshold.detach()) == pytest.approx(0.14)
    assert method.masks()["0"].tolist() == [[True, True]]
    assert float(model(torch.ones(2)).detach()) == pytest.approx(0.48 + 1.58)


@pytest.mark.parametrize("model", ["lenet-300-100", "lenet-5-caffe", "wrn-16-8", "lstm-a"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_without_pull_and_far_from_thresholds_it_is_dense_training(
    tiny: RunFactory, model: str, optimizer: str
) -> None:
    """alpha = 0 and t = -5 < -1 - max|w|: the mask is full and H is 0, so every bit is that of dense training."""
    fields = {
        "model": model,
        "model_params": {"width": 0.0625} if model == "wrn-16-8" else {},
        "dataset_params": {"size": 28},
        "optimizer": optimizer,
        "learning_rate": 0.05 if optimizer == "sgd" else 1e-3,
        "weight_decay": 1e-3,
    }
    runs = tiny("dense", **fields), tiny("dst", **fields, method_params={"alpha": 0.0})
    data = load(runs[0])
    dense, dst = (Trainer(run, data, torch.device("cpu")) for run in runs)
    for module in dst.method.modules.values():
        nn.init.constant_(module.threshold, -5.0)
    for step in range(5):
        index = slice(16 * step, 16 * step + 16)
        batch = data.batch(data.train.images[index]), data.train.labels[index]
        losses = [t._step(step, *batch) for t in (dense, dst)]
        assert torch.equal(*losses)
    plain = dst.method.network(dst.model)
    for name, value in dense.method.network(dense.model).items():
        assert torch.equal(value, plain[name]), name
    assert all(bool((module.threshold == -5).all()) for module in dst.method.modules.values())


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


PUBLISHED = {  # weights and thresholds: (input, weights, output neurons and filters)
    "lenet-300-100": ((1, 28, 28), 266_200, 410),
    "lenet-5-caffe": ((1, 28, 28), 430_500, 580),
    "lstm-a": ((1, 28, 28), 210_944, 2_048),
    "lstm-b": ((1, 28, 28), 815_104, 4_096),
    "vgg-16": ((3, 32, 32), 14_977_728, 4_746),
    "wrn-16-8": ((3, 32, 32), 10_954_160, 4_506),
    "wrn-16-10": ((3, 32, 32), 17_107_632, 5_626),
    "wrn-28-8": ((3, 32, 32), 23_340_464, 8_090),
}
"""The paper's networks, whose remaining ratios have these denominators."""


@pytest.mark.parametrize("slug", PUBLISHED)
def test_denominators_of_the_papers_networks(build: MethodFactory, slug: str) -> None:
    shape, weights, thresholds = PUBLISHED[slug]
    model = models[slug].object(shape, 10, models[slug].params())
    method: Any = build(model, "dst", method_params={"alpha": 1e-3})
    assert sum(layer.numel for layer in method.layers().values()) == weights
    assert sum(layer.kept for layer in method.layers().values()) == weights  # t = 0
    assert sum(threshold.numel() for threshold in method.thresholds.values()) == thresholds


def any_network(slug: str) -> nn.Module:
    """A tenth as wide where that can be, on the smallest input that it takes."""
    entry = models[slug]
    params = entry.params(**({"width": 0.1} if "width" in entry.params.model_fields else {}))
    for shape in [(channels, edge, edge) for edge in (8, 16, 28, 32, 64) for channels in (1, 3)]:
        with contextlib.suppress(ConfigError):
            built: nn.Module = entry.object(shape, 10, params)
            return built
    raise AssertionError(f"{slug} takes none of these images")


@pytest.mark.parametrize("slug", sorted(models.discover()))
def test_counts_of_layers_sum_to_those_of_every_model(build: MethodFactory, slug: str) -> None:
    """The first neuron or filter of each layer loses all its weights, the others none."""
    model = any_network(slug)
    shapes = {name: tuple(module.weight.shape) for name, module in maskable(model).items()}
    method: Any = build(model, "dst", method_params={"alpha": 1e-3})
    with torch.no_grad():
        for threshold in method.thresholds.values():
            threshold[0] = 100.0
    layers = method.layers()
    assert {name: layer.numel for name, layer in layers.items()} == {n: math.prod(s) for n, s in shapes.items()}
    assert {name: layer.kept for name, layer in layers.items()} == {
        name: math.prod(s) - math.prod(s[1:]) for name, s in shapes.items()
    }
    assert sum(layer.numel for layer in layers.values()) == sum(w.numel() for w in method.weights.values())


@pytest.mark.parametrize(("fidelity", "resets"), [("paper", 22 + 23), ("released", 22 + 1 + 22 + 1)])
def test_the_record_has_the_number_of_resets(tiny: RunFactory, results: Path, fidelity: str, resets: int) -> None:
    """lr * alpha = 1: one step lifts a threshold from 0 above all weights, and the next pass resets it.

    Two epochs of 23 steps. The very first pass finds thresholds of 0. So does, in the released version, the first pass
    of the second epoch, since the evaluation before it has reset them.
    """
    run = tiny("dst", method_params={"alpha": 1e4}, learning_rate=1e-4, fidelity=fidelity)
    done = train(run, results)
    assert done.status == "finished"
    assert done.events["resets"] == {"fc1": resets, "fc2": resets, "fc3": resets}
    assert record.read(results, run.id) == done


def test_a_run_that_diverges_says_so_and_the_others_go_on(tiny: RunFactory, results: Path) -> None:
    fine = {"method_params": {"alpha": 1e-3}}
    runs = [tiny("dst", **fine, learning_rate=rate, epochs=1) for rate in (1e20, 0.05)]
    broken, whole = train_missing(runs, results, "keep")
    assert [broken.status, whole.status] == ["diverged", "finished"]
    assert re.fullmatch(r"the loss became (nan|inf) at step \d+", broken.reason or "")
    assert broken.metrics is None
    assert set(broken.events["resets"]) == {"fc1", "fc2", "fc3"}
    assert record.read(results, broken.id) == broken
