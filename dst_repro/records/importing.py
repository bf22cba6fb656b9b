"""Records that were trained elsewhere, looked at and taken into a folder of results."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from dst_repro.ending import uninterrupted
from dst_repro.errors import UserError
from dst_repro.files import write_with
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.records import record
from dst_repro.records.record import RecordError

FILES = ("record.json", "history.parquet", "runtime.json")
"""Of a run; the last may be missing."""
COLUMNS = ["step", "epoch", "layer", "name", "value"]
"""Of a history, at least."""
STAGED, OLD = ".checkpoints/import", ".old"
"""Where a run lies before it has its name, and how the one that it replaces ends there."""


class Outcome(NamedTuple):
    """What became of one record."""

    id: str
    refused: str | None = None
    """Why it was not taken."""
    there: bool = False
    """Whether it is there already, equal to the bit."""
    stale: bool = False
    """Whether other source than today's trained it."""


def bring(folder: Path, results: Path, replace: bool = False) -> Iterator[Outcome]:
    """Take every record of `folder`, which has `runs` in it or is called so, into `results`.

    A run comes whole or not at all. One that is there stays unless it is equal, or `replace` is asked for. Raises
    `UserError` for a folder without runs.
    """
    source = record.results_of(folder)
    found = sorted(path.name for path in (source / "runs").glob("[!.]*") if path.is_dir())
    if not found:
        raise UserError(f"{folder}: no runs; a folder of results is meant, with runs/RUN/record.json in it")
    if (source / "runs").resolve() == (results / "runs").resolve():
        raise UserError(f"{folder}: is the folder that records are to be taken to")
    _put_back(results)
    for run in found:
        try:
            yield _bring(run, source, results, replace)
        except UserError as error:
            yield Outcome(run, str(error).removesuffix(f"; {record.REMEDY}").removesuffix(f"; {record.ACCEPT}"))


def _bring(run: str, source: Path, results: Path, replace: bool) -> Outcome:
    """Raises `UserError` for a record that is not taken."""
    found = record.read(source, run, record.refuse)
    if found is None:
        raise RecordError(f"{record.folder(source, run)}: has no record.json")
    if (found.run.id, found.run.cell) != (found.id, found.cell):
        raise RecordError(f"{run}: its configuration is that of {found.run.id}")
    paths = [record.folder(source, run) / name for name in FILES]
    try:
        pq.read_table(paths[1], columns=COLUMNS)
    except (OSError, ValueError) as error:  # pyarrow's errors are of the latter kind
        raise RecordError(f"{paths[1]}: not a history ({' '.join(str(error).split())})") from None
    content = {path.name: path.read_bytes() for path in paths if path.is_file()}
    stale = found.fingerprint != fingerprint(found.run)
    try:
        with _alone(results, run):
            _put_back_one(run, results)
            there = _there(run, results, content, replace)
            if not there:
                _put(content, record.folder(results, run), results / STAGED / run)
    except Timeout:
        raise UserError(f"{run}: a process is at work on it; call again when it is done") from None
    return Outcome(run, there=there, stale=stale)


@contextlib.contextmanager
def _alone(results: Path, run: str) -> Iterator[None]:
    """Under the lock of a run. Raises `Timeout` where a process is at work on it."""
    lock = results / ".checkpoints" / f"{run}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock).acquire(blocking=False), uninterrupted():
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)  # under the lock, see `tidying`


def _put_back(results: Path) -> None:
    """Of all runs what a call that was killed had put aside."""
    for old in sorted((results / STAGED).glob(f"*{OLD}")):
        run = old.name.removesuffix(OLD)
        with contextlib.suppress(Timeout), _alone(results, run):  # a process that is at work on it may be replacing it
            _put_back_one(run, results)


def _put_back_one(run: str, results: Path) -> None:
    """Under its lock: back to its place, unless there is a record in it by now."""
    old, target = results / STAGED / f"{run}{OLD}", record.folder(results, run)
    if (target / "record.json").exists():
        shutil.rmtree(old, ignore_errors=True)
    elif old.is_dir() and not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        old.rename(target)


def _put(content: dict[str, bytes], target: Path, staged: Path) -> None:
    """Write the files beside, then give their folder its name."""
    old = staged.with_name(f"{staged.name}{OLD}")
    for left in (staged, old):  # by a killed call
        shutil.rmtree(left, ignore_errors=True)
    for name, data in content.items():
        write_with(staged / name, lambda stream, data=data: stream.write(data))  # type: ignore[misc]
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rename(old)
    staged.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _there(run: str, results: Path, content: dict[str, bytes], replace: bool) -> bool:
    """Whether this record is there, False where none is. Raises `UserError` where another one is and is to stay."""
    try:
        there = record.read(results, run, lambda line: None)  # without its history it is as good as none
    except UserError as error:
        if replace:
            return False
        raise UserError(f"{error}; or --replace") from None
    if there is None:
        return False
    own = record.folder(results, run)
    equal = all((own / name).read_bytes() == content[name] for name in ("record.json", "history.parquet"))
    if not (equal or replace):
        raise UserError(f"{own}: there is another record of this run, which stays; --replace takes the new one instead")
    return equal
