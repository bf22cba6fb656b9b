"""EfficientNet-B0 is torchvision's, to the bit, under other names."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dst_repro.errors import ConfigError
from dst_repro.machine.vision import torchvision_models
from dst_repro.methods.base import maskable
from dst_repro.registry import models

TINY_IMAGENET = (3, 64, 64)


def network(shape: tuple[int, ...] = TINY_IMAGENET, classes: int = 200, **params: float) -> nn.Module:
    torch.manual_seed(0)
    entry = models["efficientnet-b0"]
    built: nn.Module = entry.object(shape, classes, entry.params(**params))
    return built


def test_a_seed_gives_torchvisions_network() -> None:
    model = network()
    torch.manual_seed(0)
    reference = torchvision_models().efficientnet_b0(num_classes=200)
    for own, other in zip(model.state_dict().values(), reference.state_dict().values(), strict=True):
        assert torch.equal(own, other)
    images = torch.randn(4, *TINY_IMAGENET, generator=torch.Generator().manual_seed(1))
    losses = []
    for net in (model, reference):
        torch.manual_seed(2)  # stochastic depth and dropout
        losses.append(net(images).square().sum())
        losses[-1].backward()
    assert torch.equal(*losses)
    for own, other in zip(model.parameters(), reference.parameters(), strict=True):
        assert torch.equal(own.grad, other.grad)
    with torch.no_grad():
        assert torch.equal(model.eval()(images), reference.eval()(images))


def test_the_layers_are_called_by_what_they_do() -> None:
    with torch.device("meta"):
        layers = maskable(network())
    assert sum(p.weight.numel() for p in layers.values()) == 4_212_192
    expected = ["stem.conv"]
    for stage, count in enumerate((1, 2, 2, 3, 3, 4, 1), start=1):
        for block in range(1, count + 1):
            parts = ["expand.conv", "depthwise.conv", "squeeze.fc1", "squeeze.fc2", "project.conv"]
            expected += [f"stage{stage}.block{block}.{part}" for part in parts[stage == 1 :]]
    assert list(layers) == [*expected, "top.conv", "fc"]
    assert len(layers) == 82
    assert layers["stage2.block1.depthwise.conv"].weight.shape == (96, 1, 3, 3)
    assert layers["stage7.block1.project.conv"].weight.shape == (320, 1152, 1, 1)


def test_width_narrows_every_layer_to_multiples_of_eight() -> None:
    layers = maskable(network(classes=7, width=0.25))
    channels = {name: m.weight.shape[0] for name, m in layers.items() if name != "fc" and "squeeze" not in name}
    assert all(size % 8 == 0 for size in channels.values())
    assert channels["stem.conv"] == 8
    assert channels["top.conv"] == 4 * channels["stage7.block1.project.conv"] == 320


@pytest.mark.parametrize(
    ("shape", "needs"),
    [
        ((3, 31, 64), "images of at least 32x32, not 31x64"),
        ((24,), r"images of at least 32x32, not inputs of shape \(24,\)"),
        ((1, 32, 32), "images with 3 channels, not 1"),
    ],
)
def test_what_it_can_not_read_is_refused(shape: tuple[int, ...], needs: str) -> None:
    with pytest.raises(ConfigError, match=f"^model: efficientnet-b0 needs {needs}$"):
        network(shape)
