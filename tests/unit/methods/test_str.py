"""STR: the soft threshold and its gradients, what moves the thresholds, and its limit in which it is dense training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.data.base import load
from dst_repro.machine.compilation import Compiled
from dst_repro.methods.base import Layer
from dst_repro.sparsity.soft_threshold import differentiate_shrinking, shrink_weights
from dst_repro.training.checkpoint import Checkpoint
from dst_repro.training.loop import Trainer
from dst_repro.training.optimisation import build_optimizer
from tests.conftest import MethodFactory, RunFactory, TrainerFactory

QUARTER = math.log(0.25 / 0.75)
"""s whose sigmoid is 0.25"""


@pytest.mark.parametrize("compiled", [False, True])
def test_values_and_gradients_by_hand(compiled: bool) -> None:
    """g = 0.25: kept weights come out smaller by it; ds = -0.25 * 0.75 * (1 * 1 + 2 * -1)."""
    weight, out = torch.tensor([[0.5, -0.3, 0.1, -0.25]], dtype=torch.float64), torch.empty(1, 4, dtype=torch.float64)
    limit, gradient = torch.tensor(0.25, dtype=torch.float64), torch.tensor([[1.0, 2, 3, 4]], dtype=torch.float64)
    Compiled(shrink_weights, compiled)([weight], [limit], [out])
    assert out.tolist() == [pytest.approx([0.25, -0.05, 0, 0])]
    (found,) = Compiled(differentiate_shrinking, compiled)([weight], [limit], [gradient])
    assert gradient.tolist() == [[1, 2, 0, 0]]
    assert found.shape == ()
    assert float(found) == pytest.approx(0.1875)


@pytest.mark.parametrize("compiled", [False, True])
def test_nan_is_not_hidden(compiled: bool) -> None:
    out = torch.zeros(2)
    Compiled(shrink_weights, compiled)([torch.tensor([torch.nan, 1.0])], [torch.tensor(0.5)], [out])
    assert out.isnan().tolist() == [True, False]


@pytest.mark.parametrize("channels_last", [False, True])
def test_step_equals_autograd_of_the_formula(build: MethodFactory, channels_last: bool) -> None:
    """The forward pass of the paper written out, in float64, on a convolutional network."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 2), nn.Flatten(), nn.Linear(16, 3)).double()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    method: Any = build(model, "str", method_params={"s_init": -2.0})
    images, labels = torch.randn(5, 2, 5, 5, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    with torch.no_grad():
        for i, s in enumerate(method.thresholds.values()):
            s.add_(0.1 * i)
    loss = functional.cross_entropy(model(images), labels)
    loss.backward()
    method.after_backward(0)
    assert all(0 < layer.kept < layer.numel for layer in method.layers().values())

    weights = {name: w.detach().clone().requires_grad_() for name, w in method.weights.items()}
    thresholds = {name: s.detach().clone().requires_grad_() for name, s in method.thresholds.items()}

    def shrunk(name: str) -> Tensor:
        return torch.sign(weights[name]) * torch.relu(weights[name].abs() - torch.sigmoid(thresholds[name]))

    x = functional.conv2d(images, shrunk("0"), model[0].bias).relu()
    x = functional.conv2d(x, shrunk("2"), model[2].bias).flatten(1)
    expected = functional.cross_entropy(functional.linear(x, shrunk("4"), model[4].bias), labels)
    expected.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-12)
    for name in weights:
        torch.testing.assert_close(method.weights[name].grad, weights[name].grad, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(method.thresholds[name].grad, thresholds[name].grad, rtol=1e-9, atol=1e-12)
        assert not bool(method.weights[name].grad[~method.masks()[name]].any())
        assert torch.equal(method.masks()[name], shrunk(name) != 0)


def iterate(build: MethodFactory, tiny: RunFactory, steps: int, s: float, **fields: Any) -> tuple[float, float]:
    """s and the pruned one of two weights, both 1e-3, after steps of plain SGD at a rate of 0.1 on minus their sum."""
    own = fields.pop("own", {})
    fields = {"method_params": {"s_init": s} | own, "weight_decay": 0.01, "learning_rate": 0.1} | fields
    model = nn.Sequential(nn.Linear(2, 1, bias=False))
    method: Any = build(model, "str", **fields)
    with torch.no_grad():
        model[0].weight_orig.copy_(torch.tensor([[2.0, 1e-3]]))
    run = tiny("str", optimizer_params={"momentum": 0.0}, **fields)
    optimizer = build_optimizer(run, method.param_groups(model, run.weight_decay))
    for step in range(steps):
        optimizer.zero_grad()
        (-model(torch.ones(2))).sum().backward()
        method.after_backward(step)
        optimizer.step()
    return float(method.thresholds["0"].detach()), float(model[0].weight_orig[0, 1].detach())


def test_from_far_below_weight_decay_alone_moves_the_threshold(build: MethodFactory, tiny: RunFactory) -> None:
    """g(-3200) is 0 in float32, and so is its gradient: s falls to (1 - 0.1 * 0.01)^100 of it; nothing is pruned."""
    s, weight = iterate(build, tiny, 100, -3200.0)
    assert s == pytest.approx(-3200 * 0.999**100, rel=1e-5)
    assert weight > 1  # it had the gradient of every step


@pytest.mark.parametrize(("own", "decay"), [({}, 0.01), ({"threshold_decay": 0.5}, 0.5), ({"threshold_decay": 0.0}, 0)])
def test_what_moves_a_threshold(build: MethodFactory, tiny: RunFactory, own: dict[str, float], decay: float) -> None:
    """The loss is minus the sum of kept weights: G = -1, and ds = g(1 - g) of the one that is kept, and decay."""
    s, weight = iterate(build, tiny, 1, QUARTER, own=own)
    assert s == pytest.approx(QUARTER - 0.1 * (0.1875 + decay * QUARTER), rel=1e-5)
    assert weight == pytest.approx(1e-3 * (1 - 0.1 * 0.01), rel=1e-5)  # pruned: decay alone


def test_counts_masks_and_plain_network(build: MethodFactory) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten(), nn.Linear(4, 2))
    names = set(model.state_dict())
    method: Any = build(model, "str", method_params={"s_init": QUARTER})
    with torch.no_grad():
        model[0].weight_orig.copy_(torch.tensor([[[[0.1, -0.2], [0.3, -0.4]]], [[[0.1, -0.2], [0.3, -0.5]]]]))
        model[2].weight_orig.copy_(torch.tensor([[0.5, -0.5, 0.1, 0.0], [1.0, 1.0, -1.0, 2.0]]))
        model[2].threshold.fill_(0.0)
    assert method.layers() == {"0": Layer(8, 4), "2": Layer(8, 4)}  # 0.5 is not above g(0)
    plain = method.network(model)
    assert set(plain) == names
    assert plain["0.weight"].flatten().tolist() == pytest.approx([0, 0, 0.05, -0.15, 0, 0, 0.05, -0.25])
    assert plain["2.weight"].tolist() == [[0, 0, 0, 0], [0.5, 0.5, -0.5, 1.5]]
    small, x = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten(), nn.Linear(4, 2)), torch.randn(3, 1, 2, 3)
    small.load_state_dict(plain)
    assert torch.equal(small(x), model(x))


