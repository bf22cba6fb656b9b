"""One run from its configuration to its record: resume, train, and write down what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import torch

from dst_repro.data import today
from dst_repro.data.base import load
from dst_repro.data.today import Sums, Today
from dst_repro.ending import end_if_asked
from dst_repro.errors import UserError
from dst_repro.files import write_json
from dst_repro.machine import environment
from dst_repro.machine.device import describe, settle
from dst_repro.machine.faults import machine_error, of_the_machine
from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.records import record, standing
from dst_repro.records.record import DataUsed, Record
from dst_repro.sparsity.unmasked import told, unasked
from dst_repro.training.begun import begun
from dst_repro.training.checkpoint import Checkpoint
from dst_repro.training.divergence import Diverged
from dst_repro.training.evaluation import MissedTarget, check_target
from dst_repro.training.history import History
from dst_repro.training.loop import Trainer
from dst_repro.training.outcome import outcome
from dst_repro.training.progress import Progress
from dst_repro.training.state import Moment, ParentEnded, begin, state_path, write_state

Policy = Literal["keep", "retrain"]


def train_missing(runs: Iterable[RunConfig], results: Path, policy: Policy, keep_state: bool = False) -> list[Record]:
    """Train the runs that have no record (under `retrain`: none of today's source and data); return the new records."""
    return [train(run, results, keep_state) for run in runs if needed(run, results, policy)]


def needed(run: RunConfig, results: Path, policy: Policy) -> bool:
    found = record.read(results, run.id)
    if found is None or policy == "keep":
        return found is None
    return found.fingerprint != fingerprint(run) or Today().changed(run, found.sums)


def train(run: RunConfig, results: Path, keep_state: bool = False, states: Path | None = None) -> Record:
    """Train one run and write its record: finished, or how the run's own mathematics ended it.

    A `UserError` (no data, no such device) and a fault of the machine (`MachineError`: no space, no memory) leave no
    record behind, and the last checkpoint as it is. `keep_state` leaves the final network, too, for runs that begin
    with it; those that this one begins with are sought in the results folder `states`, by default its own.
    """
    started = Clock()
    try:
        check_places(results, run.id)
        clear_leftovers(results, run.id)
        return _train(run, results, keep_state, states or results, started)
    except Exception as error:
        if of_the_machine(error):
            raise machine_error(run.id, error) from error
        raise


class Clock:
    """What has passed since it was made, in seconds: on the wall, and of processor time, which other work on the
    machine takes no part in."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.monotonic(), time.process_time()

    def passed(self) -> dict[str, float]:
        return {"wall_seconds": round(time.monotonic() - self._wall, 3),
                "cpu_seconds": round(time.process_time() - self._cpu, 3)}  # fmt: skip


def _train(run: RunConfig, results: Path, keep_state: bool, states: Path, started: Clock) -> Record:
    device = settle(run.threads, run.precision)
    print_ = fingerprint(run)
    progress = Progress(run.id, run.epochs)
    stamp = {"run": run.json_text(), "source": print_, "torch": str(torch.__version__), "device": device.type}
    checkpoint = Checkpoint(results, run.id, stamp, progress.say)
    trainer: Trainer | None = None
    resumed_at = 0
    data_used = None
    status: record.Status = "finished"
    reason = None
    source = standing.trains(run, results, None)
    try:
        files = today.state(run)
        data = load(run)
        today.keep(run, files, data.sha256)
        if files is not None:
            checkpoint.stamp["data"] = today.digest(data.sha256)
        source = standing.trains(run, results, data.sha256)
        _forget_networks_of_other_data(run, results, data.sha256)
        data_used = DataUsed(name=data.name, note=data.note, sha256=data.sha256)
        start = begin(run, states)
        trainer = _resumed(begun(run, data, device, *start), checkpoint) or begun(run, data, device, *start)
        resumed_at = len(trainer.epochs) and trainer.epoch
        if run.method != "dense" and (dense := unasked(trainer.model)):
            progress.say(told(dense))
        _epochs(run, trainer, checkpoint)
        check_target(trainer.method)
    except UserError:
        raise
    except (Diverged, FloatingPointError) as error:  # the latter of scores before the first step
        if of_the_machine(error):  # which may strike a network whose numbers are not finite, too
            raise
        status, reason = "diverged", str(error)
    except ParentEnded as error:
        status, reason = ("diverged" if error.status == "diverged" else "failed"), str(error)
    except MissedTarget as error:
        status, reason = "failed", str(error)
    except Exception as error:  # a bug in a method: an outcome that tables show
        if of_the_machine(error):
            raise
        status, reason = "failed", f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
    end_if_asked()  # that no run fails for what a lost signal left half imported
    if reason:
        progress.say(f"{status}: {reason}")
    written = outcome(run, print_, status, reason, data_used, trainer)
    if keep_state:
        write_state(results, run, trainer, status, print_)
    folder = record.folder(results, run.id)
    (trainer.history if trainer else History()).write(folder / "history.parquet")
    runtime = {
        **started.passed(),
        "seconds_in_steps": round(trainer.seconds_in_steps, 3) if trainer else 0.0,
        "peak_memory_mib": environment.peak_memory_mib(),
        "resumed_at_epoch": resumed_at,
        "device": describe(device),
        "source": source,
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **environment.describe(),
    }
    write_json(folder / "runtime.json", runtime)
    record.write(written, results)
    checkpoint.remove()
    return record.read(results, run.id) or written


def _forget_networks_of_other_data(run: RunConfig, results: Path, data: Sums) -> None:
    """Those at some step, too: a network does not say what data it is of."""
    was = record.data_of(results, run.id)
    if was is not None and was != data:
        for path in (results / "states").glob(f"{run.id}*.safetensors"):
            path.unlink(missing_ok=True)


def check_places(results: Path, run_id: str, moment: Moment = None) -> None:
    """Raises `UserError` before anything is trained if what comes of it could not be written.

    `moment`: of the network that is to be kept, by default the final one.
    """
    folder = record.folder(results, run_id)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file, where the run's folder should be; remove it")
    files = [folder / name for name in ("record.json", "history.parquet", "runtime.json")]
    for path in (*files, state_path(results, run_id, moment)):
        if path.is_dir():
            raise UserError(f"{path}: is a folder, where a file of the run should be; remove it")


def clear_leftovers(results: Path, run_id: str) -> None:
    """Remove what killed processes left half written. To be called under the run's lock."""
    places = {results / ".checkpoints": f".{run_id}.pt.*", results / "states": f".{run_id}.safetensors.*"}
    for folder, pattern in (places | {record.folder(results, run_id): ".*"}).items():
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _resumed(trainer: Trainer, checkpoint: Checkpoint) -> Trainer | None:
    """The trainer, where its checkpoint has brought it to, if there is one; None if it doesn't fit this network."""
    state = checkpoint.load(trainer.device)
    try:
        if state is not None:
            trainer.load_state_dict(state)
    except Exception as error:
        if of_the_machine(error):
            raise
        checkpoint.set_aside("it does not fit this network")
        return None
    return trainer


def _epochs(run: RunConfig, trainer: Trainer, checkpoint: Checkpoint) -> None:
    progress = Progress(run.id, run.epochs, done=trainer.epoch)
    if trainer.epochs:
        progress.say(f"resumed after epoch {trainer.epoch}")
    try:
        while trainer.epoch < run.epochs:
            end_if_asked()
            began = time.monotonic()
            metrics = trainer.run_epoch()
            if metrics.epoch < run.epochs and checkpoint.due():
                checkpoint.save(trainer.state_dict())
            values = {"loss": metrics.train_loss, "test accuracy": metrics.test_accuracy, "density": metrics.density}
            progress.epoch(metrics.epoch, values | {"seconds": time.monotonic() - began})
    finally:
        progress.close()
