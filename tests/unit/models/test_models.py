"""The networks have the published sizes, start as their papers' code does, and train with what is pruned."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from dst_repro.data.base import Data, Images
from dst_repro.errors import ConfigError
from dst_repro.methods.base import maskable
from dst_repro.registry import models
from dst_repro.sparsity.distribution import counts
from dst_repro.sparsity.health import effective
from dst_repro.training.loop import Trainer
from tests.conftest import RunFactory, TrainerFactory
from tests.contract.test_methods import one_each

LAYERS: dict[str, dict[str, tuple[int, ...]]] = {
    "lenet-300-100": {"fc1": (300, 784), "fc2": (100, 300), "fc3": (10, 100)},
    "lenet-5-caffe": {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "fc1": (500, 800), "fc2": (10, 500)},
}
CHANNELS = (3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
CONVOLUTIONS = {f"conv{n}": (CHANNELS[n], CHANNELS[n - 1], 3, 3) for n in range(1, 14)}
VGG: dict[str, dict[str, tuple[int, ...]]] = {
    "vgg-16": CONVOLUTIONS | {"fc1": (512, 512), "fc2": (10, 512)},
    "vgg16-linear": CONVOLUTIONS | {"fc": (10, 512)},
    "vgg16-d": CONVOLUTIONS | {"fc1": (512, 512), "fc2": (512, 512), "fc3": (10, 512)},
}
COUNTS = {  # parameters, maskable weights; on 3x32x32 with 10 classes
    "vgg-16": (14_987_722, 14_977_728),
    "vgg16-linear": (14_724_042, 14_715_584),  # 14,770,212 and 14,761,664 with 100 classes
    "vgg16-d": (15_255_626, 15_239_872),
    "wrn-16-8": (10_961_370, 10_954_160),
    "wrn-16-10": (17_116_634, 17_107_632),
    "wrn-22-2": (1_079_642, 1_076_912),
    "wrn-22-8": (17_158_106, 17_147_312),
    "wrn-28-2": (1_467_610, 1_463_984),
    "wrn-28-8": (23_354_842, 23_340_464),
}
CIFAR = (3, 32, 32)
FANTASTIC: dict[str, tuple[tuple[int, ...], int, int, dict[str, tuple[int, ...]]]] = {  # input, classes, parameters
    "mlp-1024-512": (CIFAR, 10, 3_676_682, {"fc1": (1024, 3072), "fc2": (512, 1024), "fc3": (10, 512)}),
    "mlp-256-256": ((24,), 2, 72_449, {"fc1": (256, 24), "fc2": (256, 256), "fc3": (1, 256)}),
    "small-conv": (
        CIFAR,
        10,
        94_538,
        {"conv1": (32, 3, 3, 3), "conv2": (64, 32, 3, 3), "conv3": (128, 64, 3, 3), "fc": (10, 128)},
    ),
}


def network(slug: str, shape: tuple[int, ...], classes: int = 10, seed: int = 0, **params: Any) -> nn.Module:
    torch.manual_seed(seed)
    entry = models[slug]
    built: nn.Module = entry.object(shape, classes, entry.params(**params))
    return built


def sizes(model: nn.Module) -> tuple[int, int]:
    return (
        sum(p.numel() for p in model.parameters()),
        sum(m.weight.numel() for m in maskable(model).values()),
    )


def shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(m.weight.shape) for name, m in maskable(model).items()}


@pytest.mark.parametrize(
    ("slug", "parameters", "weights"), [("lenet-300-100", 266_610, 266_200), ("lenet-5-caffe", 431_080, 430_500)]
)
def test_published_counts(slug: str, parameters: int, weights: int) -> None:
    model = network(slug, (1, 28, 28))
    assert sizes(model) == (parameters, weights)
    assert shapes(model) == LAYERS[slug]
    assert model(torch.rand(3, 1, 28, 28)).shape == (3, 10)


def test_lenet_300_100_with_batch_normalisation_as_dsr_s_authors_have_it() -> None:
    """No biases; 2 * (300 + 100 + 10) scales and shifts, on the logits too; in evaluation by the running moments."""
    model = network("lenet-300-100", (1, 28, 28), batch_norm=True)
    assert sizes(model) == (267_020, 266_200)
    assert shapes(model) == LAYERS["lenet-300-100"]
    assert [name for name, _ in model.named_children()] == [
        *("flatten", "fc1", "bn1", "relu1", "fc2", "bn2", "relu2", "fc3", "bn3")
    ]
    check_uniform(model, LAYERS["lenet-300-100"])
    assert gammas(model)[nn.BatchNorm1d] == {1.0}
    x = torch.randn(5, 1, 28, 28)
    for trained in (True, False):
        expected, moments = x.flatten(1).double(), [x.new_zeros(0)] * 0
        for n in (1, 2, 3):
            expected = expected @ model.get_submodule(f"fc{n}").weight.double().T
            moments += [expected.mean(0), expected.var(0)]
            if trained:
                expected = (expected - expected.mean(0)) / (expected.var(0, correction=0) + 1e-5).sqrt()
            else:  # 0.9 * (0, 1) + 0.1 * (mean, variance) of the one batch
                norm = model.get_submodule(f"bn{n}")
                expected = (expected - norm.running_mean.double()) / (norm.running_var.double() + 1e-5).sqrt()
            expected = expected.clamp(min=0) if n < 3 else expected
        torch.testing.assert_close(model.train(trained)(x).double(), expected, rtol=1e-3, atol=1e-4)
        if trained:
            for n in (1, 2, 3):
                norm = model.get_submodule(f"bn{n}")
                mean, variance = moments[2 * n - 2], moments[2 * n - 1]
                torch.testing.assert_close(norm.running_mean.double(), 0.1 * mean, rtol=1e-3, atol=1e-4)
                torch.testing.assert_close(norm.running_var.double(), 0.9 + 0.1 * variance, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("fields", one_each())
def test_every_method_trains_lenet_300_100_with_batch_normalisation(
    trainer: TrainerFactory, digits: Data, fields: dict[str, Any]
) -> None:
    """Counts hold, pruned weights are zero, statistics move in training alone, and paths are counted."""
    run = trainer(**fields, model_params={"batch_norm": True})
    for _ in range(run.config.epochs):
        run.run_epoch()
    masks = run.method.masks()
    assert set(masks) == set(LAYERS["lenet-300-100"])
    assert run.method.at_target()
    state = run.method.network(run.model)
    for name, mask in masks.items():
        assert not bool(state[f"{name}.weight"][~mask].any())
        assert f"{name}.bias" not in state
    moved = state["bn3.running_var"].clone()
    assert not torch.equal(moved, torch.ones(10))
    run.evaluate(digits.test)
    assert torch.equal(run.model.get_submodule("bn3").running_var, moved)
    reached = effective(network("lenet-300-100", digits.shape, batch_norm=True), digits.shape, masks)
    plain = effective(network("lenet-300-100", digits.shape), digits.shape, masks)
    for name, mask in masks.items():
        assert not bool((reached[name] & ~mask).any())
        assert torch.equal(reached[name], plain[name])  # normalisation makes and cuts no path


def test_lenet_300_100_starts_as_ever_unless_normalised() -> None:
    """Layer after layer from one stream, weights before biases, as torch draws them."""
    model = network("lenet-300-100", (1, 28, 28), seed=3)
    torch.manual_seed(3)
    for name, (outputs, inputs) in LAYERS["lenet-300-100"].items():
        layer = nn.Linear(inputs, outputs)
        assert torch.equal(model.get_submodule(name).weight, layer.weight)
        assert torch.equal(model.get_submodule(name).bias, layer.bias)


@pytest.mark.parametrize("slug", COUNTS)
def test_published_counts_on_cifar(slug: str) -> None:
    with torch.device("meta"):
        assert sizes(network(slug, CIFAR)) == COUNTS[slug]
        more = network(slug, CIFAR, classes=100)
    inputs = list(shapes(more).values())[-1][1]  # of the last layer, which alone depends on the classes
    assert sizes(more) == (COUNTS[slug][0] + 90 * (inputs + 1), COUNTS[slug][1] + 90 * inputs)


@pytest.mark.parametrize("slug", VGG)
def test_the_layers_of_vgg_in_the_order_of_their_use(slug: str) -> None:
    with torch.device("meta"):
        assert list(shapes(network(slug, CIFAR)).items()) == list(VGG[slug].items())


def test_the_layers_of_a_wide_resnet_in_the_order_of_their_use() -> None:
    with torch.device("meta"):
        found = shapes(network("wrn-16-8", CIFAR))
    expected: dict[str, tuple[int, ...]] = {"conv1": (16, 3, 3, 3)}
    before = 16
    for stage, size in enumerate((128, 256, 512), start=1):
        expected |= {
            f"stage{stage}.block1.conv1": (size, before, 3, 3),
            f"stage{stage}.block1.conv2": (size, size, 3, 3),
            f"stage{stage}.block1.shortcut": (size, before, 1, 1),
            f"stage{stage}.block2.conv1": (size, size, 3, 3),
            f"stage{stage}.block2.conv2": (size, size, 3, 3),
        }
        before = size
    assert list(found.items()) == [*expected.items(), ("fc", (10, 512))]


@pytest.mark.parametrize("slug", FANTASTIC)
def test_the_small_networks_of_fantastic_weights(slug: str) -> None:
    shape, classes, parameters, layers = FANTASTIC[slug]
    model = network(slug, shape, classes)
    assert list(shapes(model).items()) == list(layers.items())
    assert sum(math.prod(size) + size[0] for size in layers.values()) == sizes(model)[0] == parameters
    assert model(torch.rand(3, *shape)).shape == (3, classes)
    check_uniform(model, layers)


def test_two_classes_share_an_output_whose_cross_entropy_is_binary() -> None:
    model, rows, labels = network("mlp-256-256", (24,), 2).double(), torch.randn(50, 24).double(), torch.arange(50) % 2
    logits = model(rows)
    odds = model[:-1](rows).squeeze(1)
    expected = functional.binary_cross_entropy_with_logits(odds, labels.double())
    torch.testing.assert_close(functional.cross_entropy(logits, labels), expected)
    assert torch.equal(logits.argmax(1), (odds > 0).long())
    assert network("mlp-256-256", (24,), 3)(torch.rand(2, 24)).shape == (2, 3)


def test_dropout_of_the_fully_connected_networks_is_before_each_layer() -> None:
    model = network("mlp-1024-512", CIFAR, dropout=0.05)
    names = [name for name, _ in model.named_children()]
    assert names == ["flatten", "dropout1", "fc1", "relu1", "dropout2", "fc2", "relu2", "dropout3", "fc3"]
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.05}
    assert sizes(model) == (3_676_682, 3_675_136)


def test_the_small_convolutional_network_computes_what_it_is_said_to() -> None:
    model, images = network("small-conv", CIFAR).double(), torch.randn(2, *CIFAR).double()
    weights = model.state_dict()
    x = images
    for n in (1, 2, 3):
        x = functional.conv2d(x, weights[f"conv{n}.weight"], weights[f"conv{n}.bias"]).relu()
        x = functional.max_pool2d(x, 2) if n < 3 else x.mean((2, 3))
    torch.testing.assert_close(model(images), x @ weights["fc.weight"].T + weights["fc.bias"])


@pytest.mark.parametrize("slug", LAYERS)
def test_initialisation_is_uniform_within_one_over_root_of_fan_in(slug: str) -> None:
    check_uniform(network(slug, (1, 28, 28)), LAYERS[slug])


def check_uniform(model: nn.Module, layers: dict[str, tuple[int, ...]]) -> None:
    for name, module in maskable(model).items():
        bound = 1 / math.sqrt(math.prod(layers[name][1:]))
        weight = module.weight.detach()
        assert 0.95 * bound < float(weight.abs().max()) <= bound
        assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)


def gammas(model: nn.Module) -> dict[type[nn.Module], set[float]]:
    return {
        kind: {g for m in model.modules() if isinstance(m, kind) for g in m.get_parameter("weight").tolist()}
        for kind in (nn.BatchNorm1d, nn.BatchNorm2d)
    }


@pytest.mark.parametrize("slug", ["vgg-16", "vgg16-linear", "wrn-16-8"])
def test_initialisation_of_the_released_networks(slug: str) -> None:
    model = network(slug, CIFAR)
    for name, module in maskable(model).items():
        weight = module.weight.detach()
        if isinstance(module, nn.Conv2d):
            std = math.sqrt(2 / (module.kernel_size[0] * module.kernel_size[1] * module.out_channels))
            assert float(weight.abs().max()) > 2.5 * std, "normal, not uniform"
        else:
            std = 1 / math.sqrt(3 * 512) if slug == "wrn-16-8" else 0.01
        assert float(weight.std()) == pytest.approx(std, rel=0.1), name
        assert module.bias is None or not module.bias.any()
    gamma = {0.5} if slug == "vgg-16" else {1.0}
    assert gammas(model) == {nn.BatchNorm1d: {1.0} if slug == "vgg-16" else set(), nn.BatchNorm2d: gamma}


def test_vgg_d_starts_as_torch_does() -> None:
    model = network("vgg16-d", CIFAR)
    check_uniform(model, VGG["vgg16-d"])
    assert gammas(model) == {nn.BatchNorm1d: {1.0}, nn.BatchNorm2d: {1.0}}


def test_width_narrows_every_layer_to_no_less_than_eight() -> None:
    assert {shape[0] for shape in shapes(network("vgg-16", CIFAR, width=0.01)).values()} == {8, 10}
    half = shapes(network("vgg-16", CIFAR, width=0.5))
    assert (half["conv1"], half["conv13"], half["fc1"]) == ((32, 3, 3, 3), (256, 256, 3, 3), (256, 256))
    narrow = network("wrn-16-8", CIFAR, width=0.25)
    assert shapes(narrow)["conv1"] == (8, 3, 3, 3)
    assert shapes(narrow)["stage3.block2.conv2"] == (128, 128, 3, 3)
    tiny = network("wrn-16-8", CIFAR, width=0.01)  # the stages differ in their resolution alone
    assert [name for name in shapes(tiny) if "shortcut" in name] == ["stage2.block1.shortcut", "stage3.block1.shortcut"]
    assert tiny(torch.rand(2, *CIFAR)).shape == (2, 10)


def test_dropout_of_wide_resnets_acts_in_training_alone() -> None:
    model, images = network("wrn-22-2", CIFAR, width=0.5, dropout=0.3), torch.rand(2, *CIFAR)
    assert sum(isinstance(m, nn.Dropout) for m in model.modules()) == 9
    assert not any(isinstance(m, nn.Dropout) for m in network("wrn-22-2", CIFAR).modules())
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))


def test_lenet_5_refuses_images_that_its_convolutions_use_up() -> None:
    with pytest.raises(ConfigError, match=r"^model: lenet-5-caffe needs images of at least 16x16, not 8x8$"):
        network("lenet-5-caffe", (1, 8, 8))
    assert network("lenet-5-caffe", (3, 16, 16))(torch.rand(2, 3, 16, 16)).shape == (2, 10)


@pytest.mark.parametrize(
    ("slug", "edge"), [("vgg-16", 32), ("vgg16-d", 32), ("vgg16-linear", 16), ("wrn-22-2", 4), ("small-conv", 18)]
)
def test_the_smallest_image_of_each_family(slug: str, edge: int) -> None:
    message = rf"^model: {slug} needs images of at least {edge}x{edge}, not 40x{edge - 1}$"
    with pytest.raises(ConfigError, match=message):
        network(slug, (3, 40, edge - 1))
    for shape in ((1, edge, edge), (3, 2 * edge, edge + 1)):
        assert network(slug, shape, classes=7, width=0.1)(torch.rand(2, *shape)).shape == (2, 7)


def noise(n: int) -> Data:
    """Random images in the shape of CIFAR-10."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(256, (n, *CIFAR), generator=rng, dtype=torch.uint8)
    part = Images(images, torch.arange(n) % 10)
    return Data("noise", part, None, part.take(torch.arange(2)), 10, 255.0, "", {})


