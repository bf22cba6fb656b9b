"""Residual networks of three stages for CIFAR (He et al. 2016, sec. 4.2), each as a paper's released code has it.

All have 1x1 shortcuts with batch normalisation where the shape changes. They differ in width, block and start.
"""

from __future__ import annotations

import functools
import math
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from dst_repro.models.base import Shape, WidthParams
from dst_repro.models.resnet import Plan, fan_out
from dst_repro.registry import models


class ScaledParams(WidthParams):
    scaled_for: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The density for which the network starts with larger weights: their variance is divided by it."""


def fan_in(network: nn.Module, density: float = 1.0) -> None:
    """Convolutions and the last layer are N(0, 2 / (density * fan_in)); the last bias is torch's default."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if density < 1:
                with torch.no_grad():
                    module.weight.div_(math.sqrt(density))


def fan_out_and_small(network: nn.Module) -> None:
    """Convolutions are N(0, 2 / (kernel * channels out)), the last layer is N(0, 0.01^2) and its bias 0."""
    fan_out(network)
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


@models.register("resnet-56", ScaledParams)
def resnet_56(shape: Shape, classes: int, params: ScaledParams) -> nn.Module:
    """ResNet-56: 855,770 parameters on 3x32x32, 851,504 of them weights.

    861,620 parameters on 3x32x32 with 100 classes, 857,264 of them weights. As Fantastic Weights has it (Nowak et al.
    2023): weights are N(0, 2 / fan_in), or for static masks also scaled by the density.
    """
    start = functools.partial(fan_in, density=params.scaled_for)
    return Plan("BasicBlock", (16, 32, 64), (9, 9, 9), start).build("resnet-56", shape, classes, params.width)


@models.register("resnet-8", WidthParams)
def resnet_8(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """ResNet-8: 78,042 parameters on 3x32x32, 77,360 of them weights.

    83,892 parameters on 3x32x32 with 100 classes, 83,120 of them weights. The smallest of He et al. (2016, sec. 4.2),
    6n + 2 layers with n = 1, in the form of `resnet-32`; for reduced runs. At `width: 0.5` its stages have 8, 16 and 32
    channels, and on 3x32x32 with 10 classes it has 19,954 parameters, of which 19,608 are weights.
    """
    return Plan("BasicBlock", (16, 32, 64), (1, 1, 1), fan_out).build("resnet-8", shape, classes, params.width)


@models.register("resnet-32", WidthParams)
def resnet_32(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """ResNet-32: 466,906 parameters on 3x32x32, 464,432 of them weights.

    472,756 parameters on 3x32x32 with 100 classes. As ToST has it (Jaiswal et al. 2022): convolutions are
    N(0, 2 / (kernel * channels out)). The dense accuracies of its Table 2 look more like those of `resnet-32-double`.
    """
    return Plan("BasicBlock", (16, 32, 64), (5, 5, 5), fan_out).build("resnet-32", shape, classes, params.width)


@models.register("resnet-32-double", WidthParams)
def resnet_32_double(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """ResNet-32 (double width): 1,860,522 parameters on 3x32x32, 1,855,584 of them weights.

    1,872,132 parameters on 3x32x32 with 100 classes. As GraSP has it (Wang et al. 2020), and MEST: convolutions are
    N(0, 2 / (kernel * channels out)), the last layer is N(0, 0.01^2).
    """
    plan = Plan("BasicBlock", (32, 64, 128), (5, 5, 5), fan_out_and_small)
    return plan.build("resnet-32-double", shape, classes, params.width)


@models.register("resnet-104", WidthParams)
def resnet_104(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """ResNet-104: 17 bottlenecks a stage, 1,611,418 parameters on 3x32x32, 1,587,632 of them weights.

    1,634,548 parameters on 3x32x32 with 100 classes. As ToST has it (Jaiswal et al. 2022): convolutions are
    N(0, 2 / (kernel * channels out)). The name counts two convolutions a block, but a bottleneck has three; with
    the shortcuts, the network has 158 layers.
    """
    return Plan("Bottleneck", (16, 32, 64), (17, 17, 17), fan_out).build("resnet-104", shape, classes, params.width)
