"""The residual networks have the published sizes, the layers of their papers, and start as released code does."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dst_repro.errors import ConfigError
from dst_repro.machine.vision import torchvision_models
from dst_repro.methods.base import maskable
from dst_repro.registry import models

Shapes = dict[str, tuple[int, ...]]
IMAGENET = (3, 224, 224)
CIFAR = (3, 32, 32)


def network(slug: str, shape: tuple[int, ...], classes: int, **params: float) -> nn.Module:
    torch.manual_seed(0)
    entry = models[slug]
    built: nn.Module = entry.object(shape, classes, entry.params(**params))
    return built


def shapes(model: nn.Module) -> Shapes:
    return {name: tuple(module.weight.shape) for name, module in maskable(model).items()}


def layers_of(stem: int, sizes: tuple[int, ...], blocks: tuple[int, ...], classes: int, bottleneck: bool) -> Shapes:
    """The layers of a residual network in the order of their use, written down from the papers."""
    layers: Shapes = {"conv1": (sizes[0], 3, stem, stem)}
    before = sizes[0]
    for stage, (size, count) in enumerate(zip(sizes, blocks, strict=True), start=1):
        out = 4 * size if bottleneck else size
        for n in range(1, count + 1):
            block = f"stage{stage}.block{n}"
            if bottleneck:
                layers[f"{block}.conv1"] = (size, before, 1, 1)
                layers[f"{block}.conv2"] = (size, size, 3, 3)
                layers[f"{block}.conv3"] = (out, size, 1, 1)
            else:
                layers[f"{block}.conv1"] = (size, before, 3, 3)
                layers[f"{block}.conv2"] = (size, size, 3, 3)
            if before != out:
                layers[f"{block}.downsample.conv"] = (out, before, 1, 1)
            before = out
    return layers | {"fc": (classes, before)}


@pytest.mark.parametrize(
    ("slug", "sizes", "blocks", "bottleneck", "parameters", "weights", "layers"),
    [
        ("resnet-56", (16, 32, 64), (9, 9, 9), False, 855_770, 851_504, 58),
        ("resnet-8", (16, 32, 64), (1, 1, 1), False, 78_042, 76_720 + 640, 10),
        ("resnet-32", (16, 32, 64), (5, 5, 5), False, 466_906, 463_792 + 640, 34),
        (
            "resnet-32-double",
            (32, 64, 128),
            (5, 5, 5),
            False,
            1_860_522,
            1_860_522 - 10 - 2 * 2_464,
            34,
        ),  # 2,464 normalised channels
        ("resnet-104", (16, 32, 64), (17, 17, 17), True, 1_611_418, 1_585_072 + 2_560, 158),
        ("resnet-18-cifar", (64, 128, 256, 512), (2, 2, 2, 2), False, 11_173_962, 11_159_232 + 5_120, 21),
        ("resnet-50-cifar", (64, 128, 256, 512), (3, 4, 6, 3), True, 23_520_842, 23_447_232 + 20_480, 54),
    ],
)
def test_the_networks_for_cifar(
    slug: str,
    sizes: tuple[int, ...],
    blocks: tuple[int, ...],
    bottleneck: bool,
    parameters: int,
    weights: int,
    layers: int,
) -> None:
    with torch.device("meta"):
        model = network(slug, CIFAR, 10)
    expected = layers_of(3, sizes, blocks, 10, bottleneck)
    assert list(shapes(model).items()) == list(expected.items())
    assert len(expected) == layers
    assert sum(map(math.prod, expected.values())) == weights
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_the_layers_of_resnet_50() -> None:
    with torch.device("meta"):
        model = network("resnet-50", IMAGENET, 1000)
    found = shapes(model)
    assert list(found.items()) == list(layers_of(7, (64, 128, 256, 512), (3, 4, 6, 3), 1000, True).items())
    weights = {"conv1": 9_408, "stage1": 212_992, "stage2": 1_212_416, "stage3": 7_077_888, "stage4": 14_942_208}
    weights["fc"] = 2_048_000
    for part, expected in weights.items():
        assert sum(math.prod(shape) for name, shape in found.items() if name.split(".")[0] == part) == expected
    assert sum(weights.values()) == 25_502_912
    # a gamma and a beta for each channel that is normalised, and the bias of the last layer
    normalised = 64 + 3 * (64 + 64 + 256) + 4 * (128 + 128 + 512) + 6 * (256 + 256 + 1024) + 3 * (512 + 512 + 2048)
    shortcuts = 256 + 512 + 1024 + 2048
    assert sum(p.numel() for p in model.parameters()) == 25_502_912 + 2 * (normalised + shortcuts) + 1000 == 25_557_032


@pytest.mark.parametrize("edge", [64, 224])
def test_resnet_50_is_torchvisions(edge: int) -> None:
    """With the same weights it computes the same, to the bit."""
    model, reference = network("resnet-50", IMAGENET, 1000), torchvision_models().resnet50()
    own = model.state_dict()
    reference.load_state_dict(dict(zip(reference.state_dict(), own.values(), strict=True)))
    images = torch.randn(2, 3, edge, edge, generator=torch.Generator().manual_seed(0))
    for mode in (False, True):
        with torch.no_grad():
            assert torch.equal(model.train(mode)(images), reference.train(mode)(images))


def test_resnet_50_starts_as_torchvisions() -> None:
    model, reference = network("resnet-50", IMAGENET, 1000), torchvision_models().resnet50()
    pairs = [(a.detach(), b.detach()) for a, b in zip(model.parameters(), reference.parameters(), strict=True)]
    for own, other in pairs[:-2]:
        assert float(own.std()) == pytest.approx(float(other.std()), rel=0.1)
        assert float(own.mean()) == pytest.approx(float(other.mean()), abs=0.1 * float(other.std()) + 1e-9)
    for own, _ in pairs[-2:]:
        assert 0.95 / math.sqrt(2048) < float(own.abs().max()) <= 1 / math.sqrt(2048)


def std(layer: nn.Module, rule: str) -> float:
    """Standard deviation of a layer's weights at the start."""
    out, *inputs = layer.get_parameter("weight").shape
    if rule == "fan_in":
        return math.sqrt(2 / math.prod(inputs))
    if rule == "fan_out":
        return math.sqrt(2 / (math.prod(inputs[1:]) * out))
    if rule == "torch":
        return 1 / math.sqrt(3 * math.prod(inputs))
    return float(rule)


