"""Where ghost skips go, what they compute, and what is left of them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.data.base import Data
from dst_repro.data.parts import Images
from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context, Method
from dst_repro.registry import models
from dst_repro.tricks.around import Place, places
from dst_repro.tricks.ghost_skips import GhostSkips, GhostSkipsParams, Identity, Projection
from tests.conftest import RunFactory

STEPS = 100
SHAPE = (3, 32, 32)


def network(slug: str, classes: int = 10, **params: Any) -> nn.Module:
    torch.manual_seed(0)
    entry = models[slug]
    built: nn.Module = entry.object(SHAPE, classes, entry.params(**params))
    return built


def data(shape: tuple[int, ...] = SHAPE) -> Data:
    part = Images(torch.zeros(2, *shape), torch.zeros(2, dtype=torch.int64))
    return Data(name="x", train=part, validation=None, test=part, classes=10, divisor=1.0, note="", sha256={})


def ghosts(tiny: RunFactory, model: nn.Module, run: str = "paper", **params: Any) -> GhostSkips:
    shape = (1, 8, 8) if isinstance(model[0], nn.Conv2d) and model[0].in_channels == 1 else SHAPE  # type: ignore[index]
    context = Context(tiny(epochs=4, fidelity=run), STEPS // 4, data(shape))
    trick = GhostSkips(GhostSkipsParams(**params), context)
    trick.before_masks(model)
    trick.begin(model, Method(None, context), [trick])
    return trick


def test_places_of_a_basic_block_and_of_a_bottleneck() -> None:
    """Each convolution with its own batch normalisation; neither the first one nor shortcuts."""
    found = places(network("resnet-8", width=0.5), SHAPE)
    blocks = [f"stage{n}.block1" for n in (1, 2, 3)]
    assert found == [Place(f"{block}.conv{n}", f"{block}.bn{n}") for block in blocks for n in (1, 2)]
    found = places(network("resnet-50-cifar", width=0.125), SHAPE)
    assert len(found) == 3 * (3 + 4 + 6 + 3)
    assert found[2] == Place("stage1.block1.conv3", "stage1.block1.bn3")


def test_places_of_other_networks() -> None:
    vgg = places(network("vgg16-linear", width=0.125), SHAPE)
    assert vgg == [Place(f"conv{n}", f"bn{n}") for n in range(2, 14)]
    mobile = places(network("mobilenet-v1-cifar", width=0.25), SHAPE)
    assert len(mobile) == 26
    assert mobile[:2] == [Place("block1.depthwise", "block1.bn1"), Place("block1.pointwise", "block1.bn2")]
    wide = places(network("wrn-16-8", width=0.125), SHAPE)  # normalisation comes before: the second has none after it
    assert wide[:2] == [Place("stage1.block1.conv1", "stage1.block1.bn2"), Place(*["stage1.block1.conv2"] * 2)]
    assert places(network("lenet-300-100"), SHAPE) == []


def test_the_network_is_left_as_it_was() -> None:
    model = network("resnet-8", width=0.5).train()
    model[1].eval()  # type: ignore[index]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    places(model, SHAPE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [name for name, module in model.named_modules() if not module.training] == ["bn1"]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_convolution_that_shrinks_its_image_otherwise_has_no_skip() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, 2, padding=1),
                          nn.ReLU(inplace=True), nn.BatchNorm2d(4))  # fmt: skip
    assert places(model, (1, 8, 8)) == [Place("2", "2")]  # what the normalisation reads is another tensor by then


def test_released_ghosts_are_those_of_the_authors_resnet_18(tiny: RunFactory) -> None:
    """12,448,420 parameters against 11,220,132 with 100 classes; all weights 1e-4; they stay."""
    model = network("resnet-18-cifar", classes=100)
    plain = sum(p.numel() for p in model.parameters())
    trick = ghosts(tiny, model, "released")
    assert plain + sum(p.numel() for p in trick.parameters()) == 12_448_420
    branch = trick.ghosts["stage2.block1.conv1"].branch
    assert isinstance(branch, Projection)
    assert (branch.conv.stride, branch.conv.kernel_size) == ((2, 2), (1, 1))
    assert bool((branch.conv.weight == 1e-4).all())
    trick.at(STEPS)
    assert trick.weight == 1
    assert trick.settled
    assert sum(p.numel() for p in model.parameters()) == plain


def test_released_ghosts_are_in_basic_blocks_alone(tiny: RunFactory) -> None:
    with pytest.raises(ConfigError, match=r"^tricks.ghost-skips: the network has no convolution in a basic block, wh"):
        ghosts(tiny, network("resnet-50-cifar", width=0.125), "released")


@pytest.mark.parametrize("training", [True, False])
def test_a_block_by_hand_in_float64(tiny: RunFactory, training: bool) -> None:
    """y = BN(conv(x)) + w BN(J(x)), as printed in the released code but for w."""
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Conv2d(3, 5, 3, 2, padding=1, bias=False), nn.BatchNorm2d(5))
    trick = ghosts(tiny, model, until=1.0)
    model.double()
    branch = trick.ghosts["1"].branch.double()
    trick.at(30)
    x = torch.randn(4, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = model.train(training)(x)

    def normalised(values: Tensor) -> Tensor:
        if not training:
            return values / math.sqrt(1 + 1e-5)
        mean, var = values.mean((0, 2, 3), keepdim=True), values.var((0, 2, 3), unbiased=False, keepdim=True)
        return (values - mean) / (var + 1e-5).sqrt()

    inner = model[0](x)
    main = functional.conv2d(inner, model[1].weight, stride=2, padding=1)
    skip = torch.einsum("bchw,oc->bohw", inner[:, :, ::2, ::2], branch.get_parameter("conv.weight")[:, :, 0, 0])
    assert torch.allclose(found, normalised(main) + 0.7 * normalised(skip), rtol=1e-10, atol=1e-12)


def test_identities_have_no_parameters() -> None:
    x = torch.arange(2 * 3 * 5 * 5.0).view(2, 3, 5, 5)
    assert torch.equal(Identity(nn.Conv2d(3, 3, 3, padding=1))(x), x)
    wider = Identity(nn.Conv2d(3, 4, 3, 2, padding=1))(x)
    assert wider.shape == (2, 4, 3, 3)
    assert float(wider[0, 0, 0, 0]) == (0 + 1 + 5 + 6) / 4
    assert float(wider[0, 0, 2, 2]) == 24  # the last pixel alone
    assert not wider[:, 3].any()
    assert torch.equal(Identity(nn.Conv2d(3, 2, 1))(x), x[:, :2])
    assert not list(Identity(nn.Conv2d(3, 4, 1)).parameters())


@pytest.mark.parametrize(
    ("params", "weights"),
    [({}, {0: 1.0, 25: 0.5, 49: 0.02, 50: 0.0, 100: 0.0, 10: 0.8}),
     ({"anneal": "cosine", "weight": 0.5, "until": 1.0}, {0: 0.5, 50: 0.25, 100: 0.0}),
     ({"until": None}, {0: 1.0, 100: 1.0})],
)  # fmt: skip
def test_the_weight_falls_to_zero_and_the_ghosts_are_gone(
    tiny: RunFactory, params: dict[str, Any], weights: dict[int, float]
) -> None:
    model = network("resnet-8", width=0.5)
    trick = ghosts(tiny, model, **params)
    for step, weight in weights.items():
        trick.at(step)
        assert trick.weight == pytest.approx(weight)
        assert trick.values() == {"skip_weight": pytest.approx(weight)}
        hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
        assert hooks == (12 if weight else 0)
        assert bool(trick.parameters()) == bool(weight)
        assert bool(trick.state_dict()) == bool(weight)


def test_a_seed_has_one_start_and_no_other_draw_is_moved(tiny: RunFactory) -> None:
    """N(0, 2 / inputs), from a stream of its own; the global generator is not touched."""
    torch.manual_seed(5)
    expected = torch.rand(1)
    model = network("resnet-18-cifar")
    torch.manual_seed(5)
    one = ghosts(tiny, model).ghosts["stage4.block2.conv2"].branch.get_parameter("conv.weight")
    assert torch.equal(torch.rand(1), expected)
    other = ghosts(tiny, network("resnet-18-cifar")).ghosts["stage4.block2.conv2"].branch.get_parameter("conv.weight")
    assert torch.equal(one, other)
    assert float(one.detach().std()) == pytest.approx(math.sqrt(2 / 512), rel=0.02)


def test_a_network_without_convolutions_is_refused(tiny: RunFactory) -> None:
    with pytest.raises(ConfigError, match=r"^tricks.ghost-skips: the network has no convolution to skip$"):
        ghosts(tiny, network("lenet-300-100"))


def test_gates_of_squeeze_and_excitation_have_no_skip(tiny: RunFactory) -> None:
    """They see one pixel, of which batch normalisation has no variance where a batch has one image."""
    model = network("efficientnet-b0", width=0.1)
    found = [place.conv for place in places(model, SHAPE)]
    assert len(found) > 30
    assert not any("squeeze" in name or ".se." in name for name in found)
    assert any("squeeze" in name or ".se." in name for name, m in model.named_modules() if isinstance(m, nn.Conv2d))
    ghosts(tiny, model)
    assert model.train()(torch.randn(1, 3, 64, 64)).shape == (1, 10)
