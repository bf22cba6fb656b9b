"""Optimisers without the compiler: the same numbers, and nothing of the compiler is loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch

from dst_repro.training.eager import WRAPPED, eager

KINDS = [
    (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    (torch.optim.SGD, {}),
    (torch.optim.Adam, {"betas": (0.8, 0.99)}),
]

LOADS = """
import sys, torch
from dst_repro.training.eager import eager
for kind in (torch.optim.SGD, torch.optim.Adam):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = eager(kind)([weight], lr=0.1, fused=True)
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert weight[0] < 1
print("torch._dynamo" in sys.modules)
"""


def steps(optimizer: torch.optim.Optimizer, weight: torch.nn.Parameter, n: int) -> None:
    for i in range(n):
        optimizer.zero_grad(set_to_none=True)
        (weight.square().sum() * (i + 1) + weight.sum()).backward()
        optimizer.step()


@pytest.mark.parametrize(("kind", "settings"), KINDS)
def test_the_same_bits_as_torchs_own(kind: type[torch.optim.Optimizer], settings: dict[str, Any]) -> None:
    weights = [torch.nn.Parameter(torch.linspace(-1, 1, 1000)) for _ in range(2)]
    for weight, made in zip(weights, (kind, eager(kind)), strict=True):
        optimizer = made([{"params": [weight], "weight_decay": 0.01}], lr=0.1, fused=True, **settings)
        steps(optimizer, weight, 3)
        again = kind([weight], lr=0.5, fused=True, **settings)  # either reads the other's state
        again.load_state_dict(optimizer.state_dict())
        assert again.param_groups[0]["lr"] == 0.1
        steps(again, weight, 2)
    assert torch.equal(*weights)
    assert not torch.equal(weights[0], torch.linspace(-1, 1, 1000))


def test_it_is_still_the_optimiser_of_its_name() -> None:
    made = eager(torch.optim.SGD)
    assert made is eager(torch.optim.SGD)
    assert made.__name__ == "SGD"
    assert issubclass(made, torch.optim.SGD)


@pytest.mark.parametrize("name", [*WRAPPED, "step"])
def test_torch_still_wraps_what_is_unwrapped_here(name: str) -> None:
    """If this fails for a new torch, the name can go from the list."""
    assert hasattr(getattr(torch.optim.SGD, name), "__wrapped__")


def test_no_compiler_is_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", LOADS], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
