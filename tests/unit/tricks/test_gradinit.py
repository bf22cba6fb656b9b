"""GradInit, in double precision, against finite differences and a straightforward implementation of its own."""

from __future__ import annotations

import gc
import itertools
import math
import weakref
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.models.lstm import LSTM
from dst_repro.seeding import generator
from dst_repro.tricks.gradinit import Settings, learn_scales, slopes

Batch = tuple[Tensor, Tensor]
Point = dict[str, Tensor]
NEVER, ALWAYS = 1e9, 1e-9
"""Values of gamma with which the norm of the gradient is never, and always, what is minimised."""


def batches(size: int = 4, shape: tuple[int, ...] = (2, 5, 5), classes: int = 3) -> Iterator[Batch]:
    rng = generator(0, "batches")
    while True:
        images = torch.randn(size, *shape, generator=rng, dtype=torch.float64)
        yield images, torch.randint(classes, (size,), generator=rng)


def small_net(**before_fc: nn.Module) -> nn.Sequential:
    """Two convolutions, of which the second is normalised, and a linear layer; none of seven tensors is zero."""
    layers = OrderedDict(
        conv1=nn.Conv2d(2, 3, 3),
        act1=nn.Tanh(),
        conv2=nn.Conv2d(3, 4, 2, bias=False),
        bn=nn.BatchNorm2d(4),
        act2=nn.Softplus(),
        flatten=nn.Flatten(),
        **before_fc,
        fc=nn.Linear(16, 3),
    )
    return drawn(nn.Sequential(layers))


@torch.no_grad()
def drawn(network: nn.Sequential, spread: float = 0.4) -> nn.Sequential:
    rng = generator(1, "weights")
    network.double()
    for parameter in network.parameters():
        parameter.copy_(spread * torch.randn(parameter.shape, generator=rng, dtype=torch.float64))
    return network


def point_of(network: nn.Module) -> Point:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


def reference_logits(t: Point, images: Tensor) -> Tensor:
    """`small_net`, worked out from sums: each convolution is a loop over places, batch normalisation by the batch."""

    def convolved(x: Tensor, weight: Tensor) -> Tensor:
        k = weight.shape[-1]
        places = range(x.shape[-1] - k + 1)
        rows = [
            torch.stack([torch.einsum("nchw,ochw->no", x[..., i : i + k, j : j + k], weight) for j in places], -1)
            for i in places
        ]
        return torch.stack(rows, -2)

    x = torch.tanh(convolved(images, t["conv1.weight"]) + t["conv1.bias"][:, None, None])
    x = convolved(x, t["conv2.weight"])
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
    x = (x - mean) / (variance + 1e-5).sqrt() * t["bn.weight"][:, None, None] + t["bn.bias"][:, None, None]
    x = torch.log1p(torch.exp(x)).flatten(1)
    return x @ t["fc.weight"].T + t["fc.bias"]


def reference_loss(t: Point, images: Tensor, labels: Tensor) -> Tensor:
    logits = reference_logits(t, images)
    return -(logits - logits.exp().sum(1, keepdim=True).log())[torch.arange(len(labels)), labels].mean()


def reference_gradient(t: Point, batch: Batch, masks: Point, graph: bool = False) -> tuple[list[Tensor], Tensor]:
    """(gradient, its norm), kept entries alone."""
    if not graph:
        t = {name: x.detach().requires_grad_() for name, x in t.items()}
    found = torch.autograd.grad(reference_loss(t, *batch), list(t.values()), create_graph=graph)
    found = [torch.where(masks[name], g, 0.0) if name in masks else g for name, g in zip(t, found, strict=True)]
    return found, sum((g**2).sum() for g in found) ** 0.5


def scaled(t: Point, scales: dict[str, Any]) -> Point:
    return {name: x * scales.get(name, 1.0) for name, x in t.items()}


def joined(one: Batch, other: Batch) -> Batch:
    return torch.cat([one[0], other[0]]), torch.cat([one[1], other[1]])


def half_masks() -> Point:
    """Of the three layers, about half of each."""
    rng = generator(2, "masks")
    shapes = {"conv1.weight": (3, 2, 3, 3), "conv2.weight": (4, 3, 2, 2), "fc.weight": (3, 16)}
    return {name: torch.rand(shape, generator=rng) < 0.5 for name, shape in shapes.items()}


def masked(network: nn.Module, masks: Point) -> nn.Module:
    with torch.no_grad():
        for name, mask in masks.items():
            network.get_parameter(name).mul_(mask)
    return network