@pytest.mark.parametrize("slug", ["vgg-16", "wrn-16-8"])
def test_a_step_with_dst_counts_every_weight(slug: str, tiny: RunFactory) -> None:
    config = tiny("dst", model=slug, method_params={"alpha": 1e-3}, epochs=1, batch_size=2, learning_rate=0.01)
    trainer = Trainer(config, noise(2), torch.device("cpu"))
    trainer.run_epoch()
    layers = trainer.method.layers()
    assert list(layers) == list(maskable(trainer.model))
    assert sum(layer.numel for layer in layers.values()) == COUNTS[slug][1]
    assert 0 < trainer.epochs[0][0].density < 1
    thresholds = sum(m.threshold.numel() for m in trainer.model.modules() if hasattr(m, "threshold"))
    assert thresholds == {"vgg-16": 4_746, "wrn-16-8": 4_506}[slug]


@pytest.mark.parametrize("slug", ["vgg-16", "wrn-16-8"])
def test_an_update_of_rigl_keeps_exact_counts(slug: str, tiny: RunFactory) -> None:
    params = {"update_period": 1, "update_end": 1.0}
    config = tiny("rigl", model=slug, density=0.1, method_params=params, epochs=1, batch_size=2)
    trainer = Trainer(config, noise(4), torch.device("cpu"))
    before = trainer.method.masks()
    trainer.run_epoch()  # a step of the optimiser, then an update of the masks
    after = trainer.method.masks()
    kept = counts({name: tuple(mask.shape) for name, mask in before.items()}, 0.1, "erk")
    assert {name: int(mask.sum()) for name, mask in after.items()} == kept
    assert sum(kept.values()) == round(0.1 * COUNTS[slug][1])
    sparse = [name for name in before if not before[name].all()]
    assert len(sparse) >= 10
    assert not any(torch.equal(before[name], after[name]) for name in sparse)
