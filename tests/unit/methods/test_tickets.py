"""Masks of other runs, rewinding and redrawn initialisations: what training starts with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError
from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.records.record import Record
from dst_repro.training.loop import Trainer
from dst_repro.training.optimisation import learning_rate, set_learning_rate
from dst_repro.training.parents import provide_states
from dst_repro.training.run import Policy, train
from dst_repro.training.state import begin, read_state
from tests.conftest import RunFactory, TrainerFactory
from tests.contract.test_methods import one_each

TICKET = {"density": 0.3, "method_params": {"scope": "global"}, "mask_from": {"method": "dense"}}
FALLING = {"schedule": "cosine", "epochs": 3}


def weights(run: Trainer) -> dict[str, Tensor]:
    return {name: module.weight.detach().clone() for name, module in run.method.modules.items()}


def largest(values: dict[str, Tensor], n: int) -> dict[str, Tensor]:
    """The n largest of all layers, by sorting in Python."""
    ranked = sorted(
        ((abs(float(x)), name, i) for name, t in values.items() for i, x in enumerate(t.flatten())), reverse=True
    )
    masks = {name: torch.zeros(t.numel(), dtype=torch.bool) for name, t in values.items()}
    for _, name, i in ranked[:n]:
        masks[name][i] = True
    return {name: mask.view(values[name].shape) for name, mask in masks.items()}


def test_a_ticket_keeps_the_largest_final_weights_and_starts_from_the_initial_ones(trainer: TrainerFactory) -> None:
    dense = trainer("dense")
    initial = weights(dense)
    dense.run_epoch()
    dense.run_epoch()
    expected = largest(weights(dense), round(0.3 * 50_200))
    ticket = trainer("imp", **TICKET)
    for name, weight in weights(ticket).items():
        assert torch.equal(ticket.method.masks()[name], expected[name])
        assert torch.equal(weight, initial[name] * expected[name])


def test_the_next_round_prunes_what_the_first_has_left(trainer: TrainerFactory, tmp_path: Path) -> None:
    second = trainer("imp", **TICKET | {"density": 0.24, "mask_from": {"method": "imp"} | TICKET})
    (first,) = second.config.parents.values()
    before = read_state(tmp_path / "parents", first).given
    expected = largest(layers(before.network, before.masks), round(0.24 * 50_200))
    for name, mask in second.method.masks().items():
        assert torch.equal(mask, expected[name])
        assert not bool((mask & ~before.masks[name]).any())


@pytest.mark.parametrize("parent", ["mask_from", "weights_from"])
@pytest.mark.parametrize(
    ("scope", "density"), [("uniform", 0.05), ("erk", 0.09), ("er", 0.1), ("global", 0.1), ("uniform", 0.0973)]
)
def test_a_round_of_another_scope_is_exact(
    trainer: TrainerFactory, tmp_path: Path, parent: str, scope: str, density: float
) -> None:
    """After 10 % of all weights, which leaves some layers fewer than their shares."""
    before = {"method": "imp", parent: {"method": "dense"}, "density": 0.1, "method_params": {"scope": "global"}}
    run = trainer("imp", **{parent: before}, density=density, method_params={"scope": scope})
    (first,) = run.config.parents.values()
    given = read_state(tmp_path / "parents", first).given
    kept = sum(layer.kept for layer in run.method.layers().values())
    assert kept == round(density * 50_200)
    assert run.method.wanted() == range(kept, kept + 1)
    assert not any(bool((mask & ~given.masks[name]).any()) for name, mask in run.method.masks().items())
    assert run.method.at_target()


@pytest.mark.parametrize("parent", ["mask_from", "weights_from"])
@pytest.mark.parametrize("scope", ["uniform", "erk", "global"])
def test_a_round_denser_than_the_one_before_is_refused(trainer: TrainerFactory, parent: str, scope: str) -> None:
    before = {"method": "imp", parent: {"method": "dense"}, "density": 0.1, "method_params": {"scope": "global"}}
    said = (
        r"^density: the round before has left 5020 of 50200 weights, a density of 0\.1: must be that or less, not 0\.2$"
    )
    with pytest.raises(ConfigError, match=said):
        trainer("imp", **{parent: before}, density=0.2, method_params={"scope": scope})


def test_a_first_round_may_keep_every_weight(trainer: TrainerFactory) -> None:
    for parent in ("mask_from", "weights_from"):
        run = trainer("imp", **{parent: {"method": "dense"}}, density=1.0)
        assert all(layer.kept == layer.numel for layer in run.method.layers().values())


def layers(network: dict[str, Tensor], masks: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: network[f"{name}.weight"] for name in masks}


def test_a_redrawn_initialisation_has_the_mask_and_other_weights(trainer: TrainerFactory) -> None:
    ticket, redrawn = trainer("imp", **TICKET), trainer("imp", **TICKET, initialisation="redrawn")
    other = weights(trainer("dense", initialisation="redrawn"))
    for name, weight in weights(redrawn).items():
        mask = ticket.method.masks()[name]
        assert torch.equal(mask, redrawn.method.masks()[name])
        assert torch.equal(weight, other[name] * mask)
        assert not torch.equal(weight, weights(ticket)[name])


def test_weights_after_some_steps_are_those_of_that_training(trainer: TrainerFactory, digits: Data) -> None:
    """30 steps, an epoch of 23 and 7 more, taken here one by one, with the learning rates of the whole training."""
    dense = trainer("dense", **FALLING)
    for step in range(30):
        if step % 23 == 0:
            batches = digits.train_batches(64, 0, step // 23)
        set_learning_rate(dense.optimizer, learning_rate(dense.config, step, 23))
        dense._step(step, *next(batches))
    expected = weights(dense)
    rewound = trainer("given-mask", **FALLING, mask_from={"method": "static", "density": 0.3},
                      weights_from={"method": "dense"}, weights_at={"step": 30})  # fmt: skip
    for name, weight in weights(rewound).items():
        assert torch.equal(weight, expected[name] * rewound.method.masks()[name])


@pytest.mark.parametrize(("moment", "epochs"), [({"step": 0}, 0), ({"epoch": 1}, 1), ({"step": 46}, 2), (None, 3)])
def test_moments_between_epochs(trainer: TrainerFactory, moment: dict[str, int] | None, epochs: int) -> None:
    dense = trainer("dense", **FALLING)
    for _ in range(epochs):
        dense.run_epoch()
    fields = {"density": 0.3, "weights_from": {"method": "dense"}, "weights_at": moment}
    start = trainer("one-shot", **FALLING, **fields)
    for name, weight in weights(start).items():
        assert torch.equal(weight, weights(dense)[name] * start.method.masks()[name])


@pytest.mark.parametrize("fields", one_each())
def test_any_method_hands_over_its_mask(tiny: RunFactory, results: Path, fields: dict[str, Any]) -> None:
    child = tiny("given-mask", mask_from=fields)
    provide_states(child, results)
    (parent,) = child.parents.values()
    made, found = train(child, results), train(parent, results)
    assert made.mask_sha256 == found.mask_sha256
    assert [layer.kept for layer in made.layers] == [layer.kept for layer in found.layers]


def test_a_shuffled_mask_keeps_the_counts_of_the_layers(trainer: TrainerFactory) -> None:
    given, shuffled = {"mask_from": {"method": "snip", "density": 0.1}}, {"method_params": {"positions": "shuffled"}}
    kept, one, other = (trainer("given-mask", **given, **fields) for fields in ({}, shuffled, shuffled | {"seed": 1}))
    assert one.method.layers() == kept.method.layers()
    for name, mask in kept.method.masks().items():
        same = (mask & one.method.masks()[name]).sum() / mask.sum()
        assert float(same) == pytest.approx(float(mask.float().mean()), abs=0.05)
        assert not torch.equal(one.method.masks()[name], other.method.masks()[name])


def test_states_made_again_are_equal_to_the_bit(tiny: RunFactory, results: Path) -> None:
    child = tiny("imp", **TICKET | {"weights_from": {"method": "dense"}, "weights_at": {"step": 30}})
    provide_states(child, results)
    paths = sorted((results / "states").iterdir())
    assert len(paths) == 2
    before = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    provide_states(child, results)
    assert [path.read_bytes() for path in paths] == before
    weights_there, given = begin(child, results)
    assert weights_there is not None
    assert given is not None
    assert not torch.equal(weights_there["fc1.weight"], given.network["fc1.weight"])


@pytest.mark.parametrize(
    ("method", "fields", "message"),
    [
        ("given-mask", {}, "mask_from: method 'given-mask' needs the run whose mask it takes"),
        ("rigl", {"density": 0.1, "mask_from": {"method": "dense"}}, "mask_from: method 'rigl' makes its mask from no"),
        ("dense", {"weights_at": {"step": 3}}, "weights_at: needs `weights_from`"),
        ("dense", {"weights_from": {"method": "dense"}, "initialisation": "redrawn"}, "initialisation: has no part in"),
        (
            "dense",
            {"weights_from": {"method": "dense"}, "weights_at": {"epoch": 3}},
            "weights_at.epoch: that run",
        ),
        (
            "dense",
            {"weights_from": {"method": "dense"}, "weights_at": {"day": 3}},
            "weights_at: Value error, must be `{epoch",
        ),
        (
            "dense",
            {"weights_from": {"method": "dense"}, "weights_at": {"step": -1}},
            "weights_at.step: Input should",
        ),
        ("imp", {"density": 0.1}, "mask_from: method 'imp' needs the run before, here or in `weights_from`"),
        ("dense", {"begin_at": {"epoch": 2}}, "begin_at.epoch: the run has 2 epochs"),
        ("given-mask", {"mask_from": {"method": "dense", "seed": 1}}, "mask_from.seed: a run has this in common"),
    ],
)
def test_mistakes_are_named(tiny: RunFactory, method: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tiny(method, **fields)
    assert message in str(caught.value)


def test_one_moment_has_one_spelling(tiny: RunFactory) -> None:
    def run(**fields: Any) -> str:
        return str(tiny("one-shot", density=0.1, weights_from={"method": "dense"}, **fields).id)

    assert run(weights_at={"step": 0}) == run(weights_at={"epoch": 0})
    assert run(weights_at={"epoch": 2}) == run()
    assert run(begin_at={"step": 0}) == run(begin_at={"epoch": 0}) == run()


REWOUND = {"weights_from": {"method": "dense"}, "weights_at": {"step": 30}, "begin_at": {"step": 30}}


def test_a_rewound_training_goes_on_where_the_other_was(trainer: TrainerFactory, digits: Data) -> None:
    """Dense from its own weights of step 30, without momentum: the 39 steps that are left, one by one."""
    rewound = trainer("dense", **FALLING, **REWOUND)
    start = weights(rewound)
    for _ in range(2):
        rewound.run_epoch()
    assert rewound.epoch == 3
    by_hand = trainer("dense", **FALLING)
    with torch.no_grad():
        for name, module in by_hand.method.modules.items():
            module.weight.copy_(start[name])
        for name, value in trainer("dense", **FALLING, **REWOUND).model.state_dict().items():
            by_hand.model.state_dict()[name].copy_(value)
    for step in range(30, 69):
        if step == 30 or step % 23 == 0:
            batches = iter(list(digits.train_batches(64, 0, step // 23))[step % 23 :])
        set_learning_rate(by_hand.optimizer, learning_rate(by_hand.config, step, 23))
        by_hand._step(step, *next(batches))
    for name, weight in weights(rewound).items():
        assert torch.equal(weight, weights(by_hand)[name])
    rows = {(step, epoch) for step, epoch, *_ in rewound.history.rows}
    assert rows == {(30, 1), (46, 2), (69, 3)}


def test_a_rewound_training_is_resumed(tiny: RunFactory, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny("imp", **FALLING, **REWOUND, density=0.3, mask_from={"method": "dense"})
    whole = train_in(run, results / "whole")
    killed, step = results / "killed", Trainer._step
    provide_states(run, killed)

    def kill(self: Trainer, at: int, *batch: Tensor) -> Tensor:
        if at == 50:
            raise KeyboardInterrupt
        return step(self, at, *batch)

    monkeypatch.setattr(Trainer, "_step", kill)
    monkeypatch.setenv("DST_CHECKPOINT_SECONDS", "0")
    with pytest.raises(KeyboardInterrupt):
        train(run, killed)
    monkeypatch.undo()
    assert train(run, killed) == whole
    assert whole.metrics is not None
    assert whole.metrics.last.epoch == 3


def train_in(run: RunConfig, results: Path) -> Record:
    provide_states(run, results)
    return train(run, results)


@pytest.mark.parametrize(("policy", "again"), [("keep", False), ("retrain", True)])
def test_a_state_of_other_source_is_made_again_where_runs_are(
    tiny: RunFactory, results: Path, policy: Policy, again: bool
) -> None:
    child = tiny("one-shot", density=0.3, weights_from={"method": "dense"}, weights_at={"step": 30})
    provide_states(child, results)
    (path,) = (results / "states").iterdir()
    made = path.read_bytes()
    path.write_bytes(made.replace(fingerprint(child.parents["weights_from"]).encode(), b"0" * 16))
    altered = path.read_bytes()
    assert altered != made
    provide_states(child, results, policy)
    assert path.read_bytes() == (made if again else altered)


def test_a_moment_after_the_end_is_refused(tiny: RunFactory) -> None:
    tiny("one-shot", density=0.1, weights_from={"method": "dense"}, weights_at={"step": 46})
    with pytest.raises(ConfigError, match=r"weights_at\.step: that run has 46 steps"):
        tiny("one-shot", density=0.1, weights_from={"method": "dense"}, weights_at={"step": 47})
