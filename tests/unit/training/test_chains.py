"""Runs that start from the final network of another: what they have in common, and what is handed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from dst_repro.data.base import load
from dst_repro.errors import ConfigError, UserError
from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.records import record
from dst_repro.training.loop import Trainer
from dst_repro.training.parents import provide_states
from dst_repro.training.run import train
from dst_repro.training.state import read_state, state_path, write_state
from tests.conftest import RunFactory, TrainerFactory

ROUND = {"density": 0.1, "learning_rate": 0.01}


def test_parent_shares_what_is_left_unsaid(tiny: RunFactory) -> None:
    child = tiny("one-shot", **ROUND, seed=3, weights_from={"method": "dense", "learning_rate": 0.05})
    assert child.parents["weights_from"] == tiny("dense", learning_rate=0.05, seed=3)
    assert child.ancestors == [child.parents["weights_from"]]
    assert tiny("dense").ancestors == []


def test_spelling_does_not_matter(tiny: RunFactory) -> None:
    """What goes without saying may be said: the id is the same, and the record can be read back."""
    short = tiny("one-shot", **ROUND, weights_from={"method": "dense"})
    long = tiny("one-shot", **ROUND, weights_from={"method": "dense", "learning_rate": 0.01, "density": None})
    assert short.id == long.id
    assert RunConfig.parse(long.full()) == short
    assert RunConfig.parse(long.json_text()) == short
    assert short.weights_from == {"method": "dense"}


def test_default_that_the_child_does_not_have_is_not_lost(tiny: RunFactory) -> None:
    """The parent decays nothing, which is the default, but not its child's way."""
    child = tiny("one-shot", **ROUND, weight_decay=1e-4, weights_from={"method": "dense", "weight_decay": 0.0})
    assert child.parents["weights_from"].weight_decay == 0
    assert RunConfig.parse(child.json_text()).parents["weights_from"].weight_decay == 0


def test_seed_is_no_part_of_the_cell(tiny: RunFactory) -> None:
    one, other = (tiny("one-shot", **ROUND, weights_from={"method": "dense"}, seed=seed) for seed in (0, 1))
    assert one.cell == other.cell
    assert one.parents["weights_from"].cell == other.parents["weights_from"].cell
    assert one.parents["weights_from"].id != other.parents["weights_from"].id


def test_rounds_are_nested(tiny: RunFactory) -> None:
    before = {"method": "one-shot", "density": 0.3, "weights_from": {"method": "dense", "epochs": 3}}
    last = tiny("one-shot", density=0.1, weights_from=before)
    assert [(r.method, r.density, r.epochs) for r in last.ancestors] == [("dense", None, 3), ("one-shot", 0.3, 2)]


@pytest.mark.parametrize(
    ("given", "where", "what"),
    [
        ({"method": "dense", "seed": 1}, "weights_from.seed", "in common"),
        ({"method": "dence"}, "weights_from: method", "did you mean 'dense'"),
        ({"learning_rate": 0.1}, "weights_from: method", "missing"),
        ({"method": "dense", "lr": 0.1}, "weights_from: lr", "unknown key"),
    ],
)
def test_mistakes_are_named(tiny: RunFactory, given: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        tiny("one-shot", **ROUND, weights_from=given)
    assert where in str(caught.value)
    assert what in str(caught.value)


def test_fingerprint_covers_the_ancestors(tiny: RunFactory) -> None:
    dense = tiny("one-shot", **ROUND, weights_from={"method": "dense"})
    other = tiny("one-shot", **ROUND, weights_from={"method": "dst", "method_params": {"alpha": 1e-3}})
    assert fingerprint(dense) != fingerprint(other)


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("dense", {}),
        ("dst", {"method_params": {"alpha": 5e-3}}),
        ("rigl", {"density": 0.2, "method_params": {"update_period": 5}}),
    ],
)
def test_handed_over_network_computes_the_same(trainer: TrainerFactory, method: str, fields: dict[str, Any]) -> None:
    """Also that of a method with parameters of its own: masked weights by their plain names."""
    parent = trainer(method, **fields)
    parent.run_epoch()
    network = parent.method.network(parent.model)
    plain = trainer("dense")
    plain.model.load_state_dict(network)
    assert plain.evaluate(plain.data.test) == pytest.approx(parent.evaluate(parent.data.test))


def test_one_shot_keeps_the_largest_of_what_it_is_given(trainer: TrainerFactory) -> None:
    dense = trainer("dense")
    dense.run_epoch()
    start = {name: value.clone() for name, value in dense.method.network(dense.model).items()}
    from dst_repro.training.loop import Trainer

    config = RunConfig.parse(dense.config.full() | {"method": "one-shot", "density": 0.1})
    run = Trainer(config, dense.data, torch.device("cpu"), start)
    for name, mask in run.method.masks().items():
        given = start[f"{name}.weight"]
        assert int(mask.sum()) == round(0.1 * mask.numel())
        assert given[mask].abs().min() >= given[~mask].abs().max()
        assert torch.equal(run.model.get_parameter(f"{name}.weight"), given * mask)


def chain(tiny: RunFactory) -> RunConfig:
    before = {"method": "one-shot", "density": 0.3, "weights_from": {"method": "dense"}}
    return tiny("one-shot", density=0.1, epochs=1, weights_from=before)