@pytest.mark.parametrize("masks", [{}, half_masks()], ids=["dense", "masked"])
def test_derivatives_of_both_objectives_are_differences(masks: Point) -> None:
    network = masked(small_net(), masks)
    start = point_of(network)
    scales = {name: 0.7 + 0.1 * n for n, name in enumerate(start)}
    source = batches()
    first, second, third = (next(source) for _ in range(3))
    step, norm = reference_gradient(scaled(start, scales), joined(first, second), masks)
    ahead = {name: -0.3 * g.detach() / norm.item() for name, g in zip(start, step, strict=True)}

    def bound(values: dict[str, float]) -> float:
        return reference_gradient(scaled(start, values), joined(first, second), masks)[1].item()

    def looked_ahead(values: dict[str, float]) -> float:
        moved = {name: x + ahead[name] for name, x in scaled(start, values).items()}
        return reference_loss(moved, *joined(first, third)).item() / 0.3

    for gamma, objective in ((ALWAYS, bound), (NEVER, looked_ahead)):
        is_bound, found = slopes(network, start, scales, batches(), Settings(eta=0.3, gamma=gamma), masks)
        assert is_bound == (objective is bound)
        assert found.keys() == scales.keys()
        for name, value in scales.items():
            up, down = (objective(scales | {name: value + h}) for h in (1e-5, -1e-5))
            assert found[name] == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-8)
            assert abs(found[name]) > 1e-4


def reference_scales(
    start: Point, source: Iterator[Batch], s: Settings, masks: Point
) -> tuple[dict[str, float], list[bool]]:
    """(scales, which iterations minimised the norm), with the scales themselves in the graph."""
    alpha = dict.fromkeys(start, 1.0)
    m = {name: {True: 0.0, False: 0.0} for name in start}
    v = dict.fromkeys(start, 0.0)
    count = {True: 0, False: 0}
    bounds = []
    for _ in range(s.iterations):
        a = {name: torch.tensor(x, dtype=torch.float64, requires_grad=True) for name, x in alpha.items()}
        first, second = next(source), next(source)
        g, norm = reference_gradient(scaled(start, a), joined(first, second), masks, graph=True)
        bounds.append(norm.item() > s.gamma)
        if bounds[-1]:
            objective = norm
        else:
            fresh = next(source)
            judge = joined(first if s.overlap else next(source), fresh)
            theta = scaled(start, a)
            moved = {n: theta[n] - (s.eta * x / norm).detach() for n, x in zip(start, g, strict=True)}
            objective = reference_loss(moved, *judge) / s.eta
        kind = bounds[-1]
        count[kind] += 1
        for name, slope in zip(a, torch.autograd.grad(objective, list(a.values())), strict=True):
            d = min(max(slope.item(), -s.clip), s.clip)
            m[name][kind] = 0.9 * m[name][kind] + 0.1 * d
            v[name] = 0.999 * v[name] + 0.001 * d * d
            step = m[name][kind] / (1 - 0.9 ** count[kind])
            root = math.sqrt(v[name] / (1 - 0.999 ** (count[True] + count[False])))
            lowest = 0 if name.endswith("bias") else s.smallest
            alpha[name] = max(alpha[name] - s.learning_rate * step / (root + 1e-8), lowest)
    return alpha, bounds


@pytest.mark.parametrize("masks", [{}, half_masks()], ids=["dense", "masked"])
@pytest.mark.parametrize(
    ("iterations", "changed", "kinds"),
    [
        (2, {"gamma": ALWAYS}, {True}),
        (2, {"gamma": NEVER}, {False}),
        (2, {"gamma": NEVER, "overlap": False}, {False}),
        (2, {"gamma": ALWAYS, "clip": 0.05}, {True}),
        (12, {"gamma": 0.85, "eta": 0.4, "learning_rate": 0.05}, {True, False}),
    ],
    ids=["norm", "look-ahead", "no-overlap", "clipped", "both"],
)
def test_iterations_are_those_of_a_straightforward_implementation(
    iterations: int, changed: dict[str, Any], kinds: set[bool], masks: Point
) -> None:
    network = masked(small_net(), masks)
    settings = Settings(iterations=iterations, **changed)
    expected, bounds = reference_scales(point_of(network), batches(), settings, masks)
    assert set(bounds) == kinds
    found = learn_scales(network, batches(), settings, masks)
    assert found.keys() == expected.keys()
    for name, scale in expected.items():
        assert found[name] == pytest.approx(scale, abs=1e-10, rel=0)
        assert scale != 1.0


