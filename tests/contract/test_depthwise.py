"""What every method promises of a network whose convolutions are depthwise."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import hessian, jacobian
from torch.nn import functional

from dst_repro.data.base import Data, Images, load
from dst_repro.methods.at_init import AtInit
from dst_repro.methods.base import Method, maskable
from dst_repro.plan.config import RunConfig
from dst_repro.registry import methods, models
from dst_repro.sparsity.health import effective
from dst_repro.training.loop import Trainer
from dst_repro.training.parents import provide_states
from dst_repro.training.state import begin
from tests.conftest import MethodFactory, RunFactory
from tests.contract.test_methods import one_each, used_weights
from tests.paths import on_a_path

SIZES = [8] * 24 + [16, 16, 16]
"""Channels out of the stem, and of each block's two convolutions: 1/64 of MobileNet's, and 8 at least."""
SHAPES = {
    "conv1": (8, 1, 3, 3),
    **{f"block{n}.depthwise": (SIZES[2 * n - 2], 1, 3, 3) for n in range(1, 14)},
    **{f"block{n}.pointwise": (SIZES[2 * n], SIZES[2 * n - 1], 1, 1) for n in range(1, 14)},
    "fc": (10, 16),
}
NUMEL = {name: torch.Size(shape).numel() for name, shape in SHAPES.items()}
DENSITY, BATCH, STEPS = 0.5, 10, 3


COLLAPSES = ("snip", "synflow")
"""What leaves the last layers of so narrow a network without any weight, if all layers compete; SynFlow as released."""


@pytest.fixture(scope="module")
def few(tiny: RunFactory) -> Data:
    """Three digits of each class, of 28x28 pixels, to train on, and 8 to test."""
    data = load(tiny(dataset_params={"size": 28}))
    order = torch.argsort(data.train.labels, stable=True)
    each = torch.cat([order[data.train.labels[order] == label][:STEPS] for label in range(10)])
    return replace(data, train=data.train.take(each), test=data.test.take(torch.arange(8)))


def narrow(**params: Any) -> nn.Sequential:
    entry = models["mobilenet-v1-cifar"]
    made: nn.Sequential = entry.object((1, 28, 28), 10, entry.params.model_validate({"width": 1 / 64} | params))
    return made


def trainer(run: RunConfig, few: Data, folder: Path) -> Trainer:
    provide_states(run, folder)
    return Trainer(run, few, torch.device("cpu"), *begin(run, folder))


CHOICES = {"update_period": 1, "update_end": 1.0, "per_class": STEPS}
"""Updates at each step, and as many images of a class as there are."""


def cases() -> list[Any]:
    """Every method once, at 50 % if it takes a density, by the paper and as released; where all layers compete, too,
    where each has its share by ERK.
    """
    found = []
    for case in one_each():
        fields, known = case.values[0], methods[case.values[0]["method"]].params.model_fields
        chosen = fields["method_params"] | {name: value for name, value in CHOICES.items() if name in known}
        fields = fields | {"method_params": chosen} | ({"density": DENSITY} if "density" in fields else {})
        by_layer = {"method_params": chosen | {"scope": "erk"}}
        scopes = [("", {})] + ([("-erk", by_layer)] if issubclass(methods[fields["method"]].object, AtInit) else [])
        found += [
            pytest.param(fields | more | {"fidelity": fidelity}, id=f"{fields['method']}{scope}-{fidelity}")
            for scope, more in scopes
            for fidelity in ("paper", "released")
        ]
    return found


def check(method: Method, run: Trainer, few: Data) -> None:
    """Counts are those of the masks, and what is pruned is zero where the network computes with it."""
    masks, layers = method.masks(), method.layers()
    assert {name: tuple(mask.shape) for name, mask in masks.items()} == SHAPES
    assert {name: layer.numel for name, layer in layers.items()} == NUMEL
    assert {name: layer.kept for name, layer in layers.items()} == {n: int(m.sum()) for n, m in masks.items()}
    for name, weight in used_weights(run, few).items():
        assert not bool(weight[~masks[name]].any())


@pytest.mark.parametrize("fields", cases())
def test_three_steps_on_a_depthwise_network(
    tiny: RunFactory, few: Data, tmp_path: Path, fields: dict[str, Any]
) -> None:
    """It trains, ends at its target exactly, and the weights on a path are those that a search finds."""
    shared = {"model": "mobilenet-v1-cifar", "model_params": {"width": 1 / 64}, "dataset_params": {"size": 28}}
    run = trainer(tiny(**shared, **fields, epochs=1, batch_size=BATCH), few, tmp_path)
    assert run.steps_per_epoch == STEPS
    before = {name: p.detach().clone() for name, p in run.model.named_parameters()}
    check(run.method, run, few)
    run.run_epoch()
    check(run.method, run, few)
    kept = sum(layer.kept for layer in run.method.layers().values())
    wanted = run.method.wanted()
    assert wanted is None or kept in wanted
    if "density" in fields:
        assert run.method.at_target()
        assert fields["fidelity"] == "released" or kept == round(DENSITY * sum(NUMEL.values()))
    masks = run.method.masks()
    found = effective(narrow(), few.shape, masks)
    searched = on_a_path(narrow(), few.shape, masks)
    assert {name: mask.nonzero().tolist() for name, mask in found.items()} == searched
    trained = {name: p for name, p in run.model.named_parameters() if not name.endswith("threshold")}
    moved = [name for name, p in trained.items() if not torch.equal(before[name], p)]
    if fields["method"] not in COLLAPSES or "scope" in fields["method_params"]:
        assert all(searched.values())
        assert len(moved) > 0.9 * len(trained)
    assert moved


CHANNELS, SHAPE = 4, (4, 6, 6)


def small() -> nn.Sequential:
    """120 weights in double precision, laid out as the loop lays out every network: 36, 24 and 60."""
    torch.manual_seed(0)
    layers = OrderedDict(
        depthwise=nn.Conv2d(CHANNELS, CHANNELS, 3, 2, padding=1, groups=CHANNELS, bias=False),
        act1=nn.ReLU(),
        pointwise=nn.Conv2d(CHANNELS, 6, 1, bias=False),
        act2=nn.ReLU(),
        pool=nn.AdaptiveAvgPool2d(1),
        flatten=nn.Flatten(),
        fc=nn.Linear(6, 10, bias=False),
    )
    made: nn.Sequential = nn.Sequential(layers).double().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made


def computed(images: Tensor, weights: Tensor) -> Tensor:
    """Logits of the same network as a function of its weights (120,), each channel filtered by a call of its own."""
    first, second, last = (
        part.view(shape) for part, shape in zip(weights.split([36, 24, 60]), ((4, 9), (6, 4), (10, 6)), strict=True)
    )
    patches = functional.unfold(images, 3, padding=1, stride=2).unflatten(1, (CHANNELS, 9))  # (n, 4, 9, pixels)
    each = torch.stack([patches[:, c].mul(first[c].view(9, 1)).sum(1) for c in range(CHANNELS)], 1)
    mixed = torch.einsum("ncp,oc->nop", each.clamp(min=0), second).clamp(min=0)
    return mixed.mean(2) @ last.T


def own_data() -> Data:
    """Two images of each class, in double precision."""
    images = torch.randn(20, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    part = Images(images, torch.arange(20) % 10)
    return Data("small", part, None, part, classes=10, divisor=1.0, note="", sha256={})


def flat(network: nn.Module) -> Tensor:
    return torch.cat([layer.weight.detach().flatten() for layer in maskable(network).values()])


def test_the_reference_computes_what_the_network_does() -> None:
    network, images = small(), own_data().train.images
    torch.testing.assert_close(network(images), computed(images, flat(network)))


@pytest.mark.parametrize("method", ["snip", "grasp", "synflow"])
def test_scores_of_depthwise_weights(build: MethodFactory, method: str) -> None:
    """By the definitions, of a network without grouped convolutions: abs(w * g), w * (H g), abs(w) * dR/d abs(w)."""
    network, part = small(), own_data().train
    params = {"snip": {"batch_size": 20}, "grasp": {"per_class": 2}, "synflow": {}}[method]
    made: Any = build(copy.deepcopy(network), method, data=own_data(), density=1.0, method_params=params)
    scored = made.scored_network(network)
    found = made.scores(scored, {name: layer.weight for name, layer in maskable(scored).items()})
    weights = flat(network)

    def loss(at: Tensor) -> Tensor:
        temperature = 200 if method == "grasp" else 1
        return functional.cross_entropy(computed(part.images, at) / temperature, part.labels)

    def flow(at: Tensor) -> Tensor:
        return computed(torch.ones(1, *SHAPE, dtype=torch.float64), at).sum()

    gradient = jacobian(loss, weights)
    expected = {
        "snip": (weights * gradient).abs(),
        "grasp": weights * (hessian(loss, weights) @ gradient),
        "synflow": weights.abs() * jacobian(flow, weights.abs()),
    }[method]
    assert bool((expected != 0).all())
    torch.testing.assert_close(
        torch.cat([score.flatten() for score in found.values()]), expected, rtol=1e-9, atol=1e-18
    )


def test_dst_has_a_threshold_for_each_filter(build: MethodFactory) -> None:
    """Masks, and the gradient -sum G*W*H(|W| - t) - alpha*exp(-t) of a threshold, filter by filter."""
    network, part, alpha = small(), own_data().train, 2**-7  # exact in float32
    kernels = maskable(network)["depthwise"].weight.detach().clone()
    made: Any = build(network, "dst", data=own_data(), method_params={"alpha": alpha})
    limits = torch.tensor([0.0, 0.1, 0.2, 0.3], dtype=torch.float64)
    threshold = network.get_submodule("depthwise").threshold
    with torch.no_grad():
        threshold.copy_(limits)
    masks = made.masks()
    assert {name: len(t) for name, t in made.thresholds.items()} == {"depthwise": 4, "pointwise": 6, "fc": 10}
    for c in range(CHANNELS):
        assert masks["depthwise"][c].tolist() == (kernels[c].abs() >= limits[c]).tolist()
    assert 0 < int(masks["depthwise"][1:].sum()) < 27
    functional.cross_entropy(network(part.images), part.labels).backward()
    made.after_backward(0)
    used = torch.cat([(state * masks[name]).flatten() for name, state in made.weights.items()]).detach()
    g = jacobian(lambda at: functional.cross_entropy(computed(part.images, at), part.labels), used)[:36].view(4, 9)
    for c in range(CHANNELS):
        expected = -alpha * math.exp(-limits[c])
        for weight, slope in zip(kernels[c].flatten().tolist(), g[c].tolist(), strict=True):
            distance = abs(abs(weight) - float(limits[c]))
            estimate = 2 - 4 * distance if distance <= 0.4 else 0.4 if distance <= 1 else 0.0
            expected -= slope * weight * estimate
        assert float(threshold.grad[c]) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", ["static", "set", "rigl", "mest", "dsr"])
def test_layers_that_are_no_layer_to_mask_stay_dense(tiny: RunFactory, few: Data, tmp_path: Path, method: str) -> None:
    """`masked: pointwise` as in RigL's code: density is that of the 1x1 convolutions and of the last layer."""
    case = next(case.values[0] for case in cases() if case.values[0]["method"] == method)
    shared = {"model": "mobilenet-v1-cifar", "model_params": {"width": 1 / 64, "masked": "pointwise"}}
    run = trainer(tiny(**shared, dataset_params={"size": 28}, **case, epochs=1, batch_size=BATCH), few, tmp_path)
    run.run_epoch()
    part = [name for name in NUMEL if "pointwise" in name or name == "fc"]
    layers = run.method.layers()
    assert list(layers) == part
    assert sum(layer.kept for layer in layers.values()) == round(DENSITY * sum(NUMEL[name] for name in part))
    state = run.method.network(run.model)
    assert all(bool((state[f"{name}.weight"] != 0).all()) for name in NUMEL if name not in part)
    found = effective(narrow(), few.shape, run.method.masks())
    everything = {name: torch.ones(SHAPES[name], dtype=torch.bool) for name in SHAPES} | run.method.masks()
    searched = on_a_path(narrow(), few.shape, everything)
    assert {name: mask.nonzero().tolist() for name, mask in found.items()} == {name: searched[name] for name in part}
