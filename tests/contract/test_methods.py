"""What every method promises. A new file in `methods/` is tested here without an edit."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dst_repro.data.base import Data
from dst_repro.plan.config import RunConfig
from dst_repro.records import record
from dst_repro.registry import Entry, drops, grows, methods
from dst_repro.training.checkpoint import Checkpoint
from dst_repro.training.loop import Trainer
from dst_repro.training.parents import provide_states
from dst_repro.training.run import train
from tests.conftest import RunFactory, TrainerFactory, thinned

WEIGHTS = {"fc1": 64 * 300, "fc2": 300 * 100, "fc3": 100 * 10}
DENSITIES = (0.5, 0.1, 0.013)


def params(entry: Entry) -> dict[str, Any]:
    """1e-3 for every number that has no default; updates often enough to happen within 23 steps an epoch."""
    required = {name: 1e-3 for name, field in entry.params.model_fields.items() if field.is_required()}
    often = {"update_period": 5, "doublings": []}
    return required | {name: value for name, value in often.items() if name in entry.params.model_fields}


def cases() -> list[Any]:
    """Every method, at three densities if it takes one."""
    found = []
    for slug, entry in sorted(methods.discover().items()):
        fields = {"method": slug, "method_params": params(entry)}
        if entry.facts.get("mask_from"):
            fields |= {"mask_from": {"method": "static", "density": 0.6}}
        if entry.facts.get("density"):
            found += [pytest.param(fields | {"density": d}, id=f"{slug}-{d}") for d in DENSITIES]
        else:
            found.append(pytest.param(fields, id=slug))
    return found


def one_each() -> list[Any]:
    """Every method once, at 10 % if it takes a density."""
    return [case for case in cases() if case.values[0].get("density", 0.1) == 0.1]


def used_weights(run: Trainer, data: Data) -> dict[str, Tensor]:
    """The weights that an evaluation pass computes with."""
    used: dict[str, Tensor] = {}
    modules = {id(module): name for name, module in run.method.modules.items()}
    hooks = [
        module.register_forward_hook(lambda m, _, out: used.update({modules[id(m)]: m.weight.detach().clone()}))
        for module in run.method.modules.values()
    ]
    run.evaluate(data.test)
    for hook in hooks:
        hook.remove()
    return used


@pytest.mark.parametrize("fields", cases())
def test_counts_and_masks_tell_the_truth(trainer: TrainerFactory, digits: Data, fields: dict[str, Any]) -> None:
    run = trainer(**fields)
    assert set(run.method.layers()) == set(WEIGHTS)
    for stage in ("start", "end"):
        layers, masks = run.method.layers(), run.method.masks()
        assert {name: layer.numel for name, layer in layers.items()} == WEIGHTS
        assert {name: int(mask.sum()) for name, mask in masks.items()} == {n: layer.kept for n, layer in layers.items()}
        for name, weight in used_weights(run, digits).items():
            mask = masks[name]
            assert mask.dtype == torch.bool
            assert mask.shape == weight.shape
            assert not bool(weight[~mask].any())
            if stage == "start":  # later a grown weight may still be zero
                assert torch.equal(mask, weight != 0)
        if stage == "start":
            run.run_epoch()
            run.run_epoch()
    if fields.get("density"):
        assert sum(layer.kept for layer in run.method.layers().values()) == round(fields["density"] * 50_200)
        assert run.method.at_target()


@pytest.mark.parametrize("fields", one_each())
def test_zeros_are_what_the_network_computes_with(
    trainer: TrainerFactory, digits: Data, fields: dict[str, Any]
) -> None:
    """The same network rebuilt by hand from biases and masked weights gives the same logits."""
    run = trainer(**fields)
    run.run_epoch()
    x = digits.batch(digits.test.images[:50]).flatten(1).double()
    used = used_weights(run, digits)
    for name in ("fc1", "fc2", "fc3"):
        x = x @ (used[name] * run.method.masks()[name]).double().T + run.model.get_submodule(name).bias.double()
        x = x.clamp(min=0) if name != "fc3" else x
    run.model.eval()
    with torch.no_grad():
        logits = run.model(digits.batch(digits.test.images[:50]))
    assert torch.allclose(logits.double(), x, atol=1e-4)


@pytest.mark.parametrize("fields", one_each())
def test_training_learns(trainer: TrainerFactory, fields: dict[str, Any]) -> None:
    """A sparse network starts slowly: its initial weights are those of the dense one, so its signals are small."""
    run = trainer(**fields, learning_rate=1e-3, optimizer="adam", epochs=4)
    losses = [run.run_epoch().train_loss for _ in range(4)]
    assert losses[3] < losses[1] < losses[0] < math.log(10) + 0.05
    assert run.epochs[-1][0].test_accuracy > 0.3


@pytest.mark.parametrize("fidelity", ["paper", "released"])
@pytest.mark.parametrize("fields", one_each())
def test_state_moves_to_another_trainer(
    trainer: TrainerFactory, digits: Data, tmp_path: Path, fields: dict[str, Any], fidelity: str
) -> None:
    fields = fields | {"fidelity": fidelity}
    run, other, checkpoint = trainer(**fields), trainer(**fields), Checkpoint(tmp_path, "run", {})
    run.run_epoch()
    checkpoint.save(run.state_dict())
    other.load_state_dict(checkpoint.load(torch.device("cpu")))
    for name, mask in run.method.masks().items():
        assert torch.equal(mask, other.method.masks()[name])
    assert run.method.events() == other.method.events()
    assert run.method.layers() == other.method.layers()
    for name, weight in used_weights(run, digits).items():
        assert torch.equal(weight, used_weights(other, digits)[name])
    assert run.run_epoch() == other.run_epoch()


@pytest.mark.parametrize(
    "params",
    [pytest.param({"drop": slug}, id=f"drop-{slug}") for slug in sorted(drops.discover())]
    + [pytest.param({"grow": slug, "momentum": "dense"}, id=f"grow-{slug}") for slug in sorted(grows.discover())]
    + [pytest.param({"gradient_batches": 7, "grow": "gradient"}, id="gradient-batches")]
    + [pytest.param({"compare": sorted(drops.discover())}, id="compare-all")],
)
def test_criteria_move_to_another_trainer(trainer: TrainerFactory, tmp_path: Path, params: dict[str, Any]) -> None:
    """After 23 steps with an update every 8 the next comes at step 24: averages and sums are then half made."""
    fields = {"method": "drop-and-grow", "density": 0.1, "method_params": {"update_period": 8} | params}
    run, other, checkpoint = trainer(**fields), trainer(**fields), Checkpoint(tmp_path, "run", {})
    run.run_epoch()
    checkpoint.save(run.state_dict())
    other.load_state_dict(checkpoint.load(torch.device("cpu")))
    assert run.method.events() == other.method.events()
    assert run.run_epoch() == other.run_epoch()
    assert run.method.events() == other.method.events()
    for one, same in zip(run.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(one, same)


def files(results: Path, run: RunConfig) -> list[bytes]:
    return [(record.folder(results, run.id) / name).read_bytes() for name in ("record.json", "history.parquet")]


def settings() -> list[Any]:
    """Every method on the fully connected net with SGD, and on the convolutional one, which is channels-last."""
    conv = {"model": "lenet-5-caffe", "dataset_params": {"size": 28}, "batch_size": 256}
    adam = {"optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 1e-4}
    return [
        thinned(
            case.values[0] | more | {"epochs": 3, "step_history": 3, "validation": 0.1},
            id=f"{case.id}-{name}",
            quick=not more or case.values[0]["method"] in ("dense", "dst", "rigl"),
        )
        for case in one_each()
        for name, more in (("fc", {}), ("conv-adam", conv | adam))
    ]


@pytest.mark.parametrize("fields", settings())
def test_same_run_same_bits_also_when_killed(
    tiny: RunFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    """Whole; killed in the third epoch, after two checkpoints, and resumed: record and history are equal to the bit."""
    run, states = tiny(**fields), tmp_path / "states"
    provide_states(run, states)
    done = train(run, tmp_path / "whole", states=states)
    assert done.status == "finished"
    steps = Trainer._step

    def killed(self: Trainer, step: int, images: Tensor, labels: Tensor) -> Tensor:
        if len(self.epochs) == 2 and step == 2 * self.steps_per_epoch + 1:
            raise KeyboardInterrupt
        return steps(self, step, images, labels)

    monkeypatch.setattr(Trainer, "_step", killed)
    monkeypatch.setenv("DST_CHECKPOINT_SECONDS", "0")
    with pytest.raises(KeyboardInterrupt):
        train(run, tmp_path / "killed", states=states)
    monkeypatch.undo()
    assert record.read(tmp_path / "killed", run.id) is None
    torch.rand(7)  # the global generator is somewhere else by now
    train(run, tmp_path / "killed", states=states)
    assert record.runtime(tmp_path / "killed", run.id)["resumed_at_epoch"] == 2
    assert files(tmp_path / "killed", run) == files(tmp_path / "whole", run)
    assert not list((tmp_path / "killed" / ".checkpoints").glob("*"))


@pytest.mark.parametrize("fields", one_each())
def test_same_seed_same_bits_other_seed_other_masks(tiny: RunFactory, tmp_path: Path, fields: dict[str, Any]) -> None:
    run, other = tiny(**fields), tiny(**fields, seed=1)
    states = tmp_path / "states"
    for each in (run, other):
        provide_states(each, states)
    first, again, different = (train(r, tmp_path / d, states=states) for r, d in ((run, "a"), (run, "b"), (other, "a")))
    assert files(tmp_path / "a", run) == files(tmp_path / "b", run)
    assert first == again
    assert first.cell == different.cell
    assert first.metrics != different.metrics
    pruned = any(layer.kept < layer.numel for layer in first.layers)
    assert (first.mask_sha256 != different.mask_sha256) == pruned
    assert pruned or not fields.get("density")
