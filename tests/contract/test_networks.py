"""What every model promises. A new file in `models/` is tested here without an edit."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.errors import ConfigError
from dst_repro.methods.base import maskable
from dst_repro.registry import Entry, models

IMAGES = [(channels, edge, edge) for edge in (1, 2, 4, 8, 16, 28, 32, 64) for channels in (1, 3)]
ROW = (24,)  # of a table
CLASSES = 10
STATED = re.compile(
    r"([\d,]+) parameters on ([\dx]+)(?: images| numbers)?(?: with ([\d,]+) classes)?(?:, ([\d,]+) of them)?"
)

every_model = pytest.mark.parametrize("entry", [pytest.param(e, id=s) for s, e in sorted(models.discover().items())])


def build(
    entry: Entry, shape: tuple[int, ...], classes: int = CLASSES, seed: int = 0, narrow: bool = True
) -> nn.Module:
    """The network, a tenth as wide if it can be narrowed."""
    torch.manual_seed(seed)
    params = {"width": 0.1} if narrow and "width" in entry.params.model_fields else {}
    built: nn.Module = entry.object(shape, classes, entry.params(**params))
    return built


def refusal(entry: Entry, shape: tuple[int, ...]) -> ConfigError | None:
    """Why the model doesn't take inputs of this shape; None if it does."""
    try:
        build(entry, shape)
    except ConfigError as error:
        return error
    return None


def taken(entry: Entry) -> list[tuple[int, ...]]:
    """The images that the model takes, small ones first."""
    return [shape for shape in IMAGES if not refusal(entry, shape)]


def inputs(shape: tuple[int, ...], batch: int = 2) -> Tensor:
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(1))


@every_model
def test_a_shape_is_taken_or_refused_in_one_line(entry: Entry) -> None:
    assert taken(entry)
    for shape in (*IMAGES, ROW):
        refused = refusal(entry, shape)
        if refused:
            assert re.fullmatch(rf"model: {entry.slug} \w+ [^\n]+, not [^\n]+", str(refused))
        else:
            with torch.no_grad():
                logits = build(entry, shape).eval()(inputs(shape))
            assert logits.shape == (2, CLASSES)
            assert bool(logits.isfinite().all())


@every_model
def test_the_docstring_states_the_parameters(entry: Entry) -> None:
    found = STATED.findall(entry.object.__doc__)
    assert found, "the docstring gives the number of parameters and for which input"
    for parameters, size, classes, weights in found:
        edges = tuple(map(int, size.split("x")))
        shape = (1, *edges) if len(edges) == 2 else edges
        with torch.device("meta"):
            network = build(entry, shape, int(classes.replace(",", "") or CLASSES), narrow=False)
        assert sum(p.numel() for p in network.parameters()) == int(parameters.replace(",", ""))
        if weights:
            assert sum(m.weight.numel() for m in maskable(network).values()) == int(weights.replace(",", ""))


@every_model
def test_every_parameter_gets_a_gradient(entry: Entry) -> None:
    shapes = taken(entry)
    for shape in (shapes[0], shapes[-1]):
        network = build(entry, shape).train()
        functional.cross_entropy(network(inputs(shape)), torch.tensor([0, 1])).backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, name
            assert bool(parameter.grad.isfinite().all()), name
            assert shape == shapes[0] or bool(parameter.grad.any()), name


@every_model
def test_a_seed_gives_one_network(entry: Entry) -> None:
    shape = taken(entry)[0]
    first, second, other = (build(entry, shape, seed=seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], second[key]) for key in first)
    weights = [f"{name}.weight" for name in maskable(build(entry, shape))]
    assert weights
    assert not any(torch.equal(first[key], other[key]) for key in weights)


@every_model
def test_channels_last_computes_the_same(entry: Entry) -> None:
    """The loop trains every network channels-last."""
    shape = taken(entry)[-1]
    network, x = build(entry, shape).eval(), inputs(shape)
    with torch.no_grad():
        expected = network(x)
        network.to(memory_format=torch.channels_last)
        found = network(x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@every_model
def test_layers_are_registered_in_the_order_of_their_use(entry: Entry) -> None:
    """Figures count layers as `named_modules` lists them."""
    shape = taken(entry)[0]
    network = build(entry, shape)
    called: list[str] = []
    for name, module in maskable(network).items():
        module.register_forward_pre_hook(lambda *_, name=name: called.append(name))
    network(inputs(shape))
    if not called:
        pytest.skip("its layers' tensors are used, not their forward")
    assert called == list(maskable(network))
