"""MobileNet v1 (Howard et al. 2017, Table 1): depthwise convolutions, each followed by a 1x1 one; two forms."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from torch import nn

from dst_repro.models.base import Shape, WidthParams, image, scaled
from dst_repro.registry import models

STEM = 32
BLOCKS = (  # channels out, stride
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *[(512, 1)] * 5,
    (1024, 2),
    (1024, 1),
)
HALVINGS = sum(stride == 2 for _, stride in BLOCKS)  # of the image, by the blocks


class MobileNetParams(WidthParams):
    masked: Literal["all", "pointwise"] = "all"
    """Which layers a method may mask: all of them, or the 1x1 convolutions and the last layer alone, as in the released
    code of RigL. Density is that of these; the others stay dense."""


def _block(inputs: int, out: int, stride: int) -> nn.Sequential:
    """A depthwise convolution, one 3x3 filter for each channel, and a pointwise one, which mixes the channels."""
    return nn.Sequential(
        OrderedDict(
            depthwise=nn.Conv2d(inputs, inputs, 3, stride, padding=1, groups=inputs, bias=False),
            bn1=nn.BatchNorm2d(inputs),
            relu1=nn.ReLU(inplace=True),
            pointwise=nn.Conv2d(inputs, out, 1, bias=False),
            bn2=nn.BatchNorm2d(out),
            relu2=nn.ReLU(inplace=True),
        )
    )


def _mobilenet(slug: str, shape: Shape, classes: int, params: MobileNetParams, stride: int) -> nn.Module:
    """`stride` is the stem's. torch's default initialisation: every weight is U(+-1/sqrt(fan_in)), where the fan-in of
    a depthwise convolution is 9, the inputs of its own group.
    """
    channels, _, _ = image(slug, shape, stride * 2**HALVINGS)
    inputs = scaled(STEM, params.width)
    layers: OrderedDict[str, nn.Module] = OrderedDict(
        conv1=nn.Conv2d(channels, inputs, 3, stride, padding=1, bias=False),
        bn1=nn.BatchNorm2d(inputs),
        relu1=nn.ReLU(inplace=True),
    )
    for n, (size, halved) in enumerate(BLOCKS, start=1):
        out = scaled(size, params.width)
        layers[f"block{n}"] = _block(inputs, out, halved)
        inputs = out
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(inputs, classes)
    network = nn.Sequential(layers)
    for module in network.modules():
        if params.masked == "pointwise" and isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            module.maskable = False  # type: ignore[assignment]  # for `maskable` to leave out
    return network


@models.register("mobilenet-v1", MobileNetParams)
def mobilenet_v1(shape: Shape, classes: int, params: MobileNetParams) -> nn.Module:
    """MobileNet-V1: 4,231,976 parameters on 3x224x224 with 1,000 classes, 4,209,088 of them weights.

    44,640 of the weights are those of the 13 depthwise convolutions. Such a layer is a layer like others: densities go
    by the shape of its weight, (channels, 1, 3, 3), so that it is small, and the first to become dense under ER, with
    (n + 1) / n, and ERK, with (n + 7) / (9 n); all 13 are dense down to 5 % of the network's weights. The 9 weights of
    one filter share a threshold of DST. The released code of STR masks all layers, as is done here by default; that of
    RigL neither the first one nor the depthwise ones (`masked: pointwise`), and it spares the latter weight decay,
    which isn't done here. The paper states no initialisation; this one is that of the convolutions in STR's code.
    """
    return _mobilenet("mobilenet-v1", shape, classes, params, stride=2)


@models.register("mobilenet-v1-cifar", MobileNetParams)
def mobilenet_v1_cifar(shape: Shape, classes: int, params: MobileNetParams) -> nn.Module:
    """MobileNet-V1 (CIFAR): a stem that keeps the image, 3,217,226 parameters on 3x32x32, 3,195,328 of them weights.

    The widespread form for CIFAR (kuangliu/pytorch-cifar). ToST has results for a MobileNet (Jaiswal et al. 2022), but
    which one is not known: none is in its released code. On depthwise layers see `mobilenet-v1`. Here the last pooling
    takes an average of any image, there of 2x2 pixels.
    """
    return _mobilenet("mobilenet-v1-cifar", shape, classes, params, stride=1)
