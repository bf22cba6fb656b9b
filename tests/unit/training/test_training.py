"""The loop: what counts as an epoch's result, what as divergence, and what a checkpoint is good for."""

from __future__ import annotations

import hashlib
import io
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from dst_repro.data.base import Data, load
from dst_repro.errors import UserError
from dst_repro.machine.faults import MachineError
from dst_repro.methods.set import SET
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.records import record
from dst_repro.training.checkpoint import Checkpoint
from dst_repro.training.loop import Trainer
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
    assert 0 < found["cpu_seconds"] < 600
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


def test_every_flipped_bit_of_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    said: list[str] = []
    saved = Checkpoint(tmp_path, "run", STAMP, said.append)
    saved.save({"x": torch.arange(100)})
    content = saved.path.read_bytes()
    for bit in range(0, 8 * len(content), 61):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        saved.path.write_bytes(flipped)
        assert saved.load(torch.device("cpu")) is None
    assert set(said) == {
        "starts anew, as its checkpoint can't be used: its bytes are not those that were written; "
        "set aside as run.pt.unusable"
    }
    saved.path.write_bytes(content)
    assert saved.load(torch.device("cpu")) is not None


@pytest.mark.parametrize("content", [[1, 2], {"stamp": STAMP}, {"stamp": STAMP, "state": [1]}, {"state": {}}, "text"])
def test_a_checkpoint_of_another_form_is_set_aside(tmp_path: Path, content: object) -> None:
    saved, written = Checkpoint(tmp_path, "run", STAMP), io.BytesIO()
    torch.save(content, written)
    saved.path.parent.mkdir()
    saved.path.write_bytes(hashlib.sha256(written.getvalue()).digest() + written.getvalue())
    assert saved.load(torch.device("cpu")) is None
    assert saved.path.with_name("run.pt.unusable").is_file()


def test_a_folder_in_the_place_of_a_checkpoint_is_set_aside(tmp_path: Path) -> None:
    saved = Checkpoint(tmp_path, "run", STAMP)
    for _ in range(2):
        saved.path.mkdir(parents=True)
        assert saved.load(torch.device("cpu")) is None
        assert saved.path.with_name("run.pt.unusable").is_dir()


def test_a_state_that_does_not_fit_the_network_is_set_aside_and_the_run_starts_anew(
    tiny: RunFactory, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny()
    whole = train(run, results)
    stamp = {"run": run.json_text(), "source": fingerprint(run), "torch": str(torch.__version__), "device": "cpu"}
    other = Trainer(tiny(model_params={"batch_norm": True}), load(run), torch.device("cpu"))
    Checkpoint(results, run.id, stamp).save(other.state_dict())
    record.forget(results, run.id)
    assert train(run, results) == whole
    assert "it does not fit this network" in capsys.readouterr().err


def test_a_checkpoint_that_can_not_be_written_leaves_the_last_one_and_no_record(
    tiny: RunFactory, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file size limit, as a full disk would; then without it: it goes on, to the same bits."""
    monkeypatch.setenv("DST_CHECKPOINT_SECONDS", "0")
    run = tiny(epochs=4)
    whole = train(run, results / "whole")
    code = (
        "import resource, sys; from pathlib import Path; from dst_repro.plan.config import RunConfig; "
        "from dst_repro.training import loop, run; one = loop.Trainer.run_epoch; "
        "limit = lambda n: resource.setrlimit(resource.RLIMIT_FSIZE, (n, resource.RLIM_INFINITY)); "
        "loop.Trainer.run_epoch = lambda self: (limit(50_000) if self.epoch == 2 else None, one(self))[1]; "
        "run.train(RunConfig.parse(sys.argv[1]), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, run.json_text(), str(results)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "dst_repro.machine.faults.MachineError" in done.stderr.strip().splitlines()[-1]
    assert record.read(results, run.id) is None
    assert (results / ".checkpoints" / f"{run.id}.pt").is_file()
    assert train(run, results) == whole
    assert record.runtime(results, run.id)["resumed_at_epoch"] == 2


@pytest.mark.parametrize("place", ["history.parquet", "record.json", "."])
def test_what_can_not_be_written_is_told_before_anything_is_trained(
    tiny: RunFactory, results: Path, place: str
) -> None:
    run = tiny()
    folder = record.folder(results, run.id)
    if place == ".":
        folder.parent.mkdir(parents=True)
        folder.touch()
    else:
        (folder / place).mkdir(parents=True)
    with pytest.raises(UserError, match="remove it"):
        train(run, results)
    assert not (results / ".checkpoints").exists()


@pytest.mark.parametrize(
    "fault", [OSError(28, "No space left on device"), MemoryError(), RuntimeError("CUDA error: x")]
)
def test_a_fault_of_the_machine_is_one_whatever_the_numbers_are(
    tiny: RunFactory, results: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """In a step in which a gradient is not finite, too."""

    def strike(self: SET, step: int) -> bool:
        self.gradient("fc1")[0, 0] = math.nan
        raise fault

    monkeypatch.setattr(SET, "after_backward", strike)
    with pytest.raises(MachineError, match="it has no record, and goes on from its last checkpoint"):
        train(tiny("set", density=0.1), results)
    assert record.read(results, tiny("set", density=0.1).id) is None
