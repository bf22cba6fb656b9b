"""What campaigns leave lying that nobody will read again: networks, checkpoints, halves of files, locks."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from dst_repro.cli.standing import Standing, amount, size
from dst_repro.plan.grid import Suite

KINDS = ("networks", "checkpoints", "trainings of networks", "halves of files", "locks")
SUFFIXES = (".lock", ".pt.unusable", ".pt", ".progress", ".safetensors")
HALF = re.compile(r"\.(?P<whole>.+)\.[^.]+")
"""A file that is being written, see `files.write_with`."""


def tidy(suite: Suite, found: Sequence[Standing]) -> Iterator[str]:
    """Remove it, and say of each kind how much it was. `found` says where the runs of the suite stand.

    A network stays while a run without a record, or one that is stale, begins with it, and so does what other
    suites may want: networks of runs that are none of this one's. What a process is at work on stays untouched.
    """
    results = Path(suite.file.results_dir)
    number, freed = Counter[str](), Counter[str]()
    for kind, path, owner in sorted(_leftovers(suite, found, results), key=lambda left: KINDS.index(left[0])):
        taken = _remove(path, results / ".checkpoints" / f"{owner}.lock")
        number[kind] += taken is not None
        freed[kind] += taken or 0
    yield from (f"removed: {number[kind]:,} {kind}, {amount(freed[kind])}" for kind in KINDS if number[kind])
    if not number.total():
        yield "nothing to be removed"


def _leftovers(suite: Suite, found: Sequence[Standing], results: Path) -> Iterator[tuple[str, Path, str]]:
    """(kind, file or folder, what whoever holds its lock makes)"""
    # one that is stale may be trained again, by the suite's policy or by that of a call
    unfinished = {run.run.id for run in found if run.name not in ("finished", "diverged") or run.stale or run.busy}
    wanted, networks = _networks(suite, unfinished, results)
    yield from (("networks", path, _owner(path)) for path in networks - wanted if path.is_file())
    for folder in (results / ".checkpoints", results / ".checkpoints/again/.checkpoints"):
        for path in _inside(folder):
            owner = _owner(path)
            done = owner in suite.runs and owner not in unfinished
            if path.suffix == ".lock":
                yield "locks", path, owner
            elif _is_half(path):
                yield "halves of files", path, owner
            elif path.suffix in (".unusable", ".progress") or (
                path.suffix == ".pt" and done and folder.parent == results
            ):
                yield "checkpoints", path, owner
    for path in _inside(results / ".checkpoints/again/runs"):
        yield "trainings of networks", path, path.name
    for path in (*_inside(results / "states"), *_inside(results / ".checkpoints/again/states")):
        if _is_half(path):
            yield "halves of files", path, _owner(path)
    for run in suite.runs:
        yield from (("halves of files", path, run) for path in _inside(results / "runs" / run) if _is_half(path))


def _networks(suite: Suite, unfinished: set[str], results: Path) -> tuple[set[Path], set[Path]]:
    """Those that unfinished runs begin with, and all of this suite."""
    from dst_repro.training.state import state_path  # imports torch

    of = {
        run.id: {state_path(results, parent.id, moment) for parent, moment in run.needs} for run in suite.runs.values()
    }
    wanted = set[Path]().union(*(of[run] for run in unfinished))
    return wanted, {state_path(results, run) for run in suite.runs}.union(*of.values())


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _is_half(path: Path) -> bool:
    """Not any hidden file: one whose whole has a suffix, and which is named as `files.write_with` names it."""
    half = HALF.fullmatch(path.name)
    return half is not None and Path(half["whole"]).suffix != ""


def _owner(path: Path) -> str:
    """The name of the lock under which a file is written."""
    half = HALF.fullmatch(path.name)
    name = half["whole"] if half else path.name
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def _remove(path: Path, lock: Path) -> int | None:
    """The bytes that it took; None if it stays, as somebody is at work on it or it can't be removed."""
    if not lock.parent.is_dir():
        lock.parent.mkdir(parents=True)
    own = FileLock(lock)
    try:
        own.acquire(blocking=False)
    except (Timeout, OSError):
        return None
    try:
        taken = size(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError:
        return None
    finally:
        lock.unlink(missing_ok=True)  # under the lock: who waits for it sees that it is gone, and takes another
        own.release()
    return taken
