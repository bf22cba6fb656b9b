"""Two folders of results beside each other: which runs are in both, and what of them differs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from dst_repro.errors import UserError
from dst_repro.records import record
from dst_repro.records.record import LayerCount, Metrics, Record

ABOUT = ("fingerprint", "compiled", "schema_version", "sha256", "history_sha256")
"""What a record says of how it was made and written, not of what came out."""
LATER = {
    name
    for model in (Record, Metrics, LayerCount)
    for name, field in model.model_fields.items()
    if not field.is_required() and field.default is None
}
"""Fields that older records do not have: null is no other value than what stands there in newer ones."""


class Pair(NamedTuple):
    """One run in two folders; None where a folder has no record of it."""

    id: str
    a: Record | None
    b: Record | None
    broken: str | None = None
    """Why a record of it can't be read."""
    fields: tuple[str, ...] = ()
    """Of the record that differ."""
    values: int = 0
    """Of the history that differ, those that one side alone has too."""
    of: int = 0
    """Values that the histories have together."""

    @property
    def equal(self) -> bool:
        """To the bit, the source that trained it left out."""
        return None not in (self.a, self.b) and not (self.broken or self.fields or self.values)


class Change(NamedTuple):
    """From one folder to the other, in points: means over the seeds of a cell that have finished in both."""

    seeds: int
    accuracy: float
    density: float


def pairs(a: Path, b: Path) -> Iterator[Pair]:
    """All runs of two folders, by id.

    A folder is one of results (`results`, or its `results/runs`), or that of an aggregated suite in it
    (`results/mnist`), which stands for the runs of that suite. Raises `UserError` for any other.
    """
    (results_a, runs_a), (results_b, runs_b) = _runs(a), _runs(b)
    for run in sorted(runs_a | runs_b):
        try:
            found_a = record.read(results_a, run, record.refuse) if run in runs_a else None
            found_b = record.read(results_b, run, record.refuse) if run in runs_b else None
        except UserError as error:
            yield Pair(run, None, None, str(error))
            continue
        if found_a is None or found_b is None:
            yield Pair(run, found_a, found_b)
            continue
        folders = record.folder(results_a, run), record.folder(results_b, run)
        try:
            values, of = _histories(*(folder / "history.parquet" for folder in folders))
        except (OSError, ValueError) as error:  # pyarrow's, of one that was sealed so
            yield Pair(run, None, None, f"its history can't be read ({' '.join(str(error).split())})")
            continue
        yield Pair(run, found_a, found_b, None, tuple(_fields(found_a, found_b)), values, of)


def changes(found: Iterable[Pair]) -> dict[str, Change]:
    """Cell -> what has changed from a to b, for cells of which a run has finished in both."""
    steps: dict[str, list[tuple[float, float]]] = {}
    for pair in found:
        if pair.a and pair.b and pair.a.metrics and pair.b.metrics:
            was, now = pair.a.metrics.last, pair.b.metrics.last
            step = (100 * (now.test_accuracy - was.test_accuracy), 100 * (now.density - was.density))
            steps.setdefault(pair.a.cell, []).append(step)
    return {cell: Change(len(of), *(mean(values) for values in zip(*of, strict=True))) for cell, of in steps.items()}


def _runs(folder: Path) -> tuple[Path, set[str]]:
    """The folder of results, and the runs that have a record."""
    results, named = record.results_of(folder), None
    if not (results / "runs").is_dir():
        results, frame = Path(os.path.abspath(folder)).parent, folder / "runs.parquet"  # "." is its own parent
        if not ((results / "runs").is_dir() and frame.is_file()):
            raise UserError(
                f"{folder}: no results; a folder with `runs` in it is meant, such as results, or that of an aggregated "
                "suite, such as results/mnist"
            )
        try:
            named = set(pq.read_table(frame, columns=["id"])["id"].to_pylist())
        except (OSError, ValueError) as error:
            raise UserError(f"{frame}: damaged ({' '.join(str(error).split())})") from None
    there = {path.parent.name for path in (results / "runs").glob("[!.]*/record.json")}
    return results, there if named is None else there & named


def _fields(a: Record, b: Record) -> Iterator[str]:
    """Of which copy the data were is no matter, nor are settings that one of the two is too old to have."""
    settings = a.config.keys() & b.config.keys()
    was, now = (
        found.model_dump(mode="json") | {"data": found.sums, "config": {name: found.config[name] for name in settings}}
        for found in (a, b)
    )
    return (name for name in was if name not in ABOUT and any(_differing(name, was[name], now[name], name in LATER)))


def metrics_that_differ(pair: Pair) -> list[str]:
    """Their names, such as `metrics.last.test_loss`."""
    was, now = (found and found.model_dump(mode="json")["metrics"] for found in (pair.a, pair.b))
    return list(_differing("metrics", was, now))


def _differing(name: str, a: Any, b: Any, later: bool = False) -> Iterator[str]:
    """Names of the values that differ, within mappings; a list has one name."""
    if later and None in (a, b):
        return
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            yield from _differing(f"{name}.{key}", a.get(key), b.get(key), key in LATER)
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b) or any(any(_differing(name, *values)) for values in zip(a, b, strict=True)):
            yield name
    elif repr(a) != repr(b):  # 0.0 is not -0.0, and nan is nan
        yield name


def _histories(a: Path, b: Path) -> tuple[int, int]:
    """How many values differ, and how many there are together."""
    if a.read_bytes() == b.read_bytes():
        return 0, pq.read_metadata(a).num_rows
    was, now = _values(a), _values(b)
    return sum(was.get(place) != now.get(place) for place in was.keys() | now.keys()), len(was.keys() | now.keys())


def _values(path: Path) -> dict[tuple[int, int, str, str], str]:
    """(step, epoch, layer, name) -> value, as text that has all of its bits."""
    columns = [column.to_pylist() for column in pq.read_table(path).columns]
    return {(*place,): repr(value) for *place, value in zip(*columns, strict=True)}