def test_default_is_that_of_the_authors_resnet50(build: MethodFactory) -> None:
    method: Any = build(nn.Linear(2, 2), "str")
    assert [s.item() for s in method.thresholds.values()] == [-3200.0]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("model", ["lenet-300-100", "lenet-5-caffe"])
def test_far_below_it_is_dense_training(tiny: RunFactory, model: str, optimizer: str) -> None:
    """g = 0 and no decay: every bit is that of dense training."""
    fields = {"model": model, "dataset_params": {"size": 28}, "optimizer": optimizer, "learning_rate": 1e-3}
    runs = tiny("dense", **fields), tiny("str", **fields)
    data = load(runs[0])
    dense, thresholded = (Trainer(run, data, torch.device("cpu")) for run in runs)
    for step in range(5):
        batch = data.batch(data.train.images[16 * step : 16 * step + 16]), data.train.labels[16 * step : 16 * step + 16]
        assert torch.equal(dense._step(step, *batch), thresholded._step(step, *batch))
    plain = thresholded.method.network(thresholded.model)
    for name, value in dense.method.network(dense.model).items():
        assert torch.equal(value, plain[name]), name


def test_state_of_a_sparse_run_moves(trainer: TrainerFactory, tmp_path: Path) -> None:
    fields = {"method_params": {"s_init": -4.0}, "weight_decay": 1e-3}
    run, other = trainer("str", **fields), trainer("str", **fields)
    run.run_epoch()
    checkpoint = Checkpoint(tmp_path, "run", {})
    checkpoint.save(run.state_dict())
    other.load_state_dict(checkpoint.load(torch.device("cpu")))
    assert 0 < sum(layer.kept for layer in run.method.layers().values()) < 50_200
    assert run.run_epoch() == other.run_epoch()
    for name, mask in run.method.masks().items():
        assert torch.equal(mask, other.method.masks()[name])
