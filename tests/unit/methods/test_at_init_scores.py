"""Scores of the initial weights, in double precision, against references of another kind."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import hessian
from torch.nn import functional

from dst_repro.data.base import Data, Images
from dst_repro.methods.at_init import AtInit
from dst_repro.methods.base import maskable
from dst_repro.seeding import generator
from tests.conftest import MethodFactory

Scores = dict[str, Tensor]
Loss = Callable[[Tensor], Tensor]


def data(n: int = 12) -> Data:
    """So many images 2x4x4 of three classes, in double precision."""
    images = torch.randn(n, 2, 4, 4, generator=generator(0, "images"), dtype=torch.float64)
    part = Images(images, torch.arange(n) % 3)
    return Data("small", part, None, part, classes=3, divisor=1.0, note="", sha256={})


def conv_net() -> nn.Sequential:
    """210 weights; smooth, so that differences are derivatives."""
    torch.manual_seed(1)
    layers = OrderedDict(
        conv1=nn.Conv2d(2, 3, 3, padding=1, bias=False),
        bn=nn.BatchNorm2d(3),
        act1=nn.Softplus(),
        conv2=nn.Conv2d(3, 4, 3),
        act2=nn.Tanh(),
        flatten=nn.Flatten(),
        fc=nn.Linear(16, 3),
    )
    return nn.Sequential(layers).double()


def scored(build: MethodFactory, slug: str, model: nn.Module, **fields: Any) -> tuple[nn.Module, Scores]:
    """(the copy that is scored, its scores)"""
    method = build(copy.deepcopy(model), slug, data=data(), density=1.0, **fields)
    assert isinstance(method, AtInit)
    network = method.scored_network(model)
    return network, method.scores(network, {name: layer.weight for name, layer in maskable(network).items()})


def flat(network: nn.Module) -> Tensor:
    return torch.cat([layer.weight.detach().flatten() for layer in maskable(network).values()])


def loss_of(network: nn.Module, images: Tensor, labels: Tensor, temperature: float = 1.0) -> Loss:
    """The mean cross-entropy as a function of all weights (n,)."""
    shapes = {f"{name}.weight": layer.weight.shape for name, layer in maskable(network).items()}

    def loss(weights: Tensor) -> Tensor:
        parts = weights.split([shape.numel() for shape in shapes.values()])
        own = {name: part.view(shapes[name]) for name, part in zip(shapes, parts, strict=True)}
        return functional.cross_entropy(torch.func.functional_call(network, own, (images,)) / temperature, labels)

    return loss


def gradient(loss: Loss, at: Tensor) -> Tensor:
    point = at.clone().requires_grad_()
    return torch.autograd.grad(loss(point), point)[0]


def joined(scores: Scores) -> Tensor:
    return torch.cat([score.flatten() for score in scores.values()])


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize(("slug", "power"), [("snip", 1), ("taylor", 2)])
def test_sensitivity_is_what_the_loss_does_without_a_little_of_a_weight(
    build: MethodFactory, slug: str, power: int, mode: str
) -> None:
    """Central differences of the loss in the factor of each weight."""
    network, scores = scored(build, slug, conv_net(), batch_size=12, method_params={"mode": mode})
    loss, weights, eps = loss_of(network, data().train.images, data().train.labels), flat(network), 1e-4
    steps = eps * torch.diag(weights)
    slopes = torch.stack([(loss(weights + step) - loss(weights - step)) / (2 * eps) for step in steps])
    assert torch.allclose(joined(scores), slopes.abs() ** power, rtol=1e-6, atol=1e-9)


def test_several_batches_give_the_gradient_of_the_mean_over_all_images(build: MethodFactory) -> None:
    """Twelve images in batches of five: 5 + 5 + 2."""
    params = {"mode": "eval", "batches": 3, "batch_size": 5}
    network, scores = scored(build, "snip", conv_net(), method_params=params)
    expected = flat(network) * gradient(loss_of(network, data().train.images, data().train.labels), flat(network))
    assert torch.allclose(joined(scores), expected.abs(), rtol=1e-10)


def test_snip_as_released_draws_the_scored_weights_anew(build: MethodFactory) -> None:
    model = conv_net()
    network, scores = scored(build, "snip", model, batch_size=12, fidelity="released")
    assert not torch.isclose(flat(network), flat(model)).any()
    expected = flat(network) * gradient(loss_of(network, data().train.images, data().train.labels), flat(network))
    assert torch.allclose(joined(scores), expected.abs(), rtol=1e-10)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(32, 5000))  # Xavier: variance 2 / (32 + 5000)
    network, _ = scored(build, "snip", wide.double(), fidelity="released")
    assert float(flat(network).var()) == pytest.approx(2 / 5032, rel=0.02)


def test_grasp_is_the_weight_times_the_hessian_times_the_gradient(build: MethodFactory) -> None:
    network, scores = scored(build, "grasp", conv_net(), method_params={"per_class": 4})
    loss, weights = loss_of(network, data().train.images, data().train.labels, temperature=200.0), flat(network)
    expected = weights * (hessian(loss, weights) @ gradient(loss, weights))
    assert torch.allclose(joined(scores), expected, rtol=1e-8, atol=1e-18)


def test_the_hessian_times_the_gradient_is_how_the_gradient_changes_along_itself(build: MethodFactory) -> None:
    network, scores = scored(build, "grasp", conv_net(), method_params={"per_class": 4, "temperature": 2.0})
    loss, weights = loss_of(network, data().train.images, data().train.labels, temperature=2.0), flat(network)
    g, eps = gradient(loss, weights), 1e-4
    along = (gradient(loss, weights + eps * g) - gradient(loss, weights - eps * g)) / (2 * eps)
    assert torch.allclose(joined(scores), weights * along, rtol=1e-5, atol=1e-9)


def test_grasp_keeps_weights_without_which_gradients_shrink(build: MethodFactory) -> None:
    """The squared norm of the gradient loses 2 * w * (H g) per share of a weight: kept are the largest."""
    model = conv_net()
    network, _ = scored(build, "grasp", model, method_params={"per_class": 4})
    loss, weights, eps = loss_of(network, data().train.images, data().train.labels, 200.0), flat(network), 1e-4
    lost = torch.stack(
        [
            gradient(loss, weights + step).square().sum() - gradient(loss, weights - step).square().sum()
            for step in eps * torch.diag(weights)
        ]
    )
    method = build(model, "grasp", data=data(), density=0.3, method_params={"per_class": 4})
    kept = torch.cat([mask.flatten() for mask in method.masks().values()])
    assert int(kept.sum()) == 63
    assert set(lost.topk(63).indices.tolist()) == set(kept.nonzero().flatten().tolist())


def test_grasp_as_released_reads_halves_of_different_classes(build: MethodFactory) -> None:
    """Linear layers are drawn anew; of twelve images, six are of class 0 and half of class 1, six are the others."""
    model = conv_net()
    network, scores = scored(build, "grasp", model, fidelity="released", method_params={"per_class": 4})
    assert torch.equal(network.conv1.weight, model.conv1.weight)
    assert torch.equal(network.conv2.weight, model.conv2.weight)
    assert not torch.isclose(network.fc.weight, model.fc.weight).any()
    method = build(
        copy.deepcopy(model), "grasp", data=data(), density=1.0, fidelity="released", method_params={"per_class": 4}
    )
    halves = list(method._samples())
    assert [sorted(labels.tolist()) for _, labels in halves] == [[0, 0, 0, 0, 1, 1], [1, 1, 2, 2, 2, 2]]
    losses, weights = [loss_of(network, *half, temperature=200.0) for half in halves], flat(network)
    g = sum(gradient(loss, weights) for loss in losses)
    expected = weights * sum(hessian(loss, weights) @ g for loss in losses)
    assert torch.allclose(joined(scores), expected, rtol=1e-8, atol=1e-18)


def linear_net() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), fc1=nn.Linear(32, 5), relu=nn.ReLU(), fc2=nn.Linear(5, 3)))


@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_synflow_by_hand(build: MethodFactory, fidelity: str) -> None:
    """|w1_ij| times what leads on from unit i; |w2_ki| times what leads to it, as released with its bias."""
    model = linear_net()
    _, scores = scored(build, "synflow", model, fidelity=fidelity, method_params={"mode": "eval"})
    w1, w2, b1 = model.fc1.weight.double().abs(), model.fc2.weight.double().abs(), model.fc1.bias.double().abs()
    assert torch.allclose(scores["fc1"], w1 * w2.sum(0)[:, None], rtol=1e-12)
    into = w1.sum(1) + (b1 if fidelity == "released" else 0)
    assert torch.allclose(scores["fc2"], w2 * into, rtol=1e-12)


def pooled_net() -> nn.Sequential:
    """With ReLU, max-pooling, biases, and batch normalisation that is no longer as it began."""
    torch.manual_seed(3)
    norm = nn.BatchNorm2d(6)
    for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        nn.init.uniform_(value, 0.5, 2.0)
    layers = OrderedDict(
        conv1=nn.Conv2d(2, 6, 3, padding=1),
        bn=norm,
        pool=nn.MaxPool2d(2),
        relu=nn.ReLU(inplace=True),
        conv2=nn.Conv2d(6, 5, 2),
        flatten=nn.Flatten(),
        fc=nn.Linear(5, 3),
    )
    return nn.Sequential(layers)


def test_synflow_is_conserved_from_layer_to_layer(build: MethodFactory) -> None:
    """Each layer's scores add up to R (Tanaka et al. 2020), unless something is added on the way."""
    network, scores = scored(build, "synflow", pooled_net())
    flow = float(network(torch.ones(1, 2, 4, 4, dtype=torch.float64)).sum().detach())
    assert flow > 0
    for score in scores.values():
        assert float(score.sum()) == pytest.approx(flow, rel=1e-12)
    _, scores = scored(build, "synflow", pooled_net(), fidelity="released", method_params={"mode": "eval"})
    assert float(scores["conv1"].sum()) < 0.9 * float(scores["fc"].sum())


@pytest.mark.parametrize(
    ("fidelity", "mode", "training"), [("paper", None, False), ("released", None, True), ("released", "eval", False)]
)
def test_mode_of_synflow(build: MethodFactory, fidelity: str, mode: str | None, training: bool) -> None:
    network, _ = scored(build, "synflow", conv_net(), fidelity=fidelity, method_params={"mode": mode})
    assert network.training == training
