"""MobileNet v1 has the sizes and multiplications of its paper; its depthwise layers are what their name says."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from dst_repro.errors import ConfigError
from dst_repro.methods.base import maskable
from dst_repro.records.cost import multiplications
from dst_repro.registry import models
from dst_repro.sparsity.distribution import counts, densities

SLUGS = ("mobilenet-v1", "mobilenet-v1-cifar")
CHANNELS = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)
"""Of the stem and of what each block puts out (Howard et al. 2017, Table 1)."""
STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)
DEPTHWISE = 9 * (32 + 64 + 2 * 128 + 2 * 256 + 6 * 512 + 1024)
POINTWISE = sum(inputs * out for inputs, out in itertools.pairwise(CHANNELS))


def network(slug: str, shape: tuple[int, ...] = CIFAR, classes: int = 10, **params: object) -> nn.Module:
    torch.manual_seed(0)
    entry = models[slug]
    built: nn.Module = entry.object(shape, classes, entry.params.model_validate(params))
    return built


def layers(classes: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"conv1": (32, 3, 3, 3)}
    for n, (inputs, out) in enumerate(itertools.pairwise(CHANNELS), start=1):
        found |= {f"block{n}.depthwise": (inputs, 1, 3, 3), f"block{n}.pointwise": (out, inputs, 1, 1)}
    return found | {"fc": (classes, 1024)}


def test_its_numbers_of_weights_by_hand() -> None:
    assert DEPTHWISE == 44_640
    assert POINTWISE == 3_139_584
    assert 27 * 32 + DEPTHWISE + POINTWISE == 3_185_088
    normalised = 32 + 4_960 + sum(CHANNELS[1:])  # the stem, what depthwise layers read, what blocks put out
    assert normalised == 10_944
    assert 3_185_088 + 2 * normalised == 3_206_976
    assert 3_206_976 + 1_000 * 1_025 == 4_231_976
    assert 3_206_976 + 10 * 1_025 == 3_217_226


@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("classes", [10, 100, 200, 1000])
def test_the_layers_of_mobilenet(slug: str, classes: int) -> None:
    with torch.device("meta"):
        model = network(slug, CIFAR, classes)
    found = {name: tuple(module.weight.shape) for name, module in maskable(model).items()}
    assert list(found.items()) == list(layers(classes).items())
    assert sum(map(math.prod, found.values())) == 3_185_088 + 1_024 * classes
    assert sum(p.numel() for p in model.parameters()) == 3_206_976 + 1_025 * classes
    assert sum(isinstance(module, nn.ReLU) for module in model.modules()) == 27
    groups = {name: module.groups for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    convolutions = {name: shape[0] for name, shape in layers(classes).items() if name != "fc"}
    assert groups == {name: size if "depthwise" in name else 1 for name, size in convolutions.items()}


@pytest.mark.parametrize(("slug", "shape", "stem"), [(SLUGS[0], IMAGENET, 2), (SLUGS[1], CIFAR, 1)])
def test_multiplications(slug: str, shape: tuple[int, ...], stem: int) -> None:
    """569 million on ImageNet (Howard et al. 2017, Table 4): a depthwise convolution has 9 for each number put out."""
    classes, edge = (1000, 112) if slug == "mobilenet-v1" else (10, 32)
    expected = 27 * 32 * edge**2
    for (inputs, out), stride in zip(itertools.pairwise(CHANNELS), STRIDES, strict=True):
        edge //= stride
        expected += (9 * inputs + inputs * out) * edge**2
    expected += 1024 * classes
    assert edge == shape[1] // (stem * 16)
    assert multiplications(slug, "{}", shape, classes) == expected
    assert slug != "mobilenet-v1" or round(expected / 1e6) == 569


def test_it_computes_what_it_is_said_to() -> None:
    """In evaluation, in float64: a depthwise layer filters each channel by itself."""
    model, images = network("mobilenet-v1-cifar", width=0.25).double().eval(), torch.randn(2, *CIFAR).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.bias, -0.1, 0.1)
    state = model.state_dict()

    def normal(x: torch.Tensor, name: str) -> torch.Tensor:
        mean, var, gamma, beta = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        scale = gamma / (var + 1e-5).sqrt()
        return ((x - mean.view(-1, 1, 1)) * scale.view(-1, 1, 1) + beta.view(-1, 1, 1)).clamp(min=0)

    x = normal(functional.conv2d(images, state["conv1.weight"], padding=1), "bn1")
    for n, stride in enumerate(STRIDES, start=1):
        kernels = state[f"block{n}.depthwise.weight"]
        each = [functional.conv2d(x[:, [c]], kernels[[c]], stride=stride, padding=1) for c in range(x.shape[1])]
        x = normal(torch.cat(each, 1), f"block{n}.bn1")
        mixed = torch.einsum("nchw,oc->nohw", x, state[f"block{n}.pointwise.weight"].flatten(1))
        x = normal(mixed, f"block{n}.bn2")
    assert x.shape == (2, 256, 2, 2)
    expected = x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(model(images), expected)


@pytest.mark.parametrize("slug", SLUGS)
def test_it_starts_as_torch_does(slug: str) -> None:
    """U(+-1/sqrt(fan_in)), and the fan-in of a depthwise convolution is 9."""
    for name, module in maskable(network(slug)).items():
        fan_in = 9 if "depthwise" in name else math.prod(module.weight.shape[1:])
        weight = module.weight.detach()
        assert 0.95 / math.sqrt(fan_in) < float(weight.abs().max()) <= 1 / math.sqrt(fan_in), name


def test_width_narrows_every_layer_to_no_less_than_eight() -> None:
    half = maskable(network("mobilenet-v1", width=0.5))
    assert half["conv1"].weight.shape == (16, 3, 3, 3)
    assert half["block6.depthwise"].weight.shape == (128, 1, 3, 3)
    assert half["fc"].weight.shape == (10, 512)
    narrow = maskable(network("mobilenet-v1-cifar", width=1 / 64))
    assert [m.weight.shape[0] for m in narrow.values()] == [8] * 23 + [8, 16, 16, 16, 10]


@pytest.mark.parametrize(("slug", "edge"), [("mobilenet-v1", 32), ("mobilenet-v1-cifar", 16)])
def test_the_smallest_image(slug: str, edge: int) -> None:
    with pytest.raises(
        ConfigError, match=rf"^model: {slug} needs images of at least {edge}x{edge}, not 40x{edge - 1}$"
    ):
        network(slug, (3, 40, edge - 1))
    model = network(slug, (1, edge, edge + 1), 7, width=0.1)
    assert model(torch.rand(2, 1, edge, edge + 1)).shape == (2, 7)


def test_depthwise_layers_can_be_left_dense() -> None:
    """As in the released code of RigL, which masks the 1x1 convolutions and the last layer."""
    assert list(maskable(network("mobilenet-v1", masked="pointwise"))) == [
        *(f"block{n}.pointwise" for n in range(1, 14)),
        "fc",
    ]


@pytest.mark.parametrize("density", [0.2, 0.1, 0.05])
@pytest.mark.parametrize("distribution", ["er", "erk"])
def test_erdos_renyi_densities_of_depthwise_layers(distribution: str, density: float) -> None:
    """Worked out by hand from the shapes: all 13 are dense, and so is who else would exceed 1; the others share."""
    shapes = layers(10)
    er = {name: (s[0] + s[1]) / (s[0] * s[1]) for name, s in shapes.items()}
    share = er if distribution == "er" else {name: sum(s) / math.prod(s) for name, s in shapes.items()}
    size = {name: math.prod(s) for name, s in shapes.items()}
    full: set[str] = set()
    while True:
        left = density * sum(size.values()) - sum(size[name] for name in full)
        eps = left / sum(share[name] * size[name] for name in shapes if name not in full)
        more = {name for name in shapes if name not in full and eps * share[name] > 1}
        if not more:
            break
        full |= more
    assert {f"block{n}.depthwise" for n in range(1, 14)} <= full
    found = densities(shapes, density, distribution)  # type: ignore[arg-type]
    for name in shapes:
        assert found[name] == pytest.approx(1.0 if name in full else eps * share[name])
    kept = counts(shapes, density, distribution)  # type: ignore[arg-type]
    assert sum(kept.values()) == round(density * sum(size.values()))
    assert all(abs(kept[name] - found[name] * size[name]) < 1 for name in shapes)
