"""Where the runs of a suite stand, also while they train and when there are thousands of them."""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock, Timeout

from dst_repro.data.today import CHANGED, Today
from dst_repro.errors import UserError, one_line
from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.plan.grid import Suite
from dst_repro.records import record
from dst_repro.records.record import Record

if TYPE_CHECKING:
    from dst_repro.records.cost import Costs

FEW = 3
"""Runs of one standing and reason that are named, each in a line; of more the first is, with their number."""
UNITS = ("bytes", "kB", "MB", "GB", "TB")
VARYING = re.compile(r"[a-z0-9.-]+-s\d+-[0-9a-f]{10}|\d[\d.,]*(e[+-]?\d+)?|\bnan\b|\binf\b")
"""What differs between reasons that are the same: runs and numbers."""


class Standing(NamedTuple):
    """Of one run: `name` is its record's status, or `missing`, `running`, `broken` where it has none to be read."""

    run: RunConfig
    name: str
    reason: str
    stale: bool = False
    busy: bool = False
    """Whether a process is at work on it."""
    seconds: float = 0.0
    """Left of a run that is running; nan where it does not say so."""

    @property
    def words(self) -> str:
        return f"{self.name} (stale)" if self.stale else self.name

    @property
    def text(self) -> str:
        return one_line(f"{self.words}: {self.reason}" if self.reason else self.words)


def held(results: Path, name: str) -> bool:
    """Whether some process makes what is called so. Nothing is waited for, and nothing written."""
    path = results / ".checkpoints" / f"{name}.lock"
    if not path.is_file():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:  # a folder in which nothing may be written: nobody trains there
        return False
    lock.release()
    return False


def standing(run: RunConfig, results: Path, today: Today | None = None) -> Standing:
    """Where a run stands; never raises for what lies in its folder."""
    try:
        found = record.read(results, run.id, record.refuse)
    except UserError as error:
        if held(results, run.id):
            return _running(run, results)
        said = str(error).removeprefix(f"{record.folder(results, run.id)}/record.json: ")
        return Standing(run, "broken", said.removeprefix(f"{run.id}: "))
    busy = held(results, run.id)
    if found is not None:
        return _recorded(run, found, results, busy, today or Today())
    if busy:
        return _running(run, results)
    cut_off = (results / ".checkpoints" / f"{run.id}.pt").is_file()
    return Standing(run, "missing", "cut off, goes on from its checkpoint" if cut_off else "not trained")


def _recorded(run: RunConfig, found: Record, results: Path, busy: bool, today: Today) -> Standing:
    stale = found.fingerprint != fingerprint(run)
    commit = record.runtime(results, run.id).get("commit") if stale else None
    trained = f"trained at commit {commit}" if commit else ""
    changed = today.changed(run, found.sums)
    reasons = [found.reason, trained, CHANGED if changed else "", "being trained again" if busy else ""]
    return Standing(run, found.status, "; ".join(filter(None, reasons)), stale or changed, busy)


def _running(run: RunConfig, results: Path) -> Standing:
    path = results / ".checkpoints" / f"{run.id}.progress"
    try:
        about = json.loads(path.read_bytes())
        since = time.time() - path.stat().st_mtime
        epoch, epochs, seconds = int(about["epoch"]), int(about["epochs"]), float(about["seconds"])
    except (OSError, ValueError, LookupError, TypeError):  # none yet, or being written
        return Standing(run, "running", "no epoch is over yet", busy=True, seconds=math.nan)
    left = max(0.0, (epochs - epoch) * seconds - max(0.0, since))
    return Standing(run, "running", f"epoch {epoch} of {epochs}, {duration(left)} to go", busy=True, seconds=left)


def standings(suite: Suite, today: Today | None = None) -> list[Standing]:
    """All runs of a suite, in its order. `today` afterwards says which data sets could not be read."""
    results, today = Path(suite.file.results_dir), today or Today()
    return [standing(run, results, today) for run in suite.runs.values()]


def left_undone(found: Sequence[Standing], trains: bool = True) -> int:
    """How many runs failed or have no record; in a suite that trains nothing, one may be missing."""
    done = ("finished", "diverged") if trains else ("finished", "diverged", "missing", "running")
    return sum(run.name not in done for run in found)


