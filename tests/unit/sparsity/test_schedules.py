"""Schedules of pruning at hand-worked steps, learning rates against torch's schedulers."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dst_repro.sparsity.schedule import constant, cosine, cubic_sparsity, linear
from dst_repro.training.optimisation import build_optimizer, learning_rate, set_learning_rate
from tests.conftest import RunFactory


@pytest.mark.parametrize(
    ("decay", "values"),
    [
        (cosine, {0: 0.3, 25: 0.15 * (1 + 2**-0.5), 50: 0.15, 75: 0.15 * (1 - 2**-0.5), 100: 0.0, 130: 0.0}),
        (linear, {0: 0.3, 25: 0.225, 50: 0.15, 100: 0.0, 130: 0.0}),
        (constant, {0: 0.3, 50: 0.3, 100: 0.3, 130: 0.3}),
    ],
)
def test_prune_rates(decay: Any, values: dict[int, float]) -> None:
    assert {step: decay(0.3, step, 100) for step in values} == pytest.approx(values, abs=1e-12)


@pytest.mark.parametrize(
    ("step", "expected"),
    [(0, 0.0), (9, 0.0), (10, 0.0), (15, 0.9 * (1 - 0.421875)), (20, 0.7875), (25, 0.8859375), (30, 0.9), (99, 0.9)],
)
def test_cubic_sparsity_from_10_to_30(step: int, expected: float) -> None:
    """0.9 * (1 - (3/4)^3), 0.9 * (1 - (1/2)^3), 0.9 * (1 - (1/4)^3)."""
    assert cubic_sparsity(0.9, step, 10, 30) == pytest.approx(expected, abs=1e-12)


def test_cubic_sparsity_ends_exactly() -> None:
    assert all(cubic_sparsity(s, 30, 10, 30) == s for s in (0.9, 0.95, 0.98, 0.995, 1 / 3))


STEPS, EPOCHS, RATE = 7, 12, 0.1


def torchs(kind: str, per_step: bool) -> list[float]:
    """The rate of every step by torch's own scheduler."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=RATE)
    lr = torch.optim.lr_scheduler
    made = {
        "constant": lr.ConstantLR(optimizer, factor=1.0),
        "step": lr.StepLR(optimizer, step_size=5, gamma=0.3),
        "multi-step": lr.MultiStepLR(optimizer, milestones=[3, 8, 9], gamma=0.2),
        "cosine": lr.CosineAnnealingLR(optimizer, T_max=STEPS * EPOCHS, eta_min=0.05 * RATE),
    }[kind]
    rates = []
    for step in range(STEPS * EPOCHS):
        rates.append(optimizer.param_groups[0]["lr"])
        if per_step or (step + 1) % STEPS == 0:
            optimizer.step()
            made.step()
    return rates


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("constant", {}),
        ("step", {"step_size": 5, "gamma": 0.3}),
        ("multi-step", {"milestones": [3, 8, 9], "gamma": 0.2}),
        ("step", {"step_size": 5, "gamma": 0.3, "unit": "step"}),
        ("multi-step", {"milestones": [3, 8, 9], "gamma": 0.2, "unit": "step"}),
        ("cosine", {"final": 0.05}),
    ],
)
def test_learning_rates_are_those_of_torch(tiny: RunFactory, kind: str, params: dict[str, Any]) -> None:
    run = tiny(learning_rate=RATE, epochs=EPOCHS, schedule=kind, schedule_params=params)
    found = [learning_rate(run, step, STEPS) for step in range(STEPS * EPOCHS)]
    per_step = kind == "cosine" or params.get("unit") == "step"
    assert found == pytest.approx(torchs(kind, per_step), rel=1e-9)


def test_optimisers_get_their_settings(tiny: RunFactory) -> None:
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "weight_decay": 0.25}]
    sgd = build_optimizer(tiny(optimizer_params={"momentum": 0.8, "nesterov": True}), [dict(groups[0])])
    assert isinstance(sgd, torch.optim.SGD)
    wanted = {"lr": 0.05, "momentum": 0.8, "nesterov": True, "dampening": 0, "weight_decay": 0.25}
    assert sgd.param_groups[0].items() >= wanted.items()
    adam = build_optimizer(tiny(optimizer="adam", optimizer_params={"beta1": 0.8}), [dict(groups[0])])
    assert isinstance(adam, torch.optim.Adam)
    assert adam.param_groups[0].items() >= {"betas": (0.8, 0.999), "eps": 1e-8, "weight_decay": 0.25}.items()
    set_learning_rate(adam, 0.5)
    assert adam.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_sgd_steps_by_hand(tiny: RunFactory, nesterov: bool) -> None:
    """g = 1 + 0.1 w; v = g, then 0.9 v + g; w -= 0.5 v, or 0.5 (g + 0.9 v) with Nesterov."""
    w = torch.tensor([2.0], requires_grad=True)
    run = tiny(learning_rate=0.5, optimizer_params={"momentum": 0.9, "nesterov": nesterov})
    optimizer = build_optimizer(run, [{"params": [w], "weight_decay": 0.1}])
    expected, v = 2.0, 0.0
    for _ in range(2):
        w.grad = torch.ones(1)
        optimizer.step()
        g = 1 + 0.1 * expected
        v = 0.9 * v + g
        expected -= 0.5 * (g + 0.9 * v if nesterov else v)
    assert w.item() == pytest.approx(expected, rel=1e-6)