def test_the_first_step_of_adam_is_the_learning_rate() -> None:
    found = learn_scales(small_net(), batches(), Settings(iterations=1, learning_rate=0.03))
    assert [abs(scale - 1) for scale in found.values()] == pytest.approx([0.03] * 7, rel=1e-5)


def linear_net(inputs: int) -> nn.Sequential:
    layers = OrderedDict(fc1=nn.Linear(inputs, 5), act=nn.Tanh(), fc2=nn.Linear(5, 3))
    return drawn(nn.Sequential(layers))


def with_a_changed_input(column: int, source: Iterator[Batch]) -> Iterator[Batch]:
    for images, labels in source:
        yield images.index_fill(1, torch.tensor([column]), 3.0), labels


@pytest.mark.parametrize("gamma", [ALWAYS, NEVER])
def test_gradients_of_pruned_weights_take_part_only_without_masks(gamma: float) -> None:
    """What a pruned weight would be multiplied with decides on its gradient, and on nothing else."""
    network, settings = linear_net(4), Settings(iterations=5, gamma=gamma)
    masks = {"fc1.weight": torch.ones(5, 4, dtype=torch.bool)}
    masks["fc1.weight"][:, 2] = False
    masked(network, masks)

    def learnt(masks: Point | None, changed: bool) -> dict[str, float]:
        source = batches(shape=(4,))
        return learn_scales(network, with_a_changed_input(2, source) if changed else source, settings, masks)

    assert learnt(masks, changed=True) == learnt(masks, changed=False)
    without = learnt(None, changed=False)
    assert all(abs(without[name] - scale) > 1e-6 for name, scale in learnt(None, changed=True).items())
    assert all(abs(without[name] - scale) > 1e-6 for name, scale in learnt(masks, changed=False).items())


@pytest.mark.parametrize("gamma", [ALWAYS, NEVER])
def test_a_masked_network_is_the_smaller_one_without_what_is_pruned(gamma: float) -> None:
    large, small, kept = linear_net(4), linear_net(3), [0, 1, 3]
    masks = {"fc1.weight": torch.zeros(5, 4, dtype=torch.bool)}
    masks["fc1.weight"][:, kept] = True
    masked(large, masks)
    with torch.no_grad():
        state = large.state_dict()
        small.load_state_dict(state | {"fc1.weight": state["fc1.weight"][:, kept]})
    fewer = ((images[:, kept], labels) for images, labels in batches(shape=(4,)))
    settings = Settings(iterations=5, gamma=gamma)
    found = learn_scales(large, batches(shape=(4,)), settings, masks)
    expected = learn_scales(small, fewer, settings)
    assert found == pytest.approx(expected, rel=0, abs=1e-10)


def test_masks_prune_what_is_not_zero_yet() -> None:
    settings, masks = Settings(iterations=3), half_masks()
    found = learn_scales(small_net(), batches(), settings, masks)
    assert found == learn_scales(masked(small_net(), masks), batches(), settings, masks)


def test_a_mask_of_no_parameter_is_refused() -> None:
    with pytest.raises(KeyError, match="conv1"):
        learn_scales(small_net(), batches(), Settings(), {"conv1": torch.ones(3, 2, 3, 3, dtype=torch.bool)})


def peculiar_net() -> nn.Sequential:
    """Some of it in training, some not, with dropout, used running statistics, a gradient and what is not trained."""
    network = small_net(dropout=nn.Dropout(0.5))
    network.train()(next(batches())[0])
    network.bn.train()
    network.conv2.eval()
    network.fc.bias.requires_grad_(False)
    network.conv1.weight.grad = torch.ones_like(network.conv1.weight)
    return network


def everything(network: nn.Module) -> tuple[object, ...]:
    state = {name: (id(x), x.detach().clone()) for name, x in network.state_dict(keep_vars=True).items()}
    modes = [(name, module.training, vars(module).keys()) for name, module in network.named_modules()]
    marks = [(name, p.requires_grad, p.is_leaf, p.grad is None) for name, p in network.named_parameters()]
    return state, modes, marks, [m.track_running_stats for m in network.modules() if isinstance(m, nn.BatchNorm2d)]


def assert_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert one[1:] == other[1:]
    assert one[0].keys() == other[0].keys()
    for name, (identity, value) in one[0].items():
        assert identity == other[0][name][0]
        assert torch.equal(value, other[0][name][1])


