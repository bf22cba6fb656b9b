"""Residual networks of torchvision's blocks (He et al. 2016): ResNet-50 for ImageNet, ToST's networks for CIFAR."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from dst_repro.machine.vision import torchvision_models
from dst_repro.models.base import Shape, WidthParams, image, scaled
from dst_repro.registry import models


def as_torch(network: nn.Module) -> None:
    """Leaves torch's default: every weight is U(+-1/sqrt(fan_in))."""


def fan_out(network: nn.Module) -> None:
    """Convolutions are N(0, 2 / (kernel * channels out)); the last layer is torch's default."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


@dataclass(frozen=True)
class Plan:
    """What tells one residual network from another. Each stage but the first halves the image."""

    block: Literal["BasicBlock", "Bottleneck"]
    channels: tuple[int, ...]
    """Of the stages' 3x3 convolutions. A bottleneck puts out four times as many. The stem has those of stage 1."""
    blocks: tuple[int, ...]
    """In each stage."""
    initialise: Callable[[nn.Module], None]
    large: bool = False
    """Whether the stem is a 7x7 convolution and a pooling, which halve the image twice, not a 3x3 convolution."""

    def build(self, slug: str, shape: Shape, classes: int, width: float) -> nn.Module:
        halvings = len(self.blocks) - 1 + 2 * self.large
        channels, _, _ = image(slug, shape, 2**halvings)
        sizes = [scaled(size, width) for size in self.channels]
        kernel, stride = (7, 2) if self.large else (3, 1)
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(channels, sizes[0], kernel, stride, padding=kernel // 2, bias=False),
            bn1=nn.BatchNorm2d(sizes[0]),
            relu=nn.ReLU(inplace=True),
        )
        if self.large:
            layers["pool1"] = nn.MaxPool2d(3, 2, padding=1)
        block = getattr(torchvision_models().resnet, self.block)
        inputs = sizes[0]
        for n, (size, count) in enumerate(zip(sizes, self.blocks, strict=True), start=1):
            layers[f"stage{n}"] = _stage(block, inputs, size, count, 1 if n == 1 else 2)
            inputs = size * block.expansion
        layers["pool"] = nn.AdaptiveAvgPool2d(1)
        layers["flatten"] = nn.Flatten()
        layers["fc"] = nn.Linear(inputs, classes)
        network = nn.Sequential(layers)
        self.initialise(network)
        return network


def _stage(block: Any, inputs: int, size: int, count: int, stride: int) -> nn.Sequential:
    """Where the shape changes, the shortcut is a 1x1 convolution with batch normalisation."""
    out = size * block.expansion
    shortcut = None
    if stride != 1 or inputs != out:
        conv = nn.Conv2d(inputs, out, 1, stride, bias=False)
        shortcut = nn.Sequential(OrderedDict(conv=conv, bn=nn.BatchNorm2d(out)))
    blocks = [block(inputs, size, stride, shortcut), *(block(out, size) for _ in range(count - 1))]
    return nn.Sequential(OrderedDict((f"block{n}", block) for n, block in enumerate(blocks, start=1)))


@models.register("resnet-50", WidthParams)
def resnet_50(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """ResNet-50: 25,557,032 parameters on 3x224x224 with 1,000 classes, 25,502,912 of them weights.

    torchvision's `resnet50`, initialisation and all: the stride is in the 3x3 convolutions, and convolutions are
    N(0, 2 / (kernel * channels out)). So is that of Fantastic Weights ("classic" in its released code).
    """
    plan = Plan("Bottleneck", (64, 128, 256, 512), (3, 4, 6, 3), fan_out, large=True)
    return plan.build("resnet-50", shape, classes, params.width)


@models.register("resnet-18-cifar", WidthParams)
def resnet_18_cifar(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """ResNet-18 (CIFAR): a 3x3 stem, 11,173,962 parameters on 3x32x32, 11,164,352 of them weights.

    11,220,132 parameters on 3x32x32 with 100 classes. As the released code of ToST has it (Jaiswal et al. 2022), with
    torch's default initialisation; there it takes 32x32 images alone, here the last pooling takes an average of any.
    """
    plan = Plan("BasicBlock", (64, 128, 256, 512), (2, 2, 2, 2), as_torch)
    return plan.build("resnet-18-cifar", shape, classes, params.width)


@models.register("resnet-50-cifar", WidthParams)
def resnet_50_cifar(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """ResNet-50 (CIFAR): a 3x3 stem, 23,520,842 parameters on 3x32x32, 23,467,712 of them weights.

    23,705,252 parameters on 3x32x32 with 100 classes. ToST's ResNet-50, see `resnet-18-cifar`.
    """
    plan = Plan("Bottleneck", (64, 128, 256, 512), (3, 4, 6, 3), as_torch)
    return plan.build("resnet-50-cifar", shape, classes, params.width)
