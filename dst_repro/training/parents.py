"""The networks that runs begin with, trained where they are missing."""

from __future__ import annotations

import sys
from pathlib import Path

from filelock import FileLock

from dst_repro.data.base import load
from dst_repro.data.today import CHANGED, Today
from dst_repro.ending import end_if_asked
from dst_repro.errors import UserError
from dst_repro.machine.device import settle
from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.records import record
from dst_repro.records.record import Record
from dst_repro.sparsity.masks import sha256
from dst_repro.training.begun import begun
from dst_repro.training.digest import digest
from dst_repro.training.divergence import Diverged
from dst_repro.training.run import Policy, check_places, train
from dst_repro.training.state import Moment, State, StateError, begin, read_state, state_path, write_state

WORDS = {"status": "status", "mask_sha256": "mask", "metrics": "accuracy or loss"}


def provide_states(run: RunConfig, results: Path, policy: Policy = "keep") -> None:
    """See to it that every network that a run begins with is in `results/states`, by training where one isn't.

    Under `retrain` one that other source made is made again. Two calls in one folder: the second waits, and finds what
    the first has made.
    """
    for parent, moment in run.needs:
        if _usable(parent, moment, results, policy) is not None:
            provide_states(parent, results, policy)
            with lock(results, state_path(results, parent.id, moment).stem):
                why = _usable(parent, moment, results, policy)
                if why is not None:
                    check_places(results, parent.id, moment)
                    if state_path(results, parent.id, moment).exists():
                        print(f"{why}: made again", file=sys.stderr, flush=True)
                    _provide(parent, moment, results)


def _usable(run: RunConfig, moment: Moment, results: Path, policy: Policy) -> str | None:
    """None if the network is there and is the run's, else why not; that of a run that failed is for another try."""
    try:
        state = read_state(results, run, moment)
    except StateError as error:
        return str(error)
    where = str(state_path(results, run.id, moment))
    if state.status == "failed":
        return f"{where} is of a run that failed"
    if policy == "retrain" and state.source != fingerprint(run):
        return f"{where} is of other source"
    if policy == "retrain" and Today().changed(run, record.data_of(results, run.id)):
        return f"{where} is of other data"
    found = record.read(results, run.id) if moment is None else None
    return f"{where} is another network than that of its record" if found and not _of(found, state) else None


def _of(found: Record, state: State) -> bool:
    """Whether a network is the one that the run ended with; older records say it of its mask alone."""
    if found.status != "finished" or state.status != "finished":
        return found.status == state.status
    same_mask = found.mask_sha256 == (sha256(state.given.masks) if state.given.masks else None)
    return same_mask and found.network_sha256 in (None, digest(state.given.network))


def lock(results: Path, name: str) -> FileLock:
    """Held by whoever makes what is called so."""
    folder = results / ".checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


def _provide(run: RunConfig, moment: Moment, results: Path) -> None:
    """Train a run up to a moment, or to its end.

    A run that has a record is trained a second time without touching it. Raises `UserError` if it ends with another
    mask or other metrics than the record has: other source made that, or another kind of machine.
    """
    found = record.read(results, run.id)
    if moment is not None:
        _advance(run, moment, results)
        return
    if found is None or found.status == "failed":
        train(run, results, keep_state=True)
        return
    if Today().changed(run, found.sums):
        raise UserError(
            f"{run.id}: {CHANGED}, so that its network can't be made again; remove "
            f"{record.folder(results, run.id)} to have it trained anew"
        )
    again = results / ".checkpoints" / "again"
    made = train(run, again, keep_state=True, states=results)
    for what in ("status", "mask_sha256", "metrics"):
        if getattr(made, what) != getattr(found, what):
            raise UserError(
                f"{run.id}: trained here it ends with another {WORDS[what]} than its record, which other source or "
                f"another kind of machine made; remove {record.folder(results, run.id)} to have it trained anew"
            )
    path = state_path(results, run.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    state_path(again, run.id).replace(path)


def _advance(run: RunConfig, moment: Moment, results: Path) -> None:
    trainer = begun(run, load(run), settle(run.threads, run.precision), *begin(run, results))
    status: record.Status = "finished"
    try:
        trainer.advance(moment or {})
    except Diverged:
        status = "diverged"
    end_if_asked()
    write_state(results, run, trainer, status, fingerprint(run), moment)