@pytest.mark.parametrize("gamma", [ALWAYS, NEVER])
def test_the_network_and_the_generator_are_left_as_they_were(gamma: float) -> None:
    network = peculiar_net()
    before, drawn_from = everything(network), torch.get_rng_state()
    with torch.no_grad():  # as its caller may have it
        found = learn_scales(network, batches(), Settings(iterations=3, gamma=gamma))
    assert_same(before, everything(network))
    assert torch.equal(drawn_from, torch.get_rng_state())
    assert torch.equal(network.conv1.weight.grad, torch.ones_like(network.conv1.weight))
    assert "fc.bias" not in found
    assert learn_scales(network, batches(), Settings(iterations=3, gamma=gamma)) == found


def test_the_network_is_left_as_it_was_after_an_error() -> None:
    network = peculiar_net()
    before = everything(network)
    with pytest.raises(RuntimeError):
        learn_scales(network, batches(shape=(3, 5, 5)), Settings())
    assert_same(before, everything(network))


@pytest.mark.parametrize("gamma", [ALWAYS, NEVER])
def test_neither_dropout_nor_running_statistics_matter(gamma: float) -> None:
    other, settings = small_net(dropout=nn.Dropout(0.5)), Settings(iterations=3, gamma=gamma)
    other.bn.running_mean.fill_(7)
    assert learn_scales(other, batches(), settings) == learn_scales(small_net(), batches(), settings)


def test_tensors_of_zeros_have_no_scale_but_a_step_ahead() -> None:
    """A bias of zero moves in the look-ahead, which the other scales see."""
    network, settings = linear_net(4), Settings(iterations=1, gamma=NEVER, eta=2.0)
    with torch.no_grad():
        network.fc2.bias.zero_()
    found = learn_scales(network, batches(shape=(4,)), settings)
    assert found.keys() == {"fc1.weight", "fc1.bias", "fc2.weight"}

    start = point_of(network)
    others = {name: t for name, t in start.items() if name != "fc2.bias"}
    moving, still = (
        slopes(network, point, dict.fromkeys(others, 1.0), batches(shape=(4,)), settings, None)[1]
        for point in (start, others)
    )
    assert all(abs(moving[name] - still[name]) > 1e-4 for name in others)


def test_a_network_of_zeros_has_no_scales() -> None:
    assert learn_scales(drawn(linear_net(4), spread=0), batches(shape=(4,)), Settings(iterations=2)) == {}


def clusters(size: int) -> Iterator[Batch]:
    """Three classes of images around a mean each."""
    rng = generator(3, "clusters")
    means = 1.5 * torch.randn(3, 2, 5, 5, generator=rng, dtype=torch.float64)
    while True:
        labels = torch.randint(3, (size,), generator=rng)
        yield means[labels] + torch.randn(size, 2, 5, 5, generator=rng, dtype=torch.float64), labels


def loss_after_a_step(network: nn.Module, eta: float) -> float:
    """The loss on other images after one step of plain SGD of that length, in training mode."""
    source = clusters(100)
    images, labels = next(source)
    functional.cross_entropy(network.train()(images), labels).backward()
    norm = torch.stack([parameter.grad.norm() for parameter in network.parameters()]).norm().item()
    torch.optim.SGD(network.parameters(), lr=eta / norm).step()
    images, labels = next(source)
    return functional.cross_entropy(network(images), labels).item()


def badly_scaled() -> nn.Sequential:
    network = small_net()
    with torch.no_grad():
        network.conv1.weight.mul_(10)
    return network


def test_a_badly_scaled_network_is_better_after_one_step_with_its_scales() -> None:
    network, rescaled = badly_scaled(), badly_scaled()
    found = learn_scales(rescaled, clusters(16), Settings(iterations=100, learning_rate=0.02))
    with torch.no_grad():
        for name, scale in found.items():
            rescaled.get_parameter(name).mul_(scale)
    assert found["conv1.weight"] < 1
    assert loss_after_a_step(rescaled, 0.1) < 0.9 * loss_after_a_step(network, 0.1)


def turning() -> Iterator[Batch]:
    """Labels are all 0 for four iterations of three batches, then all 1."""
    for n, (images, labels) in enumerate(batches(shape=(4,))):
        yield images, torch.full_like(labels, n >= 12)


