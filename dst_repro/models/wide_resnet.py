"""Wide residual networks with pre-activation (Zagoruyko and Komodakis 2016), named `wrn-<depth>-<widening>`."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from dst_repro.models.base import Shape, WidthParams, image, scaled
from dst_repro.registry import models

STEM = 16  # channels of the first convolution and, times the widening, of the first stage
SMALLEST = 4  # two strides of 2 leave one pixel of it


class WideResNetParams(WidthParams):
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Before the second convolution of each block. 0 in Dynamic Sparse Training, 0.3 in Sparse Momentum."""


class Block(nn.Module):
    """Two 3x3 convolutions, each after batch normalisation and ReLU, added to the input.

    Where the shape changes, a 1x1 convolution of the first activation takes the input's place.
    """

    def __init__(self, channels: int, out: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(channels, out, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu2 = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        changes = channels != out or stride != 1
        self.shortcut = nn.Conv2d(channels, out, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        active = self.relu1(self.bn1(x))
        inner = self.relu2(self.bn2(self.conv1(active)))
        residual: Tensor = self.conv2(self.dropout(inner))
        return residual + (x if self.shortcut is None else self.shortcut(active))


def _stage(channels: int, out: int, blocks: int, stride: int, dropout: float) -> nn.Sequential:
    first = Block(channels, out, stride, dropout)
    others = [Block(out, out, 1, dropout) for _ in range(blocks - 1)]
    return nn.Sequential(OrderedDict((f"block{n}", block) for n, block in enumerate([first, *others], start=1)))


def _initialise(network: nn.Module) -> None:
    """Convolutions N(0, 2 / (kernel * channels out)); the last layer's weight is torch's default, its bias 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)


def wide_resnet(depth: int, widening: int, shape: Shape, classes: int, params: WideResNetParams) -> nn.Module:
    """Three stages of (depth - 4) / 6 blocks, at full, half and quarter resolution, then a global average.

    It starts as the dense networks of the released code of DST and Sparse Momentum do. DST's code starts the masked
    layers of its sparse network from U(+-1/sqrt(fan_in)) instead, the last bias too: there, dense and sparse training
    don't begin at the same point.
    """
    channels, _, _ = image(f"wrn-{depth}-{widening}", shape, SMALLEST)
    stem, *sizes = (scaled(STEM * times, params.width) for times in (1, *(widening * 2**n for n in range(3))))
    layers: OrderedDict[str, nn.Module] = OrderedDict(conv1=nn.Conv2d(channels, stem, 3, padding=1, bias=False))
    inputs = [stem, *sizes]
    for n, size in enumerate(sizes, start=1):
        layers[f"stage{n}"] = _stage(inputs[n - 1], size, (depth - 4) // 6, 1 if n == 1 else 2, params.dropout)
    layers["bn"] = nn.BatchNorm2d(sizes[-1])
    layers["relu"] = nn.ReLU(inplace=True)
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(sizes[-1], classes)
    network = nn.Sequential(layers)
    _initialise(network)
    return network


def _register(depth: int, widening: int, facts: str) -> None:
    def build(shape: Shape, classes: int, params: WideResNetParams) -> nn.Module:
        return wide_resnet(depth, widening, shape, classes, params)

    build.__doc__ = f"Wide ResNet {depth}-{widening}: {facts}."
    models.register(f"wrn-{depth}-{widening}", WideResNetParams)(build)


_register(16, 8, "10,961,370 parameters on 3x32x32 (Dynamic Sparse Training, SNIP)")
_register(16, 10, "17,116,634 parameters on 3x32x32 (submission of Dynamic Sparse Training, SNIP)")
_register(22, 2, "1,079,642 parameters on 3x32x32 (reproduction of RigL)")
_register(22, 8, "17,158,106 parameters on 3x32x32 (SNIP)")
_register(28, 2, "1,467,610 parameters on 3x32x32 (Sparse Momentum)")
_register(28, 8, "23,354,842 parameters on 3x32x32 (Dynamic Sparse Training)")
