"""The networks that runs begin with, trained where they are missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from dst_repro.data.base import load
from dst_repro.errors import UserError
from dst_repro.machine.device import settle
from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.records import record
from dst_repro.training.divergence import Diverged
from dst_repro.training.loop import Trainer
from dst_repro.training.run import Policy, train
from dst_repro.training.state import about_state, begin, state_path, write_state

WORDS = {"status": "status", "mask_sha256": "mask", "metrics": "accuracy or loss"}


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