def test_a_bias_that_reaches_zero_stays_there_and_no_weight_falls_below_the_smallest() -> None:
    """The last layer speaks for class 1. While 0 is right, each derivative is clipped, so that Adam's steps are 0.3."""
    network = linear_net(4)
    with torch.no_grad():
        network.fc1.bias.fill_(3.0)  # the hidden units are all close to 1
        network.fc2.bias.copy_(torch.tensor([-5.0, 5.0, -5.0]))
        network.fc2.weight.copy_(torch.tensor([[-1.0], [1.0], [-1.0]]).expand(3, 5))
    biases, weights = [], []
    for iterations in range(1, 13):
        settings = Settings(iterations=iterations, gamma=NEVER, learning_rate=0.3, smallest=0.25)
        found = learn_scales(network, turning(), settings)
        assert all(scale >= (0 if name.endswith("bias") else 0.25) for name, scale in found.items())
        biases.append(found["fc2.bias"])
        weights.append(found["fc2.weight"])
    assert biases == pytest.approx([0.7, 0.4, 0.1] + [0.0] * 9, abs=1e-6)
    assert weights == pytest.approx([0.7, 0.4] + [0.25] * 10, abs=1e-6)


def test_a_gradient_of_zero_changes_no_scale() -> None:
    """Every unit is off, and the classes are as frequent as they are likely."""
    network = nn.Sequential(OrderedDict(fc1=nn.Linear(4, 5), act=nn.ReLU(), fc2=nn.Linear(5, 2)))
    drawn(network)
    with torch.no_grad():
        network.fc1.bias.fill_(-100.0)
        network.fc2.bias.zero_()
    labels = torch.tensor([0, 1])
    source = ((images, labels) for images, _ in batches(2, shape=(4,)))
    assert learn_scales(network, source, Settings(iterations=3)) == dict.fromkeys(
        ("fc1.weight", "fc1.bias", "fc2.weight"), 1.0
    )


@pytest.mark.parametrize(("weight", "norm"), [(1e200, "inf"), (math.nan, "nan")])
def test_a_norm_that_is_not_finite_is_said_in_one_line(weight: float, norm: str) -> None:
    network = small_net()
    with torch.no_grad():
        network.fc.weight[0] = weight
    message = rf"^the norm of the gradient is {norm} \(scales of the initial weights, iteration 0\)$"
    with pytest.raises(FloatingPointError, match=message):
        learn_scales(network, batches(), Settings())


def test_a_look_ahead_that_overflows_is_said() -> None:
    """Two linear layers with weights of 1e200."""
    network = linear_net(4)
    network.act = nn.Identity()
    with pytest.raises(FloatingPointError, match=r"^a derivative by a scale is not finite \(.*, iteration 0\)$"):
        learn_scales(network, batches(shape=(4,)), Settings(gamma=NEVER, eta=1e200))


class Anew(nn.Module):
    """An LSTM that never carries a state from one pass to the next."""

    def __init__(self, inner: LSTM) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        self.inner._state = None
        logits: Tensor = self.inner(images)
        return logits


@pytest.mark.parametrize("gamma", [ALWAYS, NEVER])
def test_a_network_that_carries_a_state_begins_anew_with_each_pass(gamma: float) -> None:
    torch.manual_seed(0)
    network, settings = LSTM(5, 4, 3, carried=2).double(), Settings(iterations=3, gamma=gamma)
    found = learn_scales(network, batches(shape=(1, 5, 5)), settings)
    assert network._state is None
    expected = learn_scales(Anew(network), batches(shape=(1, 5, 5)), settings)
    assert {f"inner.{name}": scale for name, scale in found.items()} == expected


def test_single_precision_comes_close_to_double() -> None:
    settings = Settings(iterations=20, gamma=0.85, eta=0.4)
    expected = learn_scales(small_net(), batches(), settings)
    single = ((images.float(), labels) for images, labels in batches())
    assert learn_scales(small_net().float(), single, settings) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("gamma", [ALWAYS, NEVER])
def test_no_graph_is_kept(gamma: float) -> None:
    """The activations of a pass are gone when the next one begins, without the help of the garbage collector."""
    network = small_net()
    seen: list[weakref.ref[Tensor]] = []

    def look(module: nn.Module, inputs: object, output: Tensor) -> None:
        assert all(ref() is None for ref in seen)
        seen.append(weakref.ref(output))

    network.act1.register_forward_hook(look)
    gc.disable()
    try:
        learn_scales(network, batches(), Settings(iterations=3, gamma=gamma))
    finally:
        gc.enable()
    assert len(seen) == (3 if gamma == ALWAYS else 6)


def test_batches_are_taken_as_they_are_needed() -> None:
    """Two an iteration, a third one to look ahead, a fourth one where nothing is shared."""
    for changed, used in (({"gamma": ALWAYS}, 2), ({"gamma": NEVER}, 3), ({"gamma": NEVER, "overlap": False}, 4)):
        count = itertools.count()
        source = (batch for batch, _ in zip(batches(), count, strict=False))
        learn_scales(small_net(), source, Settings(iterations=5, **changed))
        assert next(count) == 5 * used
