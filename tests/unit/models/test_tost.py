"""The networks of ToST: parameters and weights on 3x32x32 and 3x64x64, with 10, 100 and 200 classes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dst_repro.methods.base import maskable
from dst_repro.registry import models

NETWORKS: dict[str, tuple[int, int, tuple[int, int, int]]] = {
    # weights of the convolutions, inputs of the last layer, parameters with 10, 100 and 200 classes
    "resnet-18-cifar": (11_159_232, 512, (11_173_962, 11_220_132, 11_271_432)),
    "resnet-50-cifar": (23_447_232, 2_048, (23_520_842, 23_705_252, 23_910_152)),
    "resnet-32": (463_792, 64, (466_906, 472_756, 479_256)),
    "resnet-104": (1_585_072, 256, (1_611_418, 1_634_548, 1_660_248)),
    "resnet-32-double": (1_854_304, 128, (1_860_522, 1_872_132, 1_885_032)),  # GraSP's
    # that of ToST's mask generators but for the biases of its convolutions, which batch normalisation cancels
    "vgg16-linear": (14_710_464, 512, (14_724_042, 14_770_212, 14_821_512)),
    # which MobileNet the paper has is not known
    "mobilenet-v1-cifar": (3_185_088, 1_024, (3_217_226, 3_309_476, 3_411_976)),
    "mobilenet-v1": (3_185_088, 1_024, (3_217_226, 3_309_476, 3_411_976)),
    "resnet-8": (76_720, 64, (78_042, 83_892, 90_392)),  # for reduced runs
}


@pytest.mark.parametrize("edge", [32, 64])
@pytest.mark.parametrize("slug", NETWORKS)
def test_parameters_and_weights(slug: str, edge: int) -> None:
    """No number depends on the size of the image: the last pooling averages over all pixels."""
    convolutions, inputs, parameters = NETWORKS[slug]
    entry = models[slug]
    for classes, expected in zip((10, 100, 200), parameters, strict=True):
        with torch.device("meta"):
            model: nn.Module = entry.object((3, edge, edge), classes, entry.params())
            assert model.eval()(torch.empty(2, 3, edge, edge)).shape == (2, classes)
        assert sum(p.numel() for p in model.parameters()) == expected
        weights = {name: module.weight.numel() for name, module in maskable(model).items()}
        assert weights.pop("fc") == classes * inputs
        assert sum(weights.values()) == convolutions


def test_the_networks_by_hand() -> None:
    """ResNet-8 layer by layer; of the others, what their classes add."""
    stem, shortcuts = 27 * 16, 16 * 32 + 32 * 64
    blocks = 9 * (2 * 16 * 16 + 16 * 32 + 32 * 32 + 32 * 64 + 64 * 64)
    normalised = 16 + 2 * 16 + 3 * 32 + 3 * 64
    assert stem + blocks + shortcuts == NETWORKS["resnet-8"][0]
    assert NETWORKS["resnet-8"][2][0] == stem + blocks + shortcuts + 2 * normalised + 650
    for _, inputs, (ten, hundred, two_hundred) in NETWORKS.values():
        assert (hundred - ten, two_hundred - hundred) == (90 * (inputs + 1), 100 * (inputs + 1))


def test_resnet_8_at_half_width_is_of_width_eight() -> None:
    entry = models["resnet-8"]
    model: nn.Module = entry.object((3, 32, 32), 10, entry.params(width=0.5))
    found = {name: tuple(module.weight.shape) for name, module in maskable(model).items()}
    assert found == {
        "conv1": (8, 3, 3, 3),
        "stage1.block1.conv1": (8, 8, 3, 3),
        "stage1.block1.conv2": (8, 8, 3, 3),
        "stage2.block1.conv1": (16, 8, 3, 3),
        "stage2.block1.conv2": (16, 16, 3, 3),
        "stage2.block1.downsample.conv": (16, 8, 1, 1),
        "stage3.block1.conv1": (32, 16, 3, 3),
        "stage3.block1.conv2": (32, 32, 3, 3),
        "stage3.block1.downsample.conv": (32, 16, 1, 1),
        "fc": (10, 32),
    }
    weights = 216 + 2 * 576 + (1_152 + 2_304 + 128) + (4_608 + 9_216 + 512) + 320
    assert weights == sum(module.weight.numel() for module in maskable(model).values()) == 19_608
    normalised = 8 + 2 * 8 + 3 * 16 + 3 * 32
    assert sum(p.numel() for p in model.parameters()) == weights + 2 * normalised + 10 == 19_954
