"""The LSTMs have the published sizes, compute the LSTM's equations, and with the weights that a method leaves them."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError
from dst_repro.methods.base import maskable
from dst_repro.models.lstm import Gates
from dst_repro.registry import methods, models
from tests.conftest import TrainerFactory

MNIST = (1, 28, 28)
UNITS = {"lstm-a": 128, "lstm-b": 256}
COUNTS = {  # parameters, maskable weights, biases of the LSTM layers, thresholds
    "lstm-a": (213_258, 210_944, 1_024, 2_048),
    "lstm-b": (819_722, 815_104, 2_048, 4_096),
}
NAMES = ["lstm1.input", "lstm1.hidden", "lstm2.input", "lstm2.hidden"]


def network(
    slug: str = "lstm-a", shape: tuple[int, ...] = MNIST, classes: int = 10, seed: int = 0, carried: int = 0
) -> nn.Module:
    torch.manual_seed(seed)
    entry = models[slug]
    built: nn.Module = entry.object(shape, classes, entry.params(carried=carried))
    return built


def by_hand(values: dict[str, Tensor], images: Tensor) -> Tensor:
    """The LSTM's equations step by step, with the weights by name; (n, classes)."""
    sequence = list(images.squeeze(1).unbind(1))
    for layer in ("lstm1", "lstm2"):
        h = c = torch.zeros_like(sequence[0][:, :1])  # one zero for each image, broadcast to all units
        h = h.expand(-1, values[f"{layer}.hidden.weight"].shape[1])
        for n, row in enumerate(sequence):
            gates = row @ values[f"{layer}.input.weight"].T + h @ values[f"{layer}.hidden.weight"].T
            i, f, g, o = (gates + values[f"{layer}.input.bias"]).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            sequence[n] = h = torch.sigmoid(o) * torch.tanh(c)
    return h @ values["fc.weight"].T + values["fc.bias"]


