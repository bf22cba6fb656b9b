"""The network holds exactly its number of weights after every step, also where weights move between layers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dst_repro.training.optimisation import build_optimizer
from tests.conftest import MethodFactory, RunFactory

STEPS = 40
OFTEN = {"update_period": 2, "update_end": 1.0, "decay": "constant"}
HARD = OFTEN | {"prune_rate": 0.7}  # so much is dropped that layers run full
METHODS: list[tuple[str, dict[str, Any]]] = [
    ("set", HARD),
    ("rigl", HARD),
    ("rigl", HARD | {"scope": "global", "drop": "random"}),
    ("rigl", HARD | {"scope": "global", "redistribution": "gradient", "timing": "before-step"}),
    ("set", HARD | {"scope": "global", "redistribution": "survivors", "timing": "after-step", "grow": "gradient"}),
    ("sparse-momentum", HARD),
    ("sparse-momentum", HARD | {"grow": "random", "redistribution": "magnitude", "momentum": "masked"}),
    ("sparse-momentum", HARD | {"redistribution": "none"}),
    ("sparse-momentum", HARD | {"scope": "global"}),
    ("dsr", OFTEN | {"doublings": [], "threshold": 0.2}),
    ("deep-r", {"temperature": [[0.0, 1e-2]]}),
]
NETWORKS = {
    "conv": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(96, 7)),
    "deep": lambda: nn.Sequential(*(nn.Linear(9, 9) for _ in range(5))),
    "small beside large": lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 100), nn.Linear(100, 3), nn.Linear(3, 1)),
}


@pytest.mark.parametrize("density", [0.95, 0.6, 0.25, 0.04])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize(("slug", "params"), METHODS)
def test_totals_are_exact_while_layers_run_full(
    build: MethodFactory, tiny: RunFactory, slug: str, params: dict[str, Any], network: str, density: float
) -> None:
    """Random gradients, a hundred times larger in one layer than in the next, in turn."""
    torch.manual_seed(0)
    model = NETWORKS[network]().to(memory_format=torch.channels_last)
    fields = {"density": density, "method_params": params, "learning_rate": 0.1, "weight_decay": 1e-3}
    method = build(model, slug, STEPS, **fields)
    optimizer = build_optimizer(tiny(slug, **fields), method.param_groups(model, 1e-3))
    method.bind(optimizer)
    total = sum(layer.kept for layer in method.layers().values())
    assert total == round(density * sum(layer.numel for layer in method.layers().values()))
    rng = torch.Generator().manual_seed(0)
    seen, full = set(), 0
    for step in range(STEPS):
        optimizer.zero_grad()
        for i, parameter in enumerate(model.parameters()):
            noise = torch.randn(parameter.shape, generator=rng) * (100.0 if (i // 2 + step // 15) % 2 else 1.0)
            parameter.grad = noise.to(memory_format=torch.channels_last) if noise.dim() == 4 else noise
        if not method.after_backward(step):
            optimizer.step()
            method.after_step(step)
        layers = method.layers()
        assert sum(layer.kept for layer in layers.values()) == total
        assert all(0 <= layer.kept <= layer.numel for layer in layers.values())
        for name, mask in method.masks().items():
            assert not bool(method.modules[name].weight[~mask].any())
        seen.add(tuple(layer.kept for layer in layers.values()))
        full += any(layer.kept == layer.numel for layer in layers.values())
    moves = slug != "deep-r" and method.params.redistribution != "none"
    assert len(seen) == 1 or moves
    assert len(seen) > 1 or not moves or density > 0.9  # hardly any room to move to
    assert full > 0 or slug != "sparse-momentum" or not moves or density < 0.5