@pytest.mark.parametrize(
    ("slug", "convolutions", "last"),
    [
        ("resnet-56", "fan_in", "fan_in"),
        ("resnet-8", "fan_out", "torch"),
        ("resnet-32", "fan_out", "torch"),
        ("resnet-32-double", "fan_out", "0.01"),
        ("resnet-104", "fan_out", "torch"),
        ("resnet-18-cifar", "torch", "torch"),
        ("resnet-50-cifar", "torch", "torch"),
    ],
)
def test_initialisation_of_the_released_networks(slug: str, convolutions: str, last: str) -> None:
    model = network(slug, CIFAR, 10)
    *layers, fc = maskable(model).values()
    for rule, members in ((convolutions, layers), (last, [fc])):
        for layer in members:
            weight = layer.weight.detach()
            expected, noise = std(layer, rule), 4 / math.sqrt(2 * weight.numel())
            assert float(weight.std()) == pytest.approx(expected, rel=noise)
            uniform = math.sqrt(3) * expected
            assert (float(weight.abs().max()) <= 1.0001 * uniform) == (rule == "torch")
    assert all(layer.bias is None for layer in layers)
    assert fc.bias is not None
    assert bool(fc.bias.any()) == (last != "0.01")
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert set(module.weight.tolist()) == {1.0}
            assert not module.bias.any()


def test_width_narrows_residual_networks() -> None:
    found = shapes(network("resnet-50", (3, 64, 64), 10, width=0.25))
    assert list(found.items()) == list(layers_of(7, (16, 32, 64, 128), (3, 4, 6, 3), 10, True).items())


@pytest.mark.parametrize(("slug", "edge"), [("resnet-50", 32), ("resnet-18-cifar", 8), ("resnet-56", 4)])
def test_the_smallest_image(slug: str, edge: int) -> None:
    with pytest.raises(
        ConfigError, match=rf"^model: {slug} needs images of at least {edge}x{edge}, not 40x{edge - 1}$"
    ):
        network(slug, (3, 40, edge - 1), 10)
    with pytest.raises(ConfigError, match=rf"^model: {slug} needs images .+, not inputs of shape \(28,\)$"):
        network(slug, (28,), 10)
