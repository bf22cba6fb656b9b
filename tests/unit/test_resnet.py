"""The residual networks have the published sizes, the layers of their papers, and start as released code does."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dst_repro.errors import ConfigError
from dst_repro.methods.base import maskable
from dst_repro.registry import models
from dst_repro.vision import torchvision_models

Shapes = dict[str, tuple[int, ...]]
IMAGENET = (3, 224, 224)


def network(slug: str, shape: tuple[int, ...], classes: int, **params: float) -> nn.Module:
    torch.manual_seed(0)
    entry = models[slug]
    built: nn.Module = entry.object(shape, classes, entry.params(**params))
    return built


def shapes(model: nn.Module) -> Shapes:
    return {name: tuple(module.weight.shape) for name, module in maskable(model).items()}


def bottlenecks(stem: int, sizes: tuple[int, ...], blocks: tuple[int, ...], classes: int) -> Shapes:
    """The layers of a network of bottlenecks, in the order of their use."""
    layers: Shapes = {"conv1": (sizes[0], 3, stem, stem)}
    before = sizes[0]
    for stage, (size, count) in enumerate(zip(sizes, blocks, strict=True), start=1):
        for n in range(1, count + 1):
            block = f"stage{stage}.block{n}"
            layers |= {
                f"{block}.conv1": (size, before, 1, 1),
                f"{block}.conv2": (size, size, 3, 3),
                f"{block}.conv3": (4 * size, size, 1, 1),
            }
            if n == 1:
                layers[f"{block}.downsample.conv"] = (4 * size, before, 1, 1)
            before = 4 * size
    return layers | {"fc": (classes, before)}


def test_the_layers_of_resnet_50() -> None:
    with torch.device("meta"):
        model = network("resnet-50", IMAGENET, 1000)
    found = shapes(model)
    assert list(found.items()) == list(bottlenecks(7, (64, 128, 256, 512), (3, 4, 6, 3), 1000).items())
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


def test_width_narrows_residual_networks() -> None:
    found = shapes(network("resnet-50", (3, 64, 64), 10, width=0.25))
    assert list(found.items()) == list(bottlenecks(7, (16, 32, 64, 128), (3, 4, 6, 3), 10).items())


@pytest.mark.parametrize(("slug", "edge"), [("resnet-50", 32)])
def test_the_smallest_image(slug: str, edge: int) -> None:
    with pytest.raises(
        ConfigError, match=rf"^model: {slug} needs images of at least {edge}x{edge}, not 40x{edge - 1}$"
    ):
        network(slug, (3, 40, edge - 1), 10)
    with pytest.raises(ConfigError, match=rf"^model: {slug} needs images .+, not inputs of shape \(28,\)$"):
        network(slug, (28,), 10)
