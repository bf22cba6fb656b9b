"""The small convolutional network of Fantastic Weights (Nowak et al. 2023), with torch's default initialisation."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from dst_repro.models.base import Shape, WidthParams, image, scaled
from dst_repro.registry import models


@models.register("small-conv", WidthParams)
def small_conv(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """small CNN: convolutions 32, 64 and 128 (3x3, no padding): 94,538 parameters on 3x32x32, 94,304 of them weights.

    Pooling after the first two, the average over all pixels after the third. The released code states 95,818
    parameters in a comment, but builds this one.
    """
    channels, _, _ = image("small-conv", shape, 18)  # leaves one pixel
    sizes = [scaled(size, params.width) for size in (32, 64, 128)]
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, sizes[0], 3),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),  # after pooling: the same values and gradients at a quarter of the work
            conv2=nn.Conv2d(sizes[0], sizes[1], 3),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            conv3=nn.Conv2d(sizes[1], sizes[2], 3),
            relu3=nn.ReLU(inplace=True),
            pool3=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            fc=nn.Linear(sizes[2], classes),
        )
    )