def test_chain_from_nothing_and_again_after_the_states_are_lost(tiny: RunFactory, results: Path) -> None:
    last = chain(tiny)
    provide_states(last, results)
    done = train(last, results)
    assert done.status == "finished"
    assert {p.name for p in (results / "runs").iterdir()} == {last.id, *(run.id for run in last.ancestors)}
    parent = last.parents["weights_from"]
    before = record.folder(results, parent.id).joinpath("record.json").read_bytes()
    first = state_path(results, parent.id).read_bytes()
    state_path(results, parent.id).unlink()
    provide_states(last, results)
    assert state_path(results, parent.id).read_bytes() == first
    assert record.folder(results, parent.id).joinpath("record.json").read_bytes() == before


def test_first_round_starts_where_its_parent_ended(tiny: RunFactory, results: Path) -> None:
    last = chain(tiny)
    provide_states(last, results)
    dense, pruned = (read_state(results, run).given.network for run in last.ancestors)
    assert dense.keys() == pruned.keys()
    gone = pruned["fc1.weight"] == 0
    assert gone.float().mean() == pytest.approx(0.7, abs=0.01)
    assert dense["fc1.weight"][gone].abs().mean() < dense["fc1.weight"][~gone].abs().mean()
    assert read_state(results, last.ancestors[0]).status == "finished"


def test_missing_parent_is_named(tiny: RunFactory, results: Path) -> None:
    last = chain(tiny)
    with pytest.raises(
        UserError, match=f"starts from {last.ancestors[1].id}, whose network can't be had: .* is missing"
    ):
        train(last, results)
    assert not (results / "runs").exists()


def test_a_parent_that_diverged_makes_its_child_diverge(tiny: RunFactory, results: Path) -> None:
    child = tiny("one-shot", **ROUND, weights_from={"method": "dense", "learning_rate": 1e30})
    provide_states(child, results)
    done = train(child, results)
    assert done.status == "diverged"
    assert f"starts from {child.ancestors[0].id}, which diverged" in (done.reason or "")


def damage(path: Path, how: str) -> None:
    content = path.read_bytes()
    match how:
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "garbage":
            path.write_bytes(b"garbage" * 1000)
        case "one bit":
            middle = len(content) - 1000
            path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        case "a folder":
            path.unlink()
            path.mkdir()


def test_a_folder_in_the_place_of_a_network_is_told_before_anything_is_trained(tiny: RunFactory, results: Path) -> None:
    last = chain(tiny)
    parent = last.parents["weights_from"]
    state_path(results, parent.id).mkdir(parents=True)
    with pytest.raises(UserError, match="is a folder, where a file of the run should be; remove it"):
        provide_states(last, results)
    assert record.read(results, parent.id) is None


def test_a_folder_in_the_place_of_a_network_in_training_is_told_too(tiny: RunFactory, results: Path) -> None:
    child = tiny("one-shot", **ROUND, weights_from={"method": "dense"}, weights_at={"epoch": 1})
    (parent,) = child.ancestors
    place = state_path(results, parent.id, {"epoch": 1})
    place.mkdir(parents=True)
    with pytest.raises(UserError, match=f"{place}: is a folder, where a file of the run should be; remove it"):
        provide_states(child, results)


@pytest.mark.parametrize("how", ["empty", "truncated", "garbage", "one bit"])
def test_a_damaged_network_is_made_again(tiny: RunFactory, results: Path, how: str) -> None:
    last = chain(tiny)
    provide_states(last, results)
    path = state_path(results, last.parents["weights_from"].id)
    before = path.read_bytes()
    damage(path, how)
    provide_states(last, results)
    assert path.read_bytes() == before


def test_the_network_of_another_seed_or_of_zeros_is_not_taken(tiny: RunFactory, results: Path) -> None:
    """Another file under its name, and a file as the suite writes it, but of other weights."""
    child = tiny("one-shot", **ROUND, weights_from={"method": "dense"})
    other = tiny("one-shot", **ROUND, weights_from={"method": "dense"}, seed=1)
    provide_states(child, results)
    provide_states(other, results)
    (parent,), (stranger,) = child.ancestors, other.ancestors
    path = state_path(results, parent.id)
    right = path.read_bytes()
    path.write_bytes(state_path(results, stranger.id).read_bytes())
    provide_states(child, results)
    assert path.read_bytes() == right
    trainer = Trainer(parent, load(parent), torch.device("cpu"))
    with torch.no_grad():
        for weight in trainer.model.parameters():
            weight.zero_()
    write_state(results, parent, trainer, "finished", "0" * 16)
    assert path.read_bytes() != right
    provide_states(child, results)
    assert path.read_bytes() == right


def test_record_of_another_machine_is_not_overwritten(tiny: RunFactory, results: Path) -> None:
    """Another mask than the record's: the state is refused, in one line, and nothing is lost."""
    child = tiny(
        "one-shot", **ROUND, weights_from={"method": "rigl", "density": 0.2, "method_params": {"update_period": 5}}
    )
    (parent,) = child.ancestors
    made = train(parent, results)
    assert made.metrics is not None
    other = made.metrics.model_copy(update={"last": made.metrics.last.model_copy(update={"test_loss": 1.0})})
    for altered, what in (({"mask_sha256": "0" * 64}, "mask"), ({"metrics": other}, "accuracy or loss")):
        record.write(made.model_copy(update=altered), results)
        with pytest.raises(UserError, match=f"ends with another {what} than its record"):
            provide_states(child, results)
        assert not state_path(results, parent.id).exists()
