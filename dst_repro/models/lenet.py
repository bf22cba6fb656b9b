"""The two LeNets of the pruning literature, with torch's default initialisation U(+-1/sqrt(fan_in))."""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn

from dst_repro.models.base import Shape, image
from dst_repro.registry import Params, models


class LeNet300100Params(Params):
    batch_norm: bool = False
    """Batch normalisation of every layer's output, the logits too, and no biases."""


@models.register("lenet-300-100", LeNet300100Params)
def lenet_300_100(shape: Shape, classes: int, params: LeNet300100Params) -> nn.Module:
    """LeNet-300-100: fully connected, ReLU: 266,610 parameters on 28x28 images, 266,200 of them weights.

    With `batch_norm` it is the network of DSR's authors (Mostafa and Wang 2019; IntelAI/dynamic-reparameterization,
    model.py, `mnist_mlp`, normalised by default): no layer has a bias, each is followed by batch normalisation as torch
    has it (affine, eps 1e-5, momentum 0.1), then by ReLU, the last one by nothing more. 267,020 parameters, 820 of them
    scales and shifts. Scales start at 1, as today's torch has it; torch 0.4.1, which that code was written for, drew
    them from U(0, 1). Without normalisation, biases start at 0 there.
    """
    sizes = (math.prod(shape), 300, 100, classes)
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    for n in (1, 2, 3):
        layers[f"fc{n}"] = nn.Linear(sizes[n - 1], sizes[n], bias=not params.batch_norm)
        if params.batch_norm:
            layers[f"bn{n}"] = nn.BatchNorm1d(sizes[n])
        if n < 3:
            layers[f"relu{n}"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


@models.register("lenet-5-caffe")
def lenet_5_caffe(shape: Shape, classes: int, _: object = None) -> nn.Module:
    """LeNet-5-Caffe: convolutions 20 and 50 (5x5), fully connected 800-500-10: 431,080 parameters on 28x28 images."""
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
