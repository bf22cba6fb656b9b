"""The loop: what counts as an epoch's result, what as divergence, and what a checkpoint is good for."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from dst_repro.data.base import Data
from dst_repro.errors import UserError
from dst_repro.records import record
from dst_repro.training.checkpoint import Checkpoint
from dst_repro.training.run import needed, train, train_missing
from tests.conftest import RunFactory, TrainerFactory


def test_epoch_sees_every_image_once_and_the_last_batch_is_short(trainer: TrainerFactory, digits: Data) -> None:
    run, seen = trainer(), []
    run.model.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    run._train(0)
    assert [len(images) for images in seen] == [64] * 22 + [29]
    assert torch.equal(torch.cat(seen).sum(0), digits.batch(digits.train.images).sum(0))  # sixteenths: exact
    first = torch.cat(seen)
    seen.clear()
    run._train(1)
    assert not torch.equal(torch.cat(seen), first)  # every epoch in an order of its own


def test_training_loss_is_without_penalty(trainer: TrainerFactory) -> None:
    """A huge constant penalty (thresholds that do not move) leaves the reported loss where it was."""
    fields = {"optimizer_params": {"momentum": 0.0}, "learning_rate": 1e-12}
    plain = trainer("dst", method_params={"alpha": 0.0}, **fields).run_epoch()
    heavy = trainer("dst", method_params={"alpha": 100.0}, **fields).run_epoch()
    assert heavy.train_loss == pytest.approx(plain.train_loss, abs=1e-4)
    assert heavy.train_loss == pytest.approx(math.log(10), abs=0.1)


def test_gmp_is_not_judged_before_it_is_sparse(tiny: RunFactory, results: Path) -> None:
    params = {"end": 0.7, "update_period": 5}
    done = train(tiny("gmp", density=0.05, epochs=4, validation=0.1, method_params=params), results)
    assert done.metrics.best_on_test.epoch >= 3  # 0.7 of four epochs is within the third
    assert done.metrics.best_on_validation.epoch >= 3
    assert done.metrics.best_on_test.density == sum(layer.kept for layer in done.layers) / 50_200


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"learning_rate": 1e20}, r"the loss became (nan|inf) at step ([2-9]|1\d|2[0-3])$"),
        # one step an epoch: its loss is fine, what it leaves behind is not
        ({"learning_rate": 1e38, "batch_size": 2000}, r"the loss became (nan|inf) at step 1$"),
    ],
)
def test_infinite_loss_is_a_diverged_run(tiny: RunFactory, results: Path, fields: Any, reason: str) -> None:
    done = train(tiny("set", density=0.5, **fields), results)
    assert done.status == "diverged"
    assert done.metrics is None
    assert re.search(reason, done.reason)
    assert record.read(results, done.id) == done
    assert (record.folder(results, done.id) / "history.parquet").is_file()
    assert not list((results / ".checkpoints").glob("*"))


def test_finished_runs_are_not_trained_again(tiny: RunFactory, results: Path) -> None:
    runs = [tiny(seed=seed, epochs=1) for seed in (0, 1)]
    assert [r.id for r in train_missing(runs[:1], results, "keep")] == [runs[0].id]
    assert [r.id for r in train_missing(runs, results, "keep")] == [runs[1].id]
    assert train_missing(runs, results, "retrain") == []


def test_other_source_is_trained_again_only_where_asked(tiny: RunFactory, results: Path) -> None:
    run = tiny(epochs=1)
    done = train(run, results)
    record.write(done.model_copy(update={"fingerprint": "f" * 16}), results)
    assert not needed(run, results, "keep")
    assert needed(run, results, "retrain")


@pytest.mark.parametrize(("seconds", "expected"), [("0", 3), ("3600", 0), (None, 0)])
def test_checkpoints_are_as_far_apart_as_asked(
    tiny: RunFactory, results: Path, monkeypatch: pytest.MonkeyPatch, seconds: str | None, expected: int
) -> None:
    """Four epochs of a tenth of a second have three ends at which there is something left to resume."""
    saved: list[int] = []
    original = Checkpoint.save
    monkeypatch.setattr(Checkpoint, "save", lambda self, state: saved.append(1) or original(self, state))
    monkeypatch.delenv("DST_CHECKPOINT_SECONDS", raising=False)
    if seconds is not None:
        monkeypatch.setenv("DST_CHECKPOINT_SECONDS", seconds)
    train(tiny(epochs=4), results)
    assert len(saved) == expected
    assert not list((results / ".checkpoints").glob("*.pt"))


def test_a_checkpoint_is_due_again_some_time_after_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    checkpoint = Checkpoint(tmp_path, "run", STAMP)
    now = 109.9
    assert not checkpoint.due()
    now = 110.0
    assert checkpoint.due()
    checkpoint.save({})
    assert not checkpoint.due()
    now = 120.0
    assert checkpoint.due()


@pytest.mark.parametrize("text", ["often", "-1", "nan"])
def test_a_bad_time_between_checkpoints_is_one_line(
    tiny: RunFactory, results: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("DST_CHECKPOINT_SECONDS", text)
    with pytest.raises(UserError, match=f"^DST_CHECKPOINT_SECONDS is '{text}'; it must be a number of seconds"):
        train(tiny(), results)


def test_runtime_says_what_only_this_process_knows(
    tiny: RunFactory, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DST_DEVICE", "cpu")
    done = train(tiny(epochs=1), results)
    found = record.runtime(results, done.id)
    assert done.compiled is False  # too short a run
    assert found["device"] == "cpu"
    assert found["resumed_at_epoch"] == 0
    assert 0 < found["seconds_in_steps"] <= found["wall_seconds"]
    assert 50 < found["peak_memory_mib"] < 20_000


STAMP = {"run": "a", "source": "b", "torch": "c", "device": "cpu"}


def test_checkpoint_round_trip(tmp_path: Path) -> None:
    saved = Checkpoint(tmp_path, "run", STAMP)
    assert saved.load(torch.device("cpu")) is None
    saved.save({"x": torch.arange(3), "rows": [(1, 0, "fc", "kept", 1 / 3)]})
    loaded = saved.load(torch.device("cpu"))
    assert loaded["x"].tolist() == [0, 1, 2]
    assert list(map(tuple, loaded["rows"])) == [(1, 0, "fc", "kept", 1 / 3)]
    saved.remove()
    saved.remove()
    assert saved.load(torch.device("cpu")) is None


@pytest.mark.parametrize("key", STAMP)
def test_checkpoint_of_anything_else_is_dropped(tmp_path: Path, key: str) -> None:
    Checkpoint(tmp_path, "run", STAMP).save({"x": 1})
    other = Checkpoint(tmp_path, "run", STAMP | {key: "other"})
    assert other.load(torch.device("cpu")) is None
    assert not other.path.exists()


def test_damaged_checkpoint_is_dropped(tmp_path: Path) -> None:
    saved = Checkpoint(tmp_path, "run", STAMP)
    saved.save({"x": torch.arange(1000)})
    saved.path.write_bytes(saved.path.read_bytes()[:500])
    assert saved.load(torch.device("cpu")) is None
    assert not saved.path.exists()
