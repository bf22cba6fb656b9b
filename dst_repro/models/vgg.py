"""VGG-16 for 32x32 images, in the three forms that the sparse training literature calls by that name."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from dst_repro.models.base import Shape, WidthParams, image, scaled
from dst_repro.registry import models

STAGES = (
    (64, 64),
    (128, 128),
    (256, 256, 256),
    (512, 512, 512),
    (512, 512, 512),
)  # each ends in a pooling that halves the image
HIDDEN = 512  # units of the fully connected layers


def _features(channels: int, width: float, bias: bool) -> OrderedDict[str, nn.Module]:
    """Thirteen 3x3 convolutions, each with batch normalisation and ReLU, and all poolings but the last."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for stage, sizes in enumerate(STAGES, start=1):
        for place, size in enumerate(sizes, start=1):
            n = sum(map(len, STAGES[: stage - 1])) + place
            out = scaled(size, width)
            layers[f"conv{n}"] = nn.Conv2d(channels, out, 3, padding=1, bias=bias)
            layers[f"bn{n}"] = nn.BatchNorm2d(out)
            if place == len(sizes) and stage < len(STAGES):
                layers[f"pool{stage}"] = nn.MaxPool2d(2)  # before ReLU: the same numbers at a quarter of the work
            layers[f"relu{n}"] = nn.ReLU(inplace=True)
            channels = out
    return layers


def _inputs_of_fc1(slug: str, shape: Shape, width: float) -> int:
    """Numbers that are left of an image after five halvings."""
    halvings = len(STAGES)
    _, height, image_width = image(slug, shape, 2**halvings)
    return scaled(STAGES[-1][-1], width) * (height >> halvings) * (image_width >> halvings)


def _initialise(network: nn.Module, gamma: float) -> None:
    """Convolutions N(0, 2 / (9 * channels out)), linear layers N(0, 0.01^2), biases 0, `gamma` after convolutions."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, gamma)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)


@models.register("vgg-16", WidthParams)
def vgg_16(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """VGG-16: two fully connected layers, 14,987,722 parameters on 3x32x32, 14,977,728 of them weights.

    Dynamic Sparse Training's VGG-16 (Liu et al. 2020), SNIP's VGG-like (Lee et al. 2019): no bias in convolutions, four
    max-poolings and an average, batch normalisation before the hidden layer's ReLU. It starts as the dense network of
    the released DST code does. That code starts the masked layers of its sparse one from U(+-1/sqrt(fan_in)) instead,
    biases too: there, dense and sparse training don't begin at the same point.
    """
    hidden = scaled(HIDDEN, params.width)
    inputs = _inputs_of_fc1("vgg-16", shape, params.width)
    layers = _features(shape[0], params.width, bias=False)
    layers["pool5"] = nn.AvgPool2d(2)
    layers["flatten"] = nn.Flatten()
    layers["fc1"] = nn.Linear(inputs, hidden)
    layers["fc1_bn"] = nn.BatchNorm1d(hidden)
    layers["fc1_relu"] = nn.ReLU(inplace=True)
    layers["fc2"] = nn.Linear(hidden, classes)
    network = nn.Sequential(layers)
    _initialise(network, gamma=0.5)
    return network


@models.register("vgg16-d", WidthParams)
def vgg16_d(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """VGG-16 D: three fully connected layers, 15,255,626 parameters on 3x32x32, 15,239,872 of them weights.

    As the released code of Sparse Momentum has it (Dettmers and Zettlemoyer 2019), after SNIP's VGG-D: convolutions
    with bias, five max-poolings, batch normalisation after the hidden layers' ReLU, and torch's default initialisation.
    """
    hidden = scaled(HIDDEN, params.width)
    inputs = _inputs_of_fc1("vgg16-d", shape, params.width)
    layers = _features(shape[0], params.width, bias=True)
    layers["pool5"] = nn.MaxPool2d(2)
    layers["flatten"] = nn.Flatten()
    for n in (1, 2):
        layers[f"fc{n}"] = nn.Linear(inputs if n == 1 else hidden, hidden)
        layers[f"fc{n}_relu"] = nn.ReLU(inplace=True)
        layers[f"fc{n}_bn"] = nn.BatchNorm1d(hidden)
    layers["fc3"] = nn.Linear(hidden, classes)
    return nn.Sequential(layers)


@models.register("vgg16-linear", WidthParams)
def vgg16_linear(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """VGG-16 (linear): one fully connected layer, 14,770,212 parameters on 3x32x32 with 100 classes.

    14,761,664 of them are weights. As the released code of Fantastic Weights has it (Nowak et al. 2023), after GraSP's:
    no bias in convolutions, four max-poolings, then the average over all pixels, whatever the size of the image.
    The mask generators of ToST (Jaiswal et al. 2022) have the same network and start, but with biases in convolutions,
    4,224 more parameters, which batch normalisation cancels.
    """
    channels, _, _ = image("vgg16-linear", shape, 2 ** (len(STAGES) - 1))
    layers = _features(channels, params.width, bias=False)
    layers["pool5"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["fc"] = nn.Linear(scaled(STAGES[-1][-1], params.width), classes)
    network = nn.Sequential(layers)
    _initialise(network, gamma=1.0)
    return network
