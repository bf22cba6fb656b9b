"""The two LeNets of the pruning literature, with torch's default initialisation U(+-1/sqrt(fan_in))."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn

from dst_repro.models.base import Shape, image
from dst_repro.registry import models


@models.register("lenet-300-100")
def lenet_300_100(shape: Shape, classes: int, _: object = None) -> nn.Module:
    """Fully connected 784-300-100-10 with ReLU: 266,610 parameters on 28x28 images, 266,200 of them weights."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(math.prod(shape), 300),
            relu1=nn.ReLU(inplace=True),
            fc2=nn.Linear(300, 100),
            relu2=nn.ReLU(inplace=True),
            fc3=nn.Linear(100, classes),
        )
    )


@models.register("lenet-5-caffe")
def lenet_5_caffe(shape: Shape, classes: int, _: object = None) -> nn.Module:
    """Convolutions 20 and 50 (5x5), fully connected 800-500-10: 431,080 parameters on 28x28 images."""
    channels, *edges = image("lenet-5-caffe", shape, 16)
    edge = [((size - 4) // 2 - 4) // 2 for size in edges]
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 20, 5),
            pool1=nn.MaxPool2d(2),
            relu1=nn.ReLU(inplace=True),  # after pooling: the same values and gradients at a quarter of the work
            conv2=nn.Conv2d(20, 50, 5),
            pool2=nn.MaxPool2d(2),
            relu2=nn.ReLU(inplace=True),
            flatten=nn.Flatten(),
            fc1=nn.Linear(50 * math.prod(edge), 500),
            relu3=nn.ReLU(inplace=True),
            fc2=nn.Linear(500, classes),
        )
    )
