"""Whether today's source still gives the numbers of records that other source made, found out by training some again.

Days of training are not lost to a rename: where the first epochs come out equal to the bit, the records of that source
are taken for today's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq

from dst_repro import environment, record
from dst_repro.config import RunConfig
from dst_repro.cost import work
from dst_repro.data.base import load
from dst_repro.device import settle
from dst_repro.errors import UserError
from dst_repro.files import write_json
from dst_repro.fingerprint import fingerprint
from dst_repro.grid import Suite
from dst_repro.sparsity.masks import sha256
from dst_repro.training.history import Row
from dst_repro.training.loop import Diverged, Trainer
from dst_repro.training.run import begin, provide_states

ALIKE = ("fidelity", "optimizer", "schedule", "augmentation", "precision", "initialisation")
"""Fields that decide which lines of the source a run executes, beside the words among its parameters."""


def stale_groups(suite: Suite, results: Path) -> list[list[RunConfig]]:
    """The finished runs whose records other source made, by source and by what of it they use; the quickest first."""
    found: dict[tuple[str, ...], list[RunConfig]] = {}
    for run in suite.runs.values():
        there, now = record.read(results, run.id), fingerprint(run)
        if there is None or there.status != "finished" or there.fingerprint == now:
            continue
        full = run.full()
        words = [f"{k} {v}" for kind in ("method", "model", "dataset") for k, v in full[f"{kind}_params"].items()
                 if isinstance(v, str | bool)]  # fmt: skip
        key = (there.fingerprint, now, *(str(full[name]) for name in ALIKE), *run.parents, *sorted(words))
        found.setdefault(key, []).append(run)
    return [sorted(runs, key=work) for runs in found.values()]


def difference(run: RunConfig, results: Path, epochs: int) -> str | None:
    """Train the first `epochs` of a run again: what differs from its history by a bit, None if nothing does.

    If these are all of its epochs, the final mask counts, too.
    """
    there = record.read(results, run.id)
    if there is None:
        raise UserError(f"{run.id} has no record")
    epochs = min(epochs, run.epochs)
    provide_states(run, results)
    trainer = Trainer(run, load(run), settle(run.threads, run.precision), *begin(run, results))
    try:
        trainer.advance({"epoch": epochs})
    except Diverged as error:
        return str(error)
    was, now = dict(_values(_recorded(results, run.id), epochs)), dict(_values(trainer.history.rows, epochs))
    for (step, layer, name), value in was.items():
        ours = now.get((step, layer, name))
        if ours != value:
            return f"{name} of {layer or 'the network'} after {step} steps was {value:.17g} and is {ours}"
    if epochs == run.epochs and sha256(trainer.method.masks()) != there.mask_sha256:
        return "the final mask is another"
    return None


def confirm(suite: Suite, results: Path, epochs: int, say: Callable[[str], None]) -> bool:
    """Train one run of each group again, and where it comes out equal, mark the group's records as today's.

    Returns whether all did; the others stay stale. `say` gets a line a group.
    """
    equal = True
    for runs in stale_groups(suite, results):
        found = difference(runs[0], results, epochs)
        equal &= found is None
        for run in runs if found is None else []:
            _mark(run, results, {"commit": environment.commit(), "epochs": min(epochs, run.epochs), "run": runs[0].id})
        say(f"{runs[0].id}  {found or f'equal, and with it {len(runs) - 1} more'}")
    return equal


def _mark(run: RunConfig, results: Path, confirmed: dict[str, object]) -> None:
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
