"""Effective weights: worked out by hand, searched for by brute force, and all of them in dense networks."""

from __future__ import annotations

import itertools
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from dst_repro.methods.base import maskable
from dst_repro.models.lstm import LSTM
from dst_repro.registry import Entry, models
from dst_repro.sparsity.health import collapsed, effective
from tests.paths import on_a_path

Masks = dict[str, Tensor]


def sequential(**layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(layers))


def mlp(*sizes: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for n, (inputs, outputs) in enumerate(itertools.pairwise(sizes), start=1):
        layers |= {f"fc{n}": nn.Linear(inputs, outputs), f"relu{n}": nn.ReLU(inplace=True)}
    layers.popitem()
    return nn.Sequential(layers)


def dense(network: nn.Module) -> Masks:
    return {name: torch.ones_like(m.weight, dtype=torch.bool) for name, m in maskable(network).items()}


def mask(rows: list[list[int]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.bool)


def test_dead_ends_and_neurons_that_nothing_reaches() -> None:
    """2-3-2-1: hidden 1 has no input, hidden 2 no output; of the second layer, unit 1 leads nowhere."""
    masks = {
        "fc1": mask([[1, 0], [0, 0], [1, 1]]),
        "fc2": mask([[1, 1, 0], [0, 1, 0]]),
        "fc3": mask([[1, 1]]),
    }
    found = effective(mlp(2, 3, 2, 1), (2,), masks)
    assert found["fc1"].tolist() == mask([[1, 0], [0, 0], [0, 0]]).tolist()
    assert found["fc2"].tolist() == mask([[1, 0, 0], [0, 0, 0]]).tolist()
    assert found["fc3"].tolist() == mask([[1, 0]]).tolist()
    assert collapsed(masks, found) == []


def test_an_emptied_layer_cuts_all_layers_of_a_chain() -> None:
    masks = {"fc1": mask([[1, 1], [1, 1]]), "fc2": mask([[0, 0], [0, 0]]), "fc3": mask([[1, 1]])}
    found = effective(mlp(2, 2, 2, 1), (2,), masks)
    assert sum(int(m.sum()) for m in found.values()) == 0
    assert collapsed(masks, found) == ["fc1", "fc2", "fc3"]


def searched(masks: list[Tensor]) -> list[Tensor]:
    """Kept weights of a chain of linear layers on a path, each path from input to output walked on its own."""
    found = [torch.zeros_like(m) for m in masks]

    def walk(depth: int, unit: int, path: list[tuple[int, int]]) -> None:
        if depth == len(masks):
            for layer, edge in enumerate(path):
                found[layer][edge] = True
            return
        for target in range(len(masks[depth])):
            if masks[depth][target, unit]:
                walk(depth + 1, target, [*path, (target, unit)])

    for unit in range(masks[0].shape[1]):
        walk(0, unit, [])
    return found


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("density", [0.2, 0.35, 0.6])
def test_agrees_with_walking_every_path(seed: int, density: float) -> None:
    sizes, rng = (4, 5, 3, 5, 2), torch.Generator().manual_seed(seed)
    network = mlp(*sizes)
    masks = {n: torch.rand(m.weight.shape, generator=rng) < density for n, m in maskable(network).items()}
    found = effective(network, (4,), masks)
    assert all(torch.equal(a, b) for a, b in zip(found.values(), searched(list(masks.values())), strict=True))


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("bias", [-5.0, 0.0, 5.0])
def test_weights_and_biases_change_nothing(sign: float, bias: float) -> None:
    network = mlp(2, 2, 1)
    for parameter in network.parameters():
        nn.init.constant_(parameter, sign if parameter.dim() > 1 else bias)
    masks = {"fc1": mask([[1, 0], [0, 0]]), "fc2": mask([[1, 1]])}
    found = effective(network, (2,), masks)
    assert found["fc1"].tolist() == mask([[1, 0], [0, 0]]).tolist()
    assert found["fc2"].tolist() == mask([[1, 0]]).tolist()


def test_every_pixel_of_a_pooling_counts() -> None:
    """4x4, kernel 2x2 with stride 2, pooled to one number: no maximum is preferred. Channel 1 leads nowhere."""
    network = sequential(
        conv=nn.Conv2d(1, 2, 2, 2), bn=nn.BatchNorm2d(2), pool=nn.MaxPool2d(2), flat=nn.Flatten(), fc=nn.Linear(2, 1)
    )
    masks = {"conv": torch.ones(2, 1, 2, 2, dtype=torch.bool), "fc": mask([[1, 0]])}
    masks["conv"][0, 0, 0, 1] = False
    found = effective(network, (1, 4, 4), masks)
    assert found["conv"][0, 0].tolist() == mask([[1, 0], [1, 1]]).tolist()
    assert not found["conv"][1].any()
    assert torch.equal(found["fc"], masks["fc"])


def test_each_pixel_is_a_neuron_of_its_own() -> None:
    """1x2, kernel 1x3 with padding: of each row of fc, only what reads the pixel that the kernel's one tap fills."""
    network = sequential(conv=nn.Conv2d(1, 1, (1, 3), padding=(0, 1)), flat=nn.Flatten(), fc=nn.Linear(2, 2))
    masks = {"conv": torch.tensor([[[[1, 0, 0]]]], dtype=torch.bool), "fc": mask([[1, 1], [1, 0]])}
    found = effective(network, (1, 1, 2), masks)  # the tap on the left fills the right pixel alone
    assert found["fc"].tolist() == mask([[0, 1], [0, 0]]).tolist()
    assert torch.equal(found["conv"], masks["conv"])


def test_a_kernel_on_one_pixel_has_its_centre_alone() -> None:
    network = sequential(conv=nn.Conv2d(1, 2, 3, padding=1), flat=nn.Flatten(), fc=nn.Linear(2, 1))
    found = effective(network, (1, 1, 1), dense(network))
    centre = mask([[0, 0, 0], [0, 1, 0], [0, 0, 0]])
    assert torch.equal(found["conv"], centre.expand(2, 1, 3, 3))
    assert found["fc"].all()


def test_a_group_reads_its_own_channels_alone() -> None:
    """4 channels in two groups, one pixel, 1x1 kernels. Group 1 (units 0, 1) reads channels 0, 1, group 2 the others.

    Of the depthwise layer channels 0 and 3 are kept; grouped unit 0 reads 0 and 1, unit 2 reads 2 alone, unit 3 reads 3
    alone; the last layer reads units 0, 1 and 2: what is left is 0 to 0 to the end.
    """
    network = sequential(
        depthwise=nn.Conv2d(4, 4, 1, groups=4),
        grouped=nn.Conv2d(4, 4, 1, groups=2),
        flat=nn.Flatten(),
        fc=nn.Linear(4, 1),
    )
    rows = {"depthwise": [[1], [0], [0], [1]], "grouped": [[1, 1], [0, 0], [1, 0], [0, 1]]}
    masks = {name: mask(kept)[..., None, None] for name, kept in rows.items()} | {"fc": mask([[1, 1, 1, 0]])}
    found = effective(network, (4, 1, 1), masks)
    assert found["depthwise"].flatten(1).tolist() == mask([[1], [0], [0], [0]]).tolist()
    assert found["grouped"].flatten(1).tolist() == mask([[1, 0], [0, 0], [0, 0], [0, 0]]).tolist()
    assert found["fc"].tolist() == mask([[1, 0, 0, 0]]).tolist()


def grouped() -> nn.Sequential:
    """Depthwise, in two groups, with two filters a channel, with stride and without padding, and not square."""
    return sequential(
        conv1=nn.Conv2d(2, 4, 3, padding=1, bias=False),
        bn1=nn.BatchNorm2d(4),
        relu1=nn.ReLU(inplace=True),
        depthwise=nn.Conv2d(4, 4, 3, 2, padding=1, groups=4),
        pairs=nn.Conv2d(4, 6, (2, 3), padding=(0, 1), groups=2),
        relu2=nn.ReLU(inplace=True),
        twice=nn.Conv2d(6, 12, 2, (1, 2), groups=6),
        pointwise=nn.Conv2d(12, 3, 1),
        flat=nn.Flatten(),
        fc=nn.Linear(6, 2),
    )


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("density", [0.15, 0.3, 0.6])
def test_grouped_convolutions_agree_with_a_search(seed: int, density: float) -> None:
    shape, rng, network = (2, 5, 7), torch.Generator().manual_seed(seed), grouped()
    masks = {n: torch.rand(m.weight.shape, generator=rng) < density for n, m in maskable(network).items()}
    expected = on_a_path(network, shape, masks)
    found = effective(network, shape, masks)
    assert {name: kept.nonzero().tolist() for name, kept in found.items()} == expected


def test_a_search_of_linear_layers_agrees_with_walking_every_path() -> None:
    for seed in range(20):
        network, rng = mlp(4, 5, 3, 5, 2), torch.Generator().manual_seed(seed)
        masks = {n: torch.rand(m.weight.shape, generator=rng) < 0.4 for n, m in maskable(network).items()}
        walked = [kept.nonzero().tolist() for kept in searched(list(masks.values()))]
        assert list(on_a_path(network, (4,), masks).values()) == walked


def narrow(entry: Entry, shape: tuple[int, ...]) -> nn.Module:
    """A tenth as wide if it can be narrowed."""
    params: dict[str, float] = {"width": 0.1} if "width" in entry.params.model_fields else {}
    built: nn.Module = entry.object(shape, 10, entry.params.model_validate(params))
    return built


def resnet(slug: str = "resnet-18-cifar") -> tuple[nn.Module, Masks, tuple[int, ...]]:
    shape = (3, 16, 16)
    network = narrow(models[slug], shape)
    return network, dense(network), shape


def test_a_cut_branch_leaves_the_shortcut() -> None:
    network, masks, shape = resnet()
    masks["stage2.block2.conv1"][:] = False
    found = effective(network, shape, masks)
    assert collapsed(masks, found) == ["stage2.block2.conv1", "stage2.block2.conv2"]
    others = [name for name in masks if not name.startswith("stage2.block2")]
    assert all(found[name].all() for name in others)


def test_a_cut_shortcut_leaves_the_branch_and_cutting_both_leaves_nothing() -> None:
    network, masks, shape = resnet()
    masks["stage2.block1.downsample.conv"][:] = False
    found = effective(network, shape, masks)
    assert collapsed(masks, found) == ["stage2.block1.downsample.conv"]
    network, _, _ = resnet()
    masks["stage2.block1.conv2"][:] = False
    found = effective(network, shape, masks)
    assert collapsed(masks, found) == list(masks)


def test_a_deep_sparse_network_keeps_its_only_path() -> None:
    """resnet-104 with one weight a layer, all from channel 0 to channel 0: each of 158 layers is on a path."""
    network, masks, shape = resnet("resnet-104")
    for layer in masks.values():
        layer[:] = False
        layer[(0, 0, *(size // 2 for size in layer.shape[2:]))] = True
    found = effective(network, shape, masks)
    assert len(masks) == 158
    assert all(torch.equal(found[name], masks[name]) for name in masks)


def test_squeeze_and_excitation() -> None:
    """Without its gate a channel still passes; a gate on a channel that nothing reaches is on no path."""
    network = narrow(models["efficientnet-b0"], (3, 32, 32))
    block, masks = "stage2.block2", dense(network)
    masks[f"{block}.squeeze.fc1"][:] = False
    masks[f"{block}.depthwise.conv"][0] = False
    masks["stage1.block1.depthwise.conv"][0] = False
    found = effective(network, (3, 32, 32), masks)
    assert collapsed(masks, found) == [f"{block}.squeeze.fc1", f"{block}.squeeze.fc2"]
    assert found[f"{block}.project.conv"][:, 1:].all()
    assert not found[f"{block}.project.conv"][:, 0].any()
    assert not found[f"{block}.expand.conv"][0].any()
    assert not found["stage1.block1.squeeze.fc1"][:, 0].any()
    assert not found["stage1.block1.squeeze.fc2"][0].any()
    assert found["stage1.block1.squeeze.fc2"][1:].all()


def gates(*units: int, of: int = 3) -> list[bool]:
    """The rows of the given units in a stack of four gates."""
    return [row % of in units for row in range(4 * of)]


def test_lstm_units() -> None:
    """Unit 1 of the first layer has no candidate: its gates multiply zero, and nothing reads it with effect."""
    network = LSTM(2, 3, 2)
    masks = dense(network)
    for layer in ("lstm1.input", "lstm1.hidden"):
        masks[layer][2 * 3 + 1] = False
    found = effective(network, (1, 4, 2), masks)
    assert found["lstm1.input"].all(1).tolist() == gates(0, 2)
    assert found["lstm1.input"].any(1).tolist() == gates(0, 2)
    assert found["lstm1.hidden"].all(0).tolist() == [False] * 3  # rows of unit 1
    assert found["lstm1.hidden"].any(0).tolist() == [True, False, True]
    assert found["lstm2.input"].any(0).tolist() == [True, False, True]
    assert found["lstm2.hidden"].all()


def test_a_cut_lstm_is_collapsed() -> None:
    network = LSTM(2, 3, 2, carried=1)
    masks = dense(network)
    masks["lstm1.input"][6:9] = False  # the candidates: what remains are gates of nothing
    masks["lstm1.hidden"][6:9] = False
    assert collapsed(masks, effective(network, (1, 4, 2), masks)) == list(masks)


def test_one_step_of_an_lstm_has_no_past() -> None:
    network = LSTM(2, 3, 2)
    masks = dense(network)
    found = effective(network, (1, 1, 2), masks)
    assert collapsed(masks, found) == ["lstm1.hidden", "lstm2.hidden"]
    assert found["lstm2.input"].any(1).tolist() == [True] * 3 + [False] * 3 + [True] * 6  # forget gates


def test_layers_without_a_mask_are_dense() -> None:
    found = effective(mlp(2, 2, 1), (2,), {"fc1": mask([[1, 0], [1, 1]])})
    assert list(found) == ["fc1"]
    assert found["fc1"].tolist() == mask([[1, 0], [1, 1]]).tolist()


INPUTS = {
    "mlp-256-256": (24,),
    "efficientnet-b0": (3, 96, 96),
    "resnet-50": (3, 64, 64),
    "mobilenet-v1": (3, 64, 64),
    "vgg-16": (3, 32, 32),
}


@pytest.mark.parametrize("entry", [pytest.param(e, id=s) for s, e in sorted(models.discover().items())])
def test_a_dense_network_is_effective(entry: Entry) -> None:
    """On images large enough that no kernel of the last layers has a tap that only ever meets padding."""
    shape = INPUTS.get(entry.slug, (1, 28, 28) if entry.slug.startswith(("lenet", "lstm")) else (3, 32, 32))
    network = narrow(entry, shape)
    masks = dense(network)
    found = effective(network, shape, masks)
    assert collapsed(masks, found) == []
    assert {name: int((~m).sum()) for name, m in found.items() if not m.all()} == {}
