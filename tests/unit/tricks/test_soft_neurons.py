"""Soft neurons against formulas in float64, their schedule, and what refuses them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context, Method
from dst_repro.tricks.soft_neurons import Scaled, SoftNeurons, SoftNeuronsParams
from tests.conftest import RunFactory

STEPS = 100
POINTS = torch.tensor([-7.0, -1.3, -0.2, 0.0, 1e-3, 0.4, 2.5, 9.0], dtype=torch.float64)


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def by_hand(shape: str, x: float, beta: float) -> float:
    """x * sigmoid(beta x), or x * tanh(log(1 + exp(beta x)))."""
    return x * (logistic(beta * x) if shape == "swish" else math.tanh(math.log1p(math.exp(beta * x))))


def slope(shape: str, x: float, beta: float) -> float:
    """The derivative by the product rule: s + beta x s (1 - s), and t + beta x (1 - t^2) s."""
    s = logistic(beta * x)
    if shape == "swish":
        return s + beta * x * s * (1 - s)
    t = math.tanh(math.log1p(math.exp(beta * x)))
    return t + beta * x * (1 - t * t) * s


def soft(tiny: RunFactory, digits: Data, run: str = "paper", **params: Any) -> tuple[SoftNeurons, nn.Sequential]:
    """On a network of two ReLUs, of which one is in place, that is trained for 100 steps."""
    context = Context(tiny(epochs=4, fidelity=run), STEPS // 4, digits)
    trick = SoftNeurons(SoftNeuronsParams(**params), context)
    network = nn.Sequential(nn.ReLU(), nn.Linear(8, 8).double(), nn.ReLU(inplace=True))
    trick.begin(network, Method(None, context), [trick])
    return trick, network


@pytest.mark.parametrize("shape", ["swish", "mish"])
@pytest.mark.parametrize("beta", [1.0, 2.0, 7.5])
def test_values_and_slopes_in_float64(shape: str, beta: float) -> None:
    x = POINTS.clone().requires_grad_()
    y = Scaled.apply(x, shape, beta)
    y.backward(torch.ones_like(y))
    assert x.grad is not None
    assert y.tolist() == pytest.approx([by_hand(shape, v, beta) for v in POINTS.tolist()], rel=1e-12, abs=1e-15)
    assert x.grad.tolist() == pytest.approx([slope(shape, v, beta) for v in POINTS.tolist()], rel=1e-12, abs=1e-15)


def test_its_input_is_left_alone_and_dressed_networks_compute_the_same(tiny: RunFactory, digits: Data) -> None:
    trick, network = soft(tiny, digits, beta=3.0)
    x = POINTS.clone()
    found = network[2](x)
    assert torch.equal(x, POINTS)
    other = nn.Sequential(nn.ReLU())
    trick.dress(other)
    assert torch.allclose(other(POINTS.clone()), found, rtol=1e-14)


@pytest.mark.parametrize(
    ("params", "betas"),
    [({}, {0: 1.0, 25: math.sqrt(10), 49: 10**0.98}),
     ({"rise": "linear", "beta": 2.0, "beta_end": 4.0, "until": 1.0}, {0: 2.0, 50: 3.0, 99: 3.98}),
     ({"beta_end": 1.0}, {0: 1.0, 49: 1.0})],
)  # fmt: skip
def test_beta_rises_and_then_every_neuron_is_a_relu(
    tiny: RunFactory, digits: Data, params: dict[str, Any], betas: dict[int, float]
) -> None:
    trick, network = soft(tiny, digits, **params)
    for step, beta in betas.items():
        trick.at(step)
        assert trick.beta == pytest.approx(beta)
        assert trick.values() == {"beta": pytest.approx(beta)}
        assert not trick.settled
        assert network[0](POINTS).tolist() == pytest.approx([by_hand("swish", v, beta) for v in POINTS.tolist()])
    end = int(STEPS * params.get("until", 0.5))
    for step in (end, STEPS):
        trick.at(step)
        assert trick.settled
        assert trick.values() == {}
        assert "forward" not in vars(network[0])
        assert torch.equal(network[0](POINTS), POINTS.clamp(min=0))
    trick.at(0)  # a pass that is undone
    assert network[0](POINTS)[1] < 0


@pytest.mark.parametrize(
    ("fidelity", "params", "beta"),
    [("released", {}, 2.0), ("released", {"shape": "mish"}, 1.0), ("released", {"beta": 3.0}, 3.0),
     ("paper", {"fidelity": "released"}, 2.0), ("paper", {"until": None, "beta_end": 1.0}, 1.0)],
)  # fmt: skip
def test_released_neurons_stay_as_they_are(
    tiny: RunFactory, digits: Data, fidelity: str, params: dict[str, Any], beta: float
) -> None:
    trick, network = soft(tiny, digits, fidelity, **params)
    shape = params.get("shape", "swish")
    for step in (0, STEPS):
        trick.at(step)
        assert network[0](POINTS).tolist() == pytest.approx([by_hand(shape, v, beta) for v in POINTS.tolist()])


def test_what_is_refused(tiny: RunFactory, digits: Data) -> None:
    context = Context(tiny(), 23, digits)
    with pytest.raises(ConfigError, match=r"^tricks.soft-neurons.beta_end: must not be below beta, which is 20$"):
        SoftNeurons(SoftNeuronsParams(beta=20.0), context)
    trick = SoftNeurons(SoftNeuronsParams(), context)
    with pytest.raises(ConfigError, match=r"^tricks.soft-neurons: the network has no ReLU to be softened$"):
        trick.begin(nn.Sequential(nn.SiLU()), Method(None, context), [trick])


def test_second_derivatives_are_those_of_the_formula(tiny: RunFactory, digits: Data) -> None:
    """f'' of x sigmoid(b x) is b s (1 - s) (2 + b x (1 - 2 s))."""
    trick, _ = soft(tiny, digits, beta=2.0)
    other = nn.Sequential(nn.ReLU())
    trick.dress(other)
    x = POINTS.clone().requires_grad_()
    (first,) = torch.autograd.grad(other(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    expected = [2 * (s := logistic(2 * v)) * (1 - s) * (2 + 2 * v * (1 - 2 * s)) for v in POINTS.tolist()]
    assert second.tolist() == pytest.approx(expected, rel=1e-9, abs=1e-14)


def test_tensors_of_any_layout(tiny: RunFactory) -> None:
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    y: Tensor = Scaled.apply(x, "mish", 2.0)
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_what_is_over_when_a_run_begins_was_never_there(tiny: RunFactory, digits: Data) -> None:
    """A run of 100 steps that begins at step 50 has plain neurons, and one at step 25 a beta of sqrt(10)."""
    for begin, beta in (({"epoch": 2}, None), ({"step": 25}, math.sqrt(10))):
        context = Context(tiny(epochs=4, begin_at=begin), STEPS // 4, digits)
        trick = SoftNeurons(SoftNeuronsParams(), context)
        network, other = nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU())
        trick.begin(network, Method(None, context), [trick])
        trick.dress(other)
        assert torch.allclose(network(POINTS), other(POINTS))
        assert trick.values() == ({} if beta is None else {"beta": pytest.approx(beta)})
