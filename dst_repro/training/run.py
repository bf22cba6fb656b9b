"""One run from its configuration to its record: resume, train, and write down what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import torch
from filelock import FileLock
from torch import Tensor

from dst_repro import environment, record
from dst_repro.config import RunConfig
from dst_repro.data.base import load
from dst_repro.device import describe, settle
from dst_repro.errors import UserError
from dst_repro.files import write_json
from dst_repro.fingerprint import fingerprint
from dst_repro.methods.base import Given
from dst_repro.record import DataUsed, LayerCount, Record
from dst_repro.sparsity.health import effective
from dst_repro.sparsity.masks import sha256
from dst_repro.training.checkpoint import Checkpoint
from dst_repro.training.loop import Diverged, Trainer
from dst_repro.training.progress import Progress
from dst_repro.training.state import about_state, read_state, state_path, write_state

Policy = Literal["keep", "retrain"]
WORDS = {"status": "status", "mask_sha256": "mask", "metrics": "accuracy or loss"}


def train_missing(runs: Iterable[RunConfig], results: Path, policy: Policy, keep_state: bool = False) -> list[Record]:
    """Train the runs that have no record (under `retrain`: none of today's source); return the new records."""
    return [train(run, results, keep_state) for run in runs if needed(run, results, policy)]


def needed(run: RunConfig, results: Path, policy: Policy) -> bool:
    found = record.read(results, run.id)
    return found is None or (policy == "retrain" and found.fingerprint != fingerprint(run))


def train(run: RunConfig, results: Path, keep_state: bool = False, states: Path | None = None) -> Record:
    """Train one run and write its record. A `UserError` (no data, no such device) leaves no record behind.

    `keep_state` leaves the final network, too, for runs that begin with it; those that this one begins with are sought
    in the results folder `states`, by default its own.
    """
    started = time.monotonic()
    device = settle(run.threads, run.precision)
    print_ = fingerprint(run)
    stamp = {"run": run.json_text(), "source": print_, "torch": str(torch.__version__), "device": device.type}
    checkpoint = Checkpoint(results, run.id, stamp)
    trainer: Trainer | None = None
    resumed_at = 0
    data_used = None
    status: record.Status = "finished"
    reason = None
    try:
        data = load(run)
        data_used = DataUsed(name=data.name, note=data.note, sha256=data.sha256)
        trainer = Trainer(run, data, device, *begin(run, states or results))
        state = checkpoint.load(device)
        if state is not None:
            trainer.load_state_dict(state)
            resumed_at = trainer.epoch
        _epochs(run, trainer, checkpoint)
    except UserError:
        raise
    except Diverged as error:
        status, reason = "diverged", str(error)
    except Exception as error:  # out of memory, a bug in a method: an outcome that tables show
        status, reason = "failed", f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
        Progress(run.id, run.epochs).say(f"failed: {reason}")
    written = _record(run, print_, status, reason, data_used, trainer)
    if keep_state:
        write_state(state_path(results, run.id), trainer, status, print_)
    folder = record.folder(results, run.id)
    if trainer is not None:
        trainer.history.write(folder / "history.parquet")
    runtime = {
        "wall_seconds": round(time.monotonic() - started, 3),
        "seconds_in_steps": round(trainer.seconds_in_steps, 3) if trainer else 0.0,
        "peak_memory_mib": environment.peak_memory_mib(),
        "resumed_at_epoch": resumed_at,
        "device": describe(device),
        "finished_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **environment.describe(),
    }
    write_json(folder / "runtime.json", runtime)
    record.write(written, results)
    checkpoint.remove()
    return written


def provide_states(run: RunConfig, results: Path, policy: Policy = "keep") -> None:
    """See to it that every network that a run begins with is in `results/states`, by training where one isn't.

    Under `retrain` one that other source made is made again. Two calls in one folder: the second waits, and finds what
    the first has made.
    """
    for parent, moment in run.needs:
        path = state_path(results, parent.id, moment)
        if not _usable(path, parent, policy):
            provide_states(parent, results, policy)
            with lock(results, path.stem):
                if not _usable(path, parent, policy):
                    _provide(parent, moment, path, results)


def _usable(path: Path, run: RunConfig, policy: Policy) -> bool:
    """Whether the state is there; that of a run that failed is for another try."""
    if not path.exists():
        return False
    about = about_state(path)
    return about["status"] != "failed" and (policy == "keep" or about.get("source") == fingerprint(run))


def lock(results: Path, name: str) -> FileLock:
    """Held by whoever makes what is called so."""
    folder = results / ".checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


def _provide(run: RunConfig, moment: Mapping[str, int] | None, path: Path, results: Path) -> None:
    """Train a run up to a moment, or to its end.

    A run that has a record is trained a second time without touching it. Raises `UserError` if it ends with another
    mask or other metrics than the record has: other source made that, or another kind of machine.
    """
    found = record.read(results, run.id)
    if moment is not None:
        _advance(run, moment, path, results)
        return
    if found is None or found.status == "failed":
        train(run, results, keep_state=True)
        return
    again = results / ".checkpoints" / "again"
    made = train(run, again, keep_state=True, states=results)
    for what in ("status", "mask_sha256", "metrics"):
        if getattr(made, what) != getattr(found, what):
            raise UserError(
                f"{run.id}: trained here it ends with another {WORDS[what]} than its record, which other source or "
                f"another kind of machine made; remove {record.folder(results, run.id)} to have it trained anew"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    state_path(again, run.id).replace(path)


def _advance(run: RunConfig, moment: Mapping[str, int], path: Path, results: Path) -> None:
    trainer = Trainer(run, load(run), settle(run.threads, run.precision), *begin(run, results))
    status: record.Status = "finished"
    try:
        trainer.advance(moment)
    except Diverged:
        status = "diverged"
    write_state(path, trainer, status, fingerprint(run))


def begin(run: RunConfig, results: Path) -> tuple[dict[str, Tensor] | None, Given | None]:
    """The weights that a run starts from, None for its own initialisation, and what `mask_from` names."""
    found: dict[str, Given] = {}
    for key, (parent, moment) in zip(run.parents, run.needs, strict=True):
        path = state_path(results, parent.id, moment)
        if not path.exists():
            raise UserError(f"{run.id} starts from {parent.id}, whose weights are missing: {path}")
        status = about_state(path)["status"]
        if status != "finished":
            raise RuntimeError(f"starts from {parent.id}, which {status}")
        found[key] = read_state(path)
    start = found.get("weights_from")
    return start.network if start else None, found.get("mask_from")


def _epochs(run: RunConfig, trainer: Trainer, checkpoint: Checkpoint) -> None:
    progress = Progress(run.id, run.epochs, done=trainer.epoch)
    if trainer.epochs:
        progress.say(f"resumed after epoch {trainer.epoch}")
    try:
        while trainer.epoch < run.epochs:
            began = time.monotonic()
            metrics = trainer.run_epoch()
            if metrics.epoch < run.epochs and checkpoint.due():
                checkpoint.save(trainer.state_dict())
            values = {"loss": metrics.train_loss, "test accuracy": metrics.test_accuracy, "density": metrics.density}
            progress.epoch(metrics.epoch, values | {"seconds": time.monotonic() - began})
    finally:
        progress.close()


def _record(
    run: RunConfig,
    source: str,
    status: record.Status,
    reason: str | None,
    data_used: DataUsed | None,
    trainer: Trainer | None,
) -> Record:
    """What the files of a run say about it. Only a finished run has metrics."""
    masks = trainer.method.masks() if trainer else {}
    reached = _effective(trainer, masks) if trainer and status == "finished" else {}
    return Record(
        id=run.id,
        cell=run.cell,
        status=status,
        reason=reason,
        config=run.full(),
        fingerprint=source,
        data=data_used,
        compiled=trainer is not None and trainer.method.context.compiled,
        parameters=trainer.parameters if trainer else None,
        metrics=trainer.selection() if trainer and status == "finished" else None,
        layers=tuple(
            LayerCount(
                name=name,
                shape=tuple(mask.shape),
                numel=mask.numel(),
                kept=int(mask.sum()),
                effective=int(reached[name].sum()) if name in reached else None,
            )
            for name, mask in masks.items()
        ),
        mask_sha256=sha256(masks) if masks else None,
        events=trainer.method.events() if trainer else {},
    )


def _effective(trainer: Trainer, masks: dict[str, Tensor]) -> dict[str, Tensor]:
    """The kept weights that lie on a path from input to output; nothing of a network that this can't be told of."""
    try:
        return effective(trainer.plain_network(), trainer.data.shape, masks)
    except Exception as error:  # a training must not be lost for it
        said = f"the health of its mask is not recorded: {type(error).__name__}: {error}"
        Progress(trainer.config.id, trainer.config.epochs).say(said)
        return {}
