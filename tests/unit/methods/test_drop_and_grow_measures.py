"""What drop-and-grow methods measure of their masks, and what criteria remember of earlier steps."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError
from dst_repro.seeding import generator
from dst_repro.sparsity.measuring import Exploration, agreement
from dst_repro.training.loop import Trainer
from tests.conftest import MethodFactory, TrainerFactory

EVERY_5 = {"update_period": 5, "decay": "constant", "update_end": 1.0}


def steps(run: Trainer, data: Data, n: int, first: int = 0) -> None:
    for step, batch in itertools.islice(enumerate(data.train_batches(40, 0, 0)), first, first + n):
        run._step(step, *batch)


def mask(*active: int) -> dict[str, Tensor]:
    return {"a": torch.isin(torch.arange(6), torch.tensor(active))}


def test_exploration_by_hand() -> None:
    """Active 0 1 2, then 1 2 3, then 0 1 5: five ever, 0 and 1 from the start."""
    measured = Exploration(mask(0, 1, 2))
    assert measured.events(mask(0, 1, 2)) == {"explored": {"a": 3.0}, "from_start": {"a": 3.0}}
    for masks in (mask(1, 2, 3), mask(0, 1, 5)):
        measured.add(masks)
    assert measured.events(mask(0, 1, 5)) == {"explored": {"a": 5.0}, "from_start": {"a": 2.0}}


def test_agreement_by_hand() -> None:
    found = agreement({"x": mask(0, 1, 2), "y": mask(2, 3), "z": mask()})
    assert found == {
        "selected/x": {"a": 3.0},
        "selected/y": {"a": 2.0},
        "selected/z": {"a": 0.0},
        "common/x/y": {"a": 1.0},
        "common/x/z": {"a": 0.0},
        "common/y/z": {"a": 0.0},
    }


@pytest.mark.parametrize("method", ["set", "rigl", "dsr", "sparse-momentum", "drop-and-grow", "granet"])
def test_masks_of_a_training_are_measured(trainer: TrainerFactory, digits: Data, method: str) -> None:
    """Counted anew from the masks after every step."""
    run = trainer(method, density=0.1, method_params={"update_period": 5})
    start = {name: m.clone() for name, m in run.method.masks().items()}
    ever = start
    for step in range(22):
        steps(run, digits, 1, step)
        ever = {name: ever[name] | m for name, m in run.method.masks().items()}
    events = run.method.events()
    assert events["explored"] == {name: float(m.sum()) for name, m in ever.items()}
    now = run.method.masks()
    assert events["from_start"] == {name: float((start[name] & m).sum()) for name, m in now.items()}
    assert sum(events["explored"].values()) > 5020
    assert sum(events["from_start"].values()) < sum(float(m.sum()) for m in start.values())


def test_two_random_masks_have_the_jaccard_index_of_chance() -> None:
    """rho / (2 - rho) of two independent choices of a share rho, as two criteria `random` would make."""
    for rho, within in ((0.5, 0.01), (0.25, 0.01), (0.125, 0.01)):
        one, two = (
            torch.zeros(40_000).index_fill(
                0, torch.randperm(40_000, generator=generator(s, "j"))[: int(40_000 * rho)], 1
            )
            for s in (0, 1)
        )
        found = agreement({"a": {"": one.bool()}, "b": {"": two.bool()}})
        common = found["common/a/b"][""]
        union = found["selected/a"][""] + found["selected/b"][""] - common
        assert common / union == pytest.approx(rho / (2 - rho), abs=within)


COMPARED = ["magnitude", "random", "each-sign-equal", "running-snip", "sign-flip", "reciprocal-sensitivity"]


@pytest.mark.parametrize("timing", ["before-step", "instead-of-step", "after-step"])
@pytest.mark.parametrize("drop", ["magnitude", "random", "running-magnitude"])
def test_comparing_changes_nothing(trainer: TrainerFactory, digits: Data, timing: str, drop: str) -> None:
    params = EVERY_5 | {"timing": timing, "drop": drop}
    plain = trainer("drop-and-grow", density=0.2, method_params=params)
    compared = trainer("drop-and-grow", density=0.2, method_params=params | {"compare": COMPARED})
    for run in (plain, compared):
        steps(run, digits, 12)
    for a, b in zip(plain.model.parameters(), compared.model.parameters(), strict=True):
        assert torch.equal(a, b)
    events = compared.method.events()
    names = {f"selected/{a}" for a in COMPARED} | {f"common/{a}/{b}" for a, b in itertools.combinations(COMPARED, 2)}
    assert set(events) == {"explored", "from_start"} | names
    assert set(plain.method.events()) == {"explored", "from_start"}


def test_choices_are_compared_in_the_state_of_the_update(trainer: TrainerFactory, digits: Data) -> None:
    """At the first update, half of 20 %: the engine's own choice by the criterion is what it compares; two random
    choices of a layer of 64 * 300 * p weights have what chance gives in common. Nothing is compared before it.
    """
    params = EVERY_5 | {"compare": ["magnitude", "random", "mest"], "prune_rate": 0.5}
    run = trainer("drop-and-grow", density=0.2, method_params=params)
    steps(run, digits, 4)
    assert "selected/magnitude" not in run.method.events()
    before = {name: m.clone() for name, m in run.method.masks().items()}
    sizes: dict[str, Tensor] = {}
    update = run.method.update

    def spy(done: int) -> None:
        sizes.update({name: m.weight.detach().abs().clone() for name, m in run.method.modules.items()})
        update(done)

    run.method.update = spy  # type: ignore[method-assign]
    steps(run, digits, 1, 4)
    events = run.method.events()
    for name, active in before.items():
        number = int(active.sum())
        rate = run.method.rate(5)  # type: ignore[attr-defined]
        assert {events[f"selected/{slug}"][name] for slug in params["compare"]} == {float(int(rate * number))}
    size, chosen = float(before["fc1"].sum()), events["selected/random"]["fc1"]
    share = chosen / size
    deviation = (size * share * share * (1 - share) * (1 - share)) ** 0.5
    assert abs(events["common/magnitude/random"]["fc1"] - size * share * share) < 4 * deviation
    assert events["common/magnitude/mest"]["fc1"] > events["common/magnitude/random"]["fc1"]


def test_dense_layers_are_compared_too(trainer: TrainerFactory, digits: Data) -> None:
    run = trainer("drop-and-grow", density=1.0, method_params=EVERY_5 | {"compare": ["magnitude", "random"]})
    steps(run, digits, 5)
    assert run.method.events()["selected/random"]["fc3"] == 500.0
    assert run.method.events()["explored"]["fc3"] == 1000.0


def test_one_update_and_no_more(build: MethodFactory) -> None:
    """1000 steps; T_end lies between the first and the second multiple of 400."""
    params = {"update_period": 400, "update_end": 0.5, "decay": "constant"}
    for fidelity in ("paper", "released"):
        made = build(nn.Linear(4, 4), "drop-and-grow", 1000, density=0.5, fidelity=fidelity, method_params=params)
        assert [done for done in range(1001) if made.due(done)] == [400]
        assert made.rate(400) == 0.5


@pytest.mark.parametrize("timing", ["before-step", "instead-of-step", "after-step"])
@pytest.mark.parametrize("batches", [1, 3, 5])
def test_gradient_is_the_mean_of_the_latest_batches(
    trainer: TrainerFactory, digits: Data, timing: str, batches: int
) -> None:
    """Recorded by hand at every step of a training that updates every five."""
    params = EVERY_5 | {"grow": "gradient", "gradient_batches": batches, "timing": timing}
    run = trainer("drop-and-grow", density=0.1, method_params=params)
    method: Any = run.method
    seen: list[Tensor] = []
    read: list[tuple[int, Tensor]] = []
    after_backward, grow = method.after_backward, method.grow

    def record(step: int) -> bool:
        seen.append(method.modules["fc1"].weight.grad.clone())
        return bool(after_backward(step))

    def spy(name: str, free: Tensor, n: int, step: int) -> Tensor:
        if name == "fc1":
            read.append((len(seen), method.gradient(name).clone()))
        return grow(name, free, n, step)

    method.after_backward, method.grow = record, spy
    steps(run, digits, 17)
    assert [number for number, _ in read] == ([6, 11, 16] if timing == "instead-of-step" else [5, 10, 15])
    for number, gradient in read:
        assert torch.allclose(gradient, torch.stack(seen[number - batches : number]).mean(0), atol=1e-7)


def test_gradients_are_added_up_only_before_an_update(trainer: TrainerFactory, digits: Data) -> None:
    run = trainer("drop-and-grow", density=0.1, method_params=EVERY_5 | {"gradient_batches": 2})
    held = []
    for step in range(10):
        steps(run, digits, 1, step)
        held.append(run.method.state_dict()["memory"]["summed"])
    assert held == [0, 0, 0, 1, 0, 0, 0, 0, 1, 0]


def test_more_batches_than_steps_between_updates_are_refused(trainer: TrainerFactory) -> None:
    with pytest.raises(ConfigError, match=r"method_params.gradient_batches: an update comes every 5 steps"):
        trainer("rigl", density=0.1, method_params={"update_period": 5, "gradient_batches": 6})


def test_a_criterion_to_compare_twice_is_refused(trainer: TrainerFactory) -> None:
    with pytest.raises(ConfigError, match=r"method_params.compare: a criterion is named twice"):
        trainer("rigl", density=0.1, method_params={"compare": ["snip", "snip"]})


@pytest.mark.parametrize(("fidelity", "beta"), [("paper", 0.75), ("released", 1.0)])
def test_running_average_by_hand(trainer: TrainerFactory, digits: Data, fidelity: str, beta: float) -> None:
    """s = x at the first step after an update, then beta * s + (1 - beta) * x. Released, gamma is beta: it stays."""
    params = EVERY_5 | {"drop": "running-snip", "beta": 0.75}
    run = trainer("drop-and-grow", density=0.1, fidelity=fidelity, method_params=params)
    method: Any = run.method
    after_backward, expected = method.after_backward, [torch.zeros(())]

    def record(step: int) -> bool:
        weight = method.modules["fc1"].weight
        x = (weight.detach() * weight.grad).abs()
        expected[0] = x if step % 5 == 0 else beta * expected[0] + (1 - beta) * x
        return bool(after_backward(step))

    method.after_backward = record
    for step in range(9):
        steps(run, digits, 1, step)
        if step == 4:
            assert method.memory.averages == {}
        else:
            assert torch.allclose(method.memory.averages["running-snip"]["fc1"], expected[0], rtol=1e-5, atol=1e-12)


def test_sign_flip_drops_what_changed_its_sign_since_the_last_update(build: MethodFactory) -> None:
    """1, -2, 3, -4 become -1, -2, -3, -4; 5 and 6 were zero. First of four go -1, then -3, then -2."""
    model = nn.Sequential(nn.Linear(4, 2, bias=False))
    params = {"drop": "sign-flip", "update_period": 10}
    method: Any = build(model, "drop-and-grow", density=0.75, method_params=params)
    weight = model[0].weight
    for value in ([[1.0, -2, 3, -4], [0, 0, 0, 0]], [[-1.0, -2, -3, -4], [5, 6, 0, 0]]):
        with torch.no_grad():
            weight.copy_(torch.tensor(value))
        if value[1][0] == 0:
            method._remember()
    method.set_masks({"0": weight != 0})
    for rate, gone in ((1 / 6, [[0, 0]]), (2 / 6, [[0, 0], [0, 2]]), (0.5, [[0, 0], [0, 1], [0, 2]])):
        assert method.drop(rate + 1e-6, 10)["0"].nonzero().tolist() == gone