def noise(model: nn.Module) -> None:
    """Weights of some size everywhere, biases too, so that every term of the equations shows."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(0.2 * torch.randn(p.shape, generator=rng, dtype=p.dtype))


@pytest.mark.parametrize("slug", UNITS)
def test_published_counts(slug: str) -> None:
    model, units = network(slug), UNITS[slug]
    layers = maskable(model)
    parameters, weights, biases, thresholds = COUNTS[slug]
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert sum(m.weight.numel() for m in layers.values()) == weights
    assert sum(m.bias.numel() for m in layers.values() if m.bias is not None) == biases
    assert sum(len(m.weight) for m in layers.values()) == thresholds
    shapes = [(4 * units, 28), (4 * units, units), (4 * units, units), (4 * units, units)]
    assert {name: tuple(m.weight.shape) for name, m in layers.items()} == dict(zip(NAMES, shapes, strict=True))
    assert list(layers) == NAMES  # in the order of their use
    assert list(model.state_dict()) == [name for name, _ in model.named_parameters()]


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("slug", UNITS)
def test_initialisation_of_the_released_code(slug: str, again: bool) -> None:
    """Also where a method starts a layer anew."""
    model = network(slug)
    if again:
        noise(model)
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
    bounds = dict.fromkeys(NAMES, 1 / math.sqrt(UNITS[slug])) | {"fc": 0.1}
    for name, bound in bounds.items():
        module = model.get_submodule(name)
        weight = module.get_parameter("weight").detach()
        assert 0.95 * bound < float(weight.abs().max()) <= bound
        assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert not any(p.any() for p in model.parameters() if p.dim() == 1)


@pytest.mark.parametrize("slug", UNITS)
def test_biases_of_the_dense_released_cell(slug: str) -> None:
    """U(+-1/sqrt(units)), after the weights, also where a layer starts anew; those of the last layer stay zero."""
    entry = models[slug]
    torch.manual_seed(0)
    model = entry.object(MNIST, 10, entry.params(biases="uniform"))
    torch.manual_seed(0)
    first = entry.object(MNIST, 10, entry.params()).get_parameter("lstm1.input.weight")
    assert torch.equal(model.get_parameter("lstm1.input.weight"), first)
    bound = 1 / math.sqrt(UNITS[slug])
    for layer in ("lstm1.input", "lstm2.input"):
        drawn = model.get_parameter(f"{layer}.bias").detach().clone()
        assert 0.95 * bound < float(drawn.abs().max()) <= bound
        assert float(drawn.std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)
        assert not torch.equal(drawn[: UNITS[slug]], drawn[UNITS[slug] : 2 * UNITS[slug]])
        model.get_submodule(layer).reset_parameters()
        again = model.get_parameter(f"{layer}.bias").detach()
        assert not torch.equal(again, drawn)
        assert 0.95 * bound < float(again.abs().max()) <= bound
    assert not model.get_parameter("fc.bias").any()
    assert sum(p.numel() for p in model.parameters()) == COUNTS[slug][0]


def test_a_seed_gives_one_network() -> None:
    networks = [network(seed=seed).state_dict() for seed in (3, 3, 4)]
    for name, value in networks[0].items():
        assert torch.equal(value, networks[1][name])
        assert torch.equal(value, networks[2][name]) == name.endswith("bias")


def gradients(loss: Tensor, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("training", [True, False])
def test_the_equations_and_their_gradients(dtype: torch.dtype, close: float, training: bool) -> None:
    """float32 and float64 take different kernels on a CPU."""
    model = network(shape=(1, 5, 7), classes=3)
    noise(model)
    images = torch.rand(4, 1, 5, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0])
    exact = {name: p.detach().double().requires_grad_() for name, p in model.named_parameters()}
    expected = by_hand(exact, images)
    model.to(dtype).train(training)
    found = model(images.to(dtype))
    torch.testing.assert_close(found.double(), expected, rtol=close, atol=close)
    right = gradients(functional.cross_entropy(expected, labels), exact)
    ours = gradients(functional.cross_entropy(found, labels), dict(model.named_parameters()))
    for name, gradient in right.items():
        assert gradient.any()
        torch.testing.assert_close(ours[name].double(), gradient, rtol=10 * close, atol=close)


def test_torch_computes_the_same_from_the_same_weights() -> None:
    model = network()
    noise(model)
    theirs = nn.LSTM(28, 128, num_layers=2, batch_first=True)
    with torch.no_grad():
        for n in (1, 2):
            layer = model.get_submodule(f"lstm{n}")
            getattr(theirs, f"weight_ih_l{n - 1}").copy_(layer.get_parameter("input.weight"))
            getattr(theirs, f"weight_hh_l{n - 1}").copy_(layer.get_parameter("hidden.weight"))
            getattr(theirs, f"bias_ih_l{n - 1}").copy_(layer.get_parameter("input.bias"))
            getattr(theirs, f"bias_hh_l{n - 1}").zero_()
    images = torch.rand(3, *MNIST)
    output, _ = theirs(images.squeeze(1))
    expected = functional.linear(output[:, -1], model.get_parameter("fc.weight"), model.get_parameter("fc.bias"))
    torch.testing.assert_close(model(images), expected)


@pytest.mark.parametrize("method", sorted(methods.discover()))
def test_pruned_weights_stay_out(method: str, trainer: TrainerFactory, digits: Data) -> None:
    """After an epoch, the network is the one that the equations give with the masked weights."""
    entry = methods[method]
    params: dict[str, Any] = {name: 1e-3 for name, f in entry.params.model_fields.items() if f.is_required()}
    params |= {"update_period": 5} if "update_period" in entry.params.model_fields else {}
    params |= {"doublings": ()} if "doublings" in entry.params.model_fields else {}
    params |= {"s_init": -4.0} if method == "str" else {}
    other = {"mask_from": {"method": "static", "density": 0.5}} if entry.facts.get("mask_from") else {}
    density = {"density": 0.3} if entry.facts.get("density") else {}
    training = {"optimizer": "adam", "learning_rate": 0.01, "epochs": 1}
    run = trainer(method, model="lstm-a", method_params=params, **density, **other, **training)
    run.run_epoch()
    run.model.eval()
    images, _ = next(digits.batches(digits.test, 20))
    with torch.no_grad():
        found = run.model(images)
    masks = run.method.masks()
    assert list(masks) == NAMES
    values = {name: p.detach().double() for name, p in run.model.named_parameters()}
    for name, mask in masks.items():
        values[f"{name}.weight"] = run.method.modules[name].weight.detach().double() * mask
        if method != "dense" and "hidden" in name:
            assert 0.05 * mask.numel() < int(mask.sum()) < 0.95 * mask.numel()
    torch.testing.assert_close(found.double(), by_hand(values, images.double()), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("slug", UNITS)
def test_images_have_one_channel_and_any_size(slug: str) -> None:
    with pytest.raises(ConfigError) as caught:
        network(slug, (3, 32, 32))
    assert str(caught.value) == f"model: {slug} reads the rows of images with 1 channel, not 3"
    assert network(slug, (1, 8, 6), classes=7)(torch.rand(2, 1, 8, 6)).shape == (2, 7)


def test_autocast_leaves_the_recurrence_in_float32() -> None:
    model, images = network(), torch.rand(2, *MNIST)
    plain = model(images)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(images)
    torch.testing.assert_close(found.float(), plain, rtol=0.02, atol=0.005)
    output = model.get_submodule("fc")
    inputs: list[Tensor] = []
    output.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    with torch.autocast("cpu", torch.bfloat16):
        model(images)
    model(images)
    assert torch.equal(*inputs)


ON_GPU = """
import torch
from dst_repro.registry import models
model, images = models["lstm-a"].object((1, 28, 28), 10), torch.rand(3, 1, 28, 28)
expected = model(images)
found = model.cuda()(images.cuda())
found.sum().backward()
torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-4)
"""


@pytest.mark.gpu
def test_a_gpu_computes_the_same_without_a_warning() -> None:
    subprocess.run([sys.executable, "-W", "error:RNN module weights", "-c", ON_GPU], check=True)


def states_by_hand(values: dict[str, Tensor], images: Tensor, h: list[Tensor], c: list[Tensor]) -> None:
    """Read `images` from the states of both layers, which are replaced by those after the last row."""
    sequence = list(images.squeeze(1).unbind(1))
    for n, layer in enumerate(("lstm1", "lstm2")):
        for t, row in enumerate(sequence):
            gates = row @ values[f"{layer}.input.weight"].T + h[n] @ values[f"{layer}.hidden.weight"].T
            i, f, g, o = (gates + values[f"{layer}.input.bias"]).chunk(4, dim=1)
            c[n] = torch.sigmoid(f) * c[n] + torch.sigmoid(i) * torch.tanh(g)
            sequence[t] = h[n] = torch.sigmoid(o) * torch.tanh(c[n])


@pytest.mark.parametrize("together", [False, True])
def test_state_is_carried_as_in_the_released_code(together: bool) -> None:
    """The second five images start from ((h1, c1), (h2, c2)) read as ((h1, h2), (c1, c2)), also within one batch."""
    model = network(shape=(1, 6, 4), carried=5).double()
    noise(model)
    images = torch.rand(10, 1, 6, 4, dtype=torch.float64)
    values = {name: p.detach() for name, p in model.named_parameters()}
    h, c = ([torch.zeros(5, 128, dtype=torch.float64) for _ in range(2)] for _ in range(2))
    states_by_hand(values, images[:5], h, c)
    h, c = [h[0], c[0]], [h[1], c[1]]
    states_by_hand(values, images[5:], h, c)
    expected = h[1] @ values["fc.weight"].T + values["fc.bias"]
    for _ in range(2):
        model.eval()  # begins anew
        found = model(images)[5:] if together else [model(part) for part in images.split(5)][1]
        assert torch.allclose(found, expected, atol=1e-12)


def test_carried_state_starts_anew_and_does_not_reach_back(trainer: TrainerFactory) -> None:
    run = trainer("dense", model="lstm-a", model_params={"carried": 64})
    plain = trainer("dense", model="lstm-a")
    assert run.run_epoch().train_loss != plain.run_epoch().train_loss
    assert [p.grad is not None for p in run.model.parameters()] == [True] * 8


def test_kept_weights_as_the_released_code_prints_them() -> None:
    """Of the output gate's rows it sums the masked weights: 5 kept elsewhere, and 0.5 - 2."""
    gates = Gates(2, 4, bias=False)
    mask = torch.tensor([[1, 1], [1, 0], [1, 1], [1, 1]], dtype=torch.bool)
    weight = torch.tensor([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [0.5, -2.0]])
    assert gates.kept_as_printed(mask, weight * mask) == 5 - 1.5


def test_printed_count_is_in_the_history_of_released_runs(trainer: TrainerFactory) -> None:
    fields = {"model": "lstm-a", "method_params": {"alpha": 1e-4}}
    assert "kept_as_printed" not in trainer("dst", **fields).method.events()
    printed = trainer("dst", fidelity="released", **fields).method.events()["kept_as_printed"]
    full = {"lstm1.input": 4096, "lstm1.hidden": 65536, "lstm2.input": 65536, "lstm2.hidden": 65536}
    assert list(printed) == list(full)
    for name, value in printed.items():
        assert 0.7 * full[name] < value < 0.8 * full[name]