def lines(suite: Suite, found: Sequence[Standing], every: bool = False, costs: Costs | None = None) -> Iterator[str]:
    """What is to be said of the runs, those of one standing and reason together; then the total, and what is left.

    With `every` each run has a line, the finished ones of today's source too. `costs`, where they are known already.
    """
    if every:
        yield from (f"{run.run.id}  {run.text}" for run in found)
    else:
        yield from _folded([run for run in found if (run.words, run.reason) != ("finished", "")])
    counts = Counter(run.name for run in found)
    total = [f"{n:,} {name}" for name, n in sorted(counts.items())]
    stale = sum(run.stale for run in found)
    yield f"{suite.file.suite}: {', '.join(total)}" + (f"; {stale:,} of them stale" if stale else "")
    results = Path(suite.file.results_dir)
    yield from _left(found, results, costs) if suite.file.train else _without(found)
    yield _space(suite, results)


def _folded(found: Sequence[Standing]) -> Iterator[str]:
    groups: dict[tuple[str, str], list[Standing]] = {}
    for run in found:
        key = run.run.id if run.name == "running" else VARYING.sub("…", run.reason)
        groups.setdefault((run.words, key), []).append(run)
    for (words, key), runs in groups.items():
        if len(runs) <= FEW:
            yield from (f"{run.run.id}  {run.text}" for run in runs)
            continue
        reason = runs[0].reason if len({run.reason for run in runs}) == 1 else key
        shown = one_line(f"{words}: {reason}" if reason else words)
        yield f"{runs[0].run.id} and {len(runs) - 1:,} more  {shown}"


def _left(found: Sequence[Standing], results: Path, costs: Costs | None) -> Iterator[str]:
    """An estimate of what is still to be trained, if anything is."""
    from dst_repro.records.cost import Costs

    missing = [run.run for run in found if run.name in ("missing", "broken")]
    running = [run.seconds for run in found if run.name == "running"]
    if missing:
        yield f"to train: {len(missing):,} runs, {_estimate(missing, costs or Costs(results))}"
    if running:
        known = [seconds for seconds in running if not math.isnan(seconds)]
        more = "" if len(known) == len(running) else f", {len(running) - len(known):,} not known"
        yield f"running: {len(running):,} runs" + (f", the last ends in {duration(max(known))}" if known else "") + more


def _without(found: Sequence[Standing]) -> Iterator[str]:
    """Likewise of a suite that trains nothing."""
    missing = sum(run.name in ("missing", "running") for run in found)
    if missing:
        yield f"without a record: {missing:,} runs; this suite trains nothing"


def _space(suite: Suite, results: Path) -> str:
    records = sum(size(record.folder(results, run)) for run in suite.runs)
    checkpoints, networks = size(results / ".checkpoints"), size(results / "states")
    return (
        f"disk space: {amount(records)} of records; of all suites in {results}: {amount(checkpoints)} of checkpoints, "
        f"{amount(networks)} of networks"
    )


def size(path: Path) -> int:
    """Bytes of a file, or of all in a folder; what is removed meanwhile counts nothing."""
    try:
        if path.is_dir() and not path.is_symlink():
            return sum(size(inner) for inner in path.iterdir())
        return path.lstat().st_size
    except OSError:
        return 0


def amount(size: float) -> str:
    """Bytes as a person reads them."""
    unit = 0
    while size >= 999.5 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """As fine as a person wants to know it: never two units of which the second hardly counts."""
    minutes = math.ceil(seconds / 60)
    if seconds <= 59:
        return f"{math.ceil(seconds)} s"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{math.ceil(minutes / 60):,} h"


def _estimate(runs: Sequence[RunConfig], costs: Costs) -> str:
    """What `list --cost` says of each item. Runs on data sets of unknown size are left out, and that is said."""
    known = [run for run in runs if not math.isnan(costs.hours([run]).cpu)]
    without = f", {len(runs) - len(known):,} of them on data of unknown size" if len(known) < len(runs) else ""
    if not known:
        return f"for an unknown time{without}"
    hours = costs.hours(known)
    measured = f"{hours.cpu_measured / len(known):.0%} and {hours.gpu_measured / len(known):.0%}"
    return (
        f"about {duration(3600 * hours.cpu)} on one core or {duration(3600 * hours.gpu)} on one GPU ({measured} known "
        f"from records of the same network){without}"
    )


def retry(suite: Suite) -> list[str]:
    """Remove the records of failed runs, so that the next call trains them again; return their ids."""
    results = Path(suite.file.results_dir)
    failed = [run.run.id for run in standings(suite) if run.name == "failed"]
    for run in failed:
        record.forget(results, run)
    return failed
