"""Whether today's source still gives the numbers of records that other source made, found out by training some again.

Days of training are not lost to a rename: where a run comes out equal to the bit, its record and those of its kind are
taken for today's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from dst_repro.data.base import load
from dst_repro.data.today import CHANGED
from dst_repro.errors import UserError
from dst_repro.files import write_json
from dst_repro.machine import environment
from dst_repro.machine.device import settle
from dst_repro.plan.config import PARENTS, RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.plan.grid import Suite
from dst_repro.records import record
from dst_repro.records.cost import work
from dst_repro.sparsity.masks import sha256
from dst_repro.training.begun import begun
from dst_repro.training.divergence import Diverged
from dst_repro.training.history import Row
from dst_repro.training.parents import lock, provide_states
from dst_repro.training.state import begin

Kind = tuple[Any, ...]


def stale_groups(suite: Suite, results: Path) -> list[list[RunConfig]]:
    """The finished runs whose records other source made, by source and by what of it they use; the quickest first."""
    found: dict[Kind, list[RunConfig]] = {}
    for run in suite.runs.values():
        there, now = record.read(results, run.id), fingerprint(run)
        if there is None or there.status != "finished" or there.fingerprint == now:
            continue
        on_cpu = record.runtime(results, run.id).get("device") == "cpu"
        found.setdefault((there.fingerprint, now, there.compiled, on_cpu, _kind(run)), []).append(run)
    return [sorted(runs, key=work) for runs in found.values()]


def _kind(run: RunConfig) -> Kind:
    """What decides which lines of the source a run executes: all of its settings, but of numbers only whether they are
    zero, and the kinds of the runs that it begins with, one for many rounds of the same.
    """
    fields = {k: v for k, v in run.full().items() if k not in ("seed", "density", "epochs", *PARENTS)}
    return (_shape(fields), *((key, _kind(parent)) for key, parent in _beginnings(run).items()))


def _beginnings(run: RunConfig) -> dict[str, RunConfig]:
    """Field -> the run that it names; of a chain of like rounds what the first round begins with."""
    found = dict(run.parents)
    for key, parent in run.parents.items():
        while parent.method == run.method and key in parent.parents:
            parent = parent.parents[key]
        found[key] = parent
    return found


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, _shape(value[key])) for key in sorted(value))
    if isinstance(value, list):
        return tuple(map(_shape, value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value != 0
    return value


def difference(run: RunConfig, results: Path, epochs: int | None = None) -> str | None:
    """Train a run, or its first `epochs`, again: what differs by a bit from its history, None if nothing does.

    Of a whole training the layers, the final mask and the metrics of the record count, too.
    """
    there = record.read(results, run.id)
    if there is None:
        raise UserError(f"{run.id} has no record")
    last = run.epochs if epochs is None else min(epochs, run.epochs)
    data = load(run)
    if there.sums not in (None, data.sha256):
        return CHANGED
    provide_states(run, results)
    trainer = begun(run, data, settle(run.threads, run.precision), *begin(run, results))
    trainer.advance({"epoch": last})
    was, now = dict(_values(_recorded(results, run.id), last)), dict(_values(trainer.history.rows, last))
    for place in sorted(was.keys() | now.keys()):
        if was.get(place) != now.get(place):
            step, layer, name = place
            return f"{name} of {layer or 'the network'} after {step} steps was {was.get(place)} and is {now.get(place)}"
    if last < run.epochs:
        return None
    layers = [(name, layer.numel, layer.kept) for name, layer in trainer.method.layers().items()]
    for what, same in (
        ("final mask", sha256(trainer.method.masks()) == there.mask_sha256),
        ("layers", layers == [(layer.name, layer.numel, layer.kept) for layer in there.layers]),
        ("metrics", trainer.selection() == there.metrics),
    ):
        if not same:
            return f"the record has another {what}"
    return None


def confirm(suite: Suite, results: Path, say: Callable[[str], None], epochs: int | None = None) -> bool:
    """Train one run of each group again, and where it comes out equal, mark the group's records as today's.

    With `epochs`, only the first so many are trained, which says nothing of what comes later: nothing is marked then.
    Returns whether all are equal; the others stay stale. `say` gets a line a group.
    """
    equal = True
    for runs in stale_groups(suite, results):
        try:
            found = difference(runs[0], results, epochs)
        except (UserError, Diverged, RuntimeError) as error:  # also a parent that comes out otherwise
            found = str(error)
        equal &= found is None
        for run in runs if found is None and epochs is None else []:
            _mark(run, results, {"commit": environment.commit(), "run": runs[0].id})
        say(f"{runs[0].id}  {found or f'equal, and with it {len(runs) - 1} more'}")
    return equal


def _mark(run: RunConfig, results: Path, confirmed: dict[str, object]) -> None:
    with lock(results, run.id):
        there = record.read(results, run.id)
        if there is not None:
            record.write(there.model_copy(update={"fingerprint": fingerprint(run)}), results)
            runtime = record.runtime(results, run.id) | {"confirmed": confirmed}
            write_json(record.folder(results, run.id) / "runtime.json", runtime)


def _recorded(results: Path, run_id: str) -> Iterator[Row]:
    table = pq.read_table(record.folder(results, run_id) / "history.parquet")
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def _values(rows: Iterable[Row], epochs: int) -> Iterator[tuple[tuple[int, str, str], float]]:
    """Of single steps, too: their epoch is the one that has begun."""
    return (((step, layer, name), value) for step, epoch, layer, name, value in rows if epoch <= epochs)
