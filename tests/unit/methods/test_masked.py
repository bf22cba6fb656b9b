"""What every method with an explicit mask keeps to: exact zeros, and exactly the number of weights asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dst_repro.data.base import Data, Images
from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context, Given, maskable
from dst_repro.methods.imp import IMP
from dst_repro.seeding import generator
from dst_repro.sparsity.pruning import PruneParams
from dst_repro.training.optimisation import build_optimizer
from tests.conftest import MethodFactory, RunFactory

NETWORKS = {
    "conv": lambda: nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(96, 4)),
    "a weight here and there": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(64, 1), nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 13), nn.Linear(13, 4)
    ),
}
DENSITIES = [0.001, 0.007, 0.0365, 0.1, 1 / 3, 0.5, 0.5365, 0.75, 0.999, 1.0]
BROKEN = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30, -1.0])


def pixels() -> Data:
    images = torch.randint(0, 256, (60, 1, 8, 8), generator=generator(0, "pixels"), dtype=torch.uint8)
    part = Images(images, torch.arange(60) % 4)
    return Data("pixels", part, None, part, classes=4, divisor=255.0, note="", sha256={})


def broken(shape: torch.Size) -> Tensor:
    return BROKEN.repeat(-(-shape.numel() // 5))[: shape.numel()].view(shape)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    ("slug", "params"),
    [
        ("static", {}),
        ("rigl", {"update_period": 50, "momentum": "masked"}),
        ("rigl", {"update_period": 50, "momentum": "dense"}),
    ],
)
def test_a_pruned_weight_is_zero_whatever_its_gradient_is(
    build: MethodFactory,
    tiny: RunFactory,
    slug: str,
    params: dict[str, Any],
    layout: torch.memory_format,
    optimizer: str,
) -> None:
    torch.manual_seed(0)
    model = NETWORKS["conv"]().to(memory_format=layout)
    fields = {"density": 0.3, "method_params": params, "optimizer": optimizer}
    method = build(model, slug, **fields)
    masked = {name: module.weight for name, module in maskable(model).items()}
    made = build_optimizer(tiny(slug, **fields), method.param_groups(model, 0.0))
    method.bind(made)
    for step in range(2):
        kept = {name: weight.detach()[method.masks()[name]] for name, weight in masked.items()}
        for name, weight in masked.items():
            gradient = torch.where(method.masks()[name], 1.0, broken(weight.shape))
            weight.grad = torch.empty_like(weight).copy_(gradient)  # as it is laid out
        assert method.after_backward(step) is False
        made.step()
        method.after_step(step)
        for name, weight in masked.items():
            mask = method.masks()[name]
            assert torch.equal(weight.detach()[~mask], torch.zeros(int((~mask).sum())))
            assert bool(weight.detach()[mask].isfinite().all())
            assert not torch.equal(weight.detach()[mask], kept[name])


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_what_a_mask_prunes_was_perhaps_no_number(build: MethodFactory, tiny: RunFactory, optimizer: str) -> None:
    """Weights, momentum and squares, where they are pruned and where they start anew."""
    model = NETWORKS["conv"]().to(memory_format=torch.channels_last)
    method = build(model, "static", density=0.9)
    made = build_optimizer(tiny("static", density=0.9, optimizer=optimizer), method.param_groups(model, 0.0))
    method.bind(made)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    made.step()
    names, before, masks, restart = [], {}, {}, {}
    for name, module in method.modules.items():
        states = [v for v in made.state[module.weight].values() if v.shape == module.weight.shape]
        assert len(states) == (2 if optimizer == "adam" else 1)
        for value in (module.weight.data, *states):
            value.copy_(broken(value.shape))
        names.append(name)
        before[name] = [module.weight.data, *states], [module.weight.data.clone(), *map(torch.clone, states)]
        masks[name] = torch.arange(module.weight.numel()).view(module.weight.shape) % 3 > 0
        restart[name] = torch.arange(module.weight.numel()).view(module.weight.shape) % 3 == 1
    method.set_masks(masks, restart)
    for name in names:
        keep = masks[name] & ~restart[name]
        for now, was in zip(*before[name], strict=True):
            assert torch.equal(now[~keep], torch.zeros(int((~keep).sum())))
            assert torch.equal(now[keep].view(torch.int32), was[keep].view(torch.int32))


def kept(method: Any) -> int:
    return sum(layer.kept for layer in method.layers().values())


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("scope", ["uniform", "er", "erk", "global"])
@pytest.mark.parametrize("slug", ["static", "gmp", "one-shot", "snip", "grasp", "synflow"])
def test_every_density_is_reached_exactly(build: MethodFactory, slug: str, scope: str, network: str) -> None:
    data = pixels()
    for i, density in enumerate(DENSITIES):
        for part in ({}, {"exempt": ["1" if network != "conv" else "0"]}, {"layers": "convolutions"}):
            if "layers" in part and network != "conv":
                continue
            params = part | {"distribution" if slug == "static" else "scope": scope}
            params |= {"gmp": {"update_period": 1}, "static": {}}.get(slug, {"iterations": 1 + i % 3})
            torch.manual_seed(0)
            method = build(NETWORKS[network](), slug, 12, data=data, density=density, method_params=params)
            if slug == "gmp":
                for step in range(12):
                    method.after_step(step)
            wanted, sizes = method.wanted(), {n: m.weight.numel() for n, m in method.modules.items()}
            dense = {"exempt": list(sizes)[:1], "layers": list(sizes)[2:]}[next(iter(part))] if part else []
            assert all(method.layers()[name].kept == sizes[name] for name in dense)
            number = sum(sizes[name] for name in sizes if name not in dense)
            assert kept(method) == round(density * number) + sum(sizes[name] for name in dense)
            assert wanted == range(kept(method), kept(method) + 1)
            assert method.at_target()


def test_grasp_as_released_ends_where_it_should(build: MethodFactory) -> None:
    """int(N * 0.9) - 1 of 636 are pruned: 571."""
    method = build(NETWORKS["conv"](), "grasp", data=pixels(), density=0.1, fidelity="released")
    assert sum(module.weight.numel() for module in method.modules.values()) == 36 + 216 + 384
    assert (kept(method), method.wanted()) == (65, range(65, 66))


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("scope", ["uniform", "er", "erk", "global"])
def test_a_round_after_any_mask_is_exact(tiny: RunFactory, scope: str, network: str) -> None:
    """Masks of the round before with any number of weights, none and one among them, in any layer."""
    rng = generator(0, "masks")
    for density in DENSITIES:
        model = NETWORKS[network]()
        layers = maskable(model)
        before = {
            n: torch.rand(m.weight.shape, generator=rng) < torch.rand(1, generator=rng) for n, m in layers.items()
        }
        left, numel = (sum(int(count(m)) for m in before.values()) for count in (torch.sum, torch.numel))
        config = tiny("imp", density=density, mask_from={"method": "dense"}, method_params={"scope": scope})
        context = Context(config, 10, given=Given(model.state_dict(), before))
        method = IMP(PruneParams(scope=scope), context)
        if round(density * numel) > left:
            with pytest.raises(
                ConfigError, match=f"^density: the round before has left {left} of {numel} weights, a dens"
            ):
                method.prepare(model)
            continue
        method.prepare(model)
        assert kept(method) == round(density * numel) == method.wanted()[0]
        assert not any(bool((mask & ~before[name]).any()) for name, mask in method.masks().items())
