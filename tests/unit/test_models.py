"""The LeNets have the published sizes."""

from __future__ import annotations

import math

import pytest
import torch

from dst_repro.errors import ConfigError
from dst_repro.methods.base import maskable
from dst_repro.registry import models

LAYERS = {
    "lenet-300-100": {"fc1": (300, 784), "fc2": (100, 300), "fc3": (10, 100)},
    "lenet-5-caffe": {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "fc1": (500, 800), "fc2": (10, 500)},
}


def network(slug: str, shape: tuple[int, ...]) -> torch.nn.Module:
    torch.manual_seed(0)
    return models[slug].object(shape, 10, models[slug].params())


@pytest.mark.parametrize(
    ("slug", "parameters", "weights"), [("lenet-300-100", 266_610, 266_200), ("lenet-5-caffe", 431_080, 430_500)]
)
def test_published_counts(slug: str, parameters: int, weights: int) -> None:
    model = network(slug, (1, 28, 28))
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert {name: tuple(m.weight.shape) for name, m in maskable(model).items()} == LAYERS[slug]
    assert sum(m.weight.numel() for m in maskable(model).values()) == weights
    assert model(torch.rand(3, 1, 28, 28)).shape == (3, 10)


@pytest.mark.parametrize("slug", LAYERS)
def test_initialisation_is_uniform_within_one_over_root_of_fan_in(slug: str) -> None:
    for name, module in maskable(network(slug, (1, 28, 28))).items():
        bound = 1 / math.sqrt(math.prod(LAYERS[slug][name][1:]))
        weight = module.weight.detach()
        assert 0.95 * bound < float(weight.abs().max()) <= bound
        assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_lenet_5_refuses_images_that_its_convolutions_use_up() -> None:
    with pytest.raises(ConfigError, match=r"^model: lenet-5-caffe needs images of at least 16x16, not 8x8$"):
        network("lenet-5-caffe", (1, 8, 8))
    assert network("lenet-5-caffe", (3, 16, 16))(torch.rand(2, 3, 16, 16)).shape == (2, 10)
