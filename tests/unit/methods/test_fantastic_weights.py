"""The plain engine with the settings of the comparison of criteria, and what its released code does otherwise."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dst_repro.data.base import Data
from dst_repro.registry import drops, grows
from dst_repro.sparsity.distribution import densities
from tests.conftest import MethodFactory, TrainerFactory

EVERY_5 = {"update_period": 5, "decay": "constant"}
RELEASED = {"fidelity": "released"}
C5 = ("magnitude", "mest", "snip", "each-sign", "reciprocal-sensitivity")


def network() -> nn.Sequential:
    """A convolution, a layer that ERK makes dense at 20 %, and two more."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 36, 40), nn.ReLU(), nn.Linear(40, 30), nn.Linear(30, 2)
    )


def after_one_backward(model: nn.Module) -> None:
    images = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    model(images).square().sum().backward()


@pytest.mark.parametrize("density", [1.0, 0.5, 0.2, 0.05])
@pytest.mark.parametrize("grow", sorted(set(grows.discover()) - {"momentum"}))
@pytest.mark.parametrize("drop", sorted(drops.discover()))
def test_every_criterion_keeps_the_count_of_every_layer(
    build: MethodFactory, drop: str, grow: str, density: float
) -> None:
    model = network()
    params = EVERY_5 | {"drop": drop, "grow": grow, "timing": "instead-of-step"}
    method: Any = build(model, "drop-and-grow", density=density, method_params=params)
    start = {name: mask.clone() for name, mask in method.masks().items()}
    kept = method.layers()
    after_one_backward(model)
    dropped = method.drop(0.5, 5)
    for name, mask in start.items():
        number = int(mask.sum())
        assert name in dropped or number == mask.numel()
        if name not in dropped:
            continue
        gone = int(dropped[name].sum())
        assert not bool((dropped[name] & ~mask).any())
        signs = [int((mask & (sign * method.modules[name].weight > 0)).sum()) for sign in (1, -1)]
        if drop == "each-sign":
            assert gone == sum(n // 2 for n in signs)
        elif drop == "each-sign-equal":
            assert gone == sum(min(n, (number // 2 + 1) // 2) for n in signs)
        elif drop != "each-sign-released":
            assert gone == number // 2
    dense = {n: method.modules[n].weight.detach().clone() for n, mask in start.items() if bool(mask.all())}
    assert method.after_backward(5) is True
    assert method.layers() == kept
    assert sum(layer.kept for layer in kept.values()) == round(density * sum(mask.numel() for mask in start.values()))
    for name, mask in method.masks().items():
        weight = method.modules[name].weight
        assert not bool(weight[~mask].any())
        if name in dense:
            assert torch.equal(weight, dense[name])
        else:
            assert bool((weight[mask & ~start[name]] == 0).all())


def test_defaults_are_those_of_the_comparison(build: MethodFactory) -> None:
    method: Any = build(nn.Linear(8, 8), "drop-and-grow", steps=35_200, density=0.5)
    assert [done for done in range(35_201) if method.due(done)] == list(range(800, 35_200, 800))
    assert method.rate(17_600) == pytest.approx(0.2525)
    assert method.rate(35_200) == pytest.approx(0.005)
    released: Any = build(nn.Linear(8, 8), "drop-and-grow", steps=35_200, density=0.5, **RELEASED)
    assert sum(released.due(done) for done in range(35_201)) == 44
    assert released.due(35_200)


@pytest.mark.parametrize("grow", ["random", "gradient"])
@pytest.mark.parametrize("drop", C5)
@pytest.mark.parametrize(
    ("fidelity", "params", "changes"),
    [
        ("released", {}, False),
        ("released", {"dense_layers": "reset"}, False),
        ("paper", {}, False),
        ("paper", {"dense_layers": "reset"}, True),
    ],
)
def test_updates_at_density_1(
    build: MethodFactory, drop: str, grow: str, fidelity: str, params: dict[str, Any], changes: bool
) -> None:
    """What is dropped grows again at once: with its value nothing has changed; from zero, half of the weights have."""
    model = network()
    params = EVERY_5 | {"drop": drop, "grow": grow} | params
    method: Any = build(model, "drop-and-grow", density=1.0, fidelity=fidelity, method_params=params)
    after_one_backward(model)
    before = {name: module.weight.detach().clone() for name, module in method.modules.items()}
    method.update(5)
    assert all(bool(mask.all()) for mask in method.masks().values())
    for name, weight in before.items():
        changed = int((method.modules[name].weight != weight).sum())
        assert abs(changed - weight.numel() / 2) <= 2 if changes else changed == 0


@pytest.mark.parametrize(
    ("drop", "early"),
    [("magnitude", False), ("random", False), ("each-sign", False), ("running-magnitude", False), ("mest", True)]
    + [(slug, True) for slug in ("snip", "reciprocal-sensitivity", "sensitivity", "gradient-step", "running-snip")],
)
def test_released_order_of_update_and_step_goes_by_the_criterion(
    trainer: TrainerFactory, digits: Data, drop: str, early: bool
) -> None:
    """Before the weight step, grown weights get one in the same iteration; after it they are zero until the next."""
    run = trainer("drop-and-grow", density=0.1, method_params=EVERY_5 | {"drop": drop}, **RELEASED)
    for step, batch in enumerate(itertools.islice(digits.train_batches(40, 0, 0), 5)):
        before = {name: mask.clone() for name, mask in run.method.masks().items()}
        run._step(step, *batch)
    grown = run.method.masks()["fc3"] & ~before["fc3"]
    moved = run.method.modules["fc3"].weight[grown] != 0
    assert int(grown.sum()) > 10
    assert bool(moved.any()) == early


def test_released_set_drops_half_whatever_the_rate(build: MethodFactory) -> None:
    """Of N weights: the negative ones and one more; corrected, ceil(0.005 N) to one a sign."""
    model = nn.Sequential(nn.Linear(200, 100, bias=False))
    shares = {}
    for drop in ("each-sign", "each-sign-equal"):
        method: Any = build(model, "drop-and-grow", density=0.5, method_params={"drop": drop}, **RELEASED)
        shares[drop] = int(method.drop(0.005, 5)["0"].sum()) / int(method.masks()["0"].sum())
    assert 0.48 < shares["each-sign"] < 0.52
    assert shares["each-sign-equal"] == pytest.approx(0.005, abs=2e-4)


@pytest.mark.parametrize("distribution", ["er", "erk"])
def test_released_masks_are_drawn_weight_by_weight_as_erk(build: MethodFactory, distribution: str) -> None:
    model = network()
    shapes = {n: tuple(m.weight.shape) for n, m in model.named_modules() if hasattr(m, "weight")}
    expected = densities(shapes, 0.2, "erk")
    params = {"distribution": distribution}
    totals = []
    for seed in range(8):
        method = build(model, "drop-and-grow", density=0.2, seed=seed, method_params=params, **RELEASED)
        for name, mask in method.masks().items():
            p, n = expected[name], mask.numel()
            assert abs(int(mask.sum()) - p * n) <= 4.5 * (n * p * (1 - p)) ** 0.5
        totals.append(sum(layer.kept for layer in method.layers().values()))
    assert len(set(totals)) > 1


def test_released_growth_strays_and_stays_near(build: MethodFactory) -> None:
    """Each of 50 updates drops 500 of 1000 and grows 500 of 3500 by chance: sqrt(50 * 500 * 6/7) = 146."""
    method: Any = build(
        nn.Sequential(nn.Linear(100, 40)), "drop-and-grow", density=0.25, method_params=EVERY_5, **RELEASED
    )
    counts = []
    for done in range(5, 255, 5):
        method.update(done)
        counts.append(method.layers()["0"].kept)
    assert len(set(counts)) > 25
    assert all(abs(count - 1000) < 5 * 146 for count in counts)


def test_released_momentum_is_dense_and_never_reset(trainer: TrainerFactory, digits: Data) -> None:
    """By hand from all gradients: v = 0.9 v + g, through an update that prunes and grows."""
    run = trainer("drop-and-grow", density=0.1, method_params=EVERY_5, **RELEASED)
    after_backward = run.method.after_backward
    expected: list[Tensor] = [torch.zeros(300, 64)]

    def record(step: int) -> bool:
        expected[0] = 0.9 * expected[0] + run.method.modules["fc1"].weight.grad
        return after_backward(step)

    run.method.after_backward = record  # type: ignore[method-assign]
    for step, batch in enumerate(itertools.islice(digits.train_batches(40, 0, 0), 7)):
        run._step(step, *batch)
    buffer = run.optimizer.state[run.method.modules["fc1"].weight]["momentum_buffer"]
    assert torch.allclose(buffer, expected[0], atol=1e-6)
    assert not bool(run.method.modules["fc1"].weight[~run.method.masks()["fc1"]].any())


def test_counts_are_rounded_up_as_released(build: MethodFactory) -> None:
    for fidelity, number in (("paper", 2), ("released", 3)):
        made: Any = build(nn.Linear(4, 4), "drop-and-grow", density=0.5, fidelity=fidelity)
        assert made.rounded(2.1) == number
