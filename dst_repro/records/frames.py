"""Many records into two frames, which tables, figures and the comparison read.

`runs.parquet` has one row for every planned run, also for those that failed or were not trained; `history.parquet` has
the long history of all of them (id, step, epoch, layer, name, value).
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pa
import pyarrow
import pyarrow.parquet as pq

from dst_repro.errors import UserError
from dst_repro.files import write_with
from dst_repro.plan.config import PARENTS, RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.plan.grid import Suite
from dst_repro.records import record
from dst_repro.records.record import Metrics

SELECTIONS = ("last", "best_on_validation", "best_on_test")
STATUSES = ("finished", "diverged", "failed", "missing")

_share = pa.Check.in_range(0, 1)


def _column(kind: Any, meaning: str, unit: str = "", *checks: pa.Check, **more: Any) -> pa.Column:
    return pa.Column(kind, list(checks), description=meaning, metadata={"unit": unit}, **more)


_PER_EPOCH = {
    "epoch": "its number",
    "density": "share of the maskable weights that are kept",
    "test_accuracy": "accuracy on the test images",
    "validation_accuracy": "accuracy on the images held out; null without any",
    "train_loss": "mean training loss",
    "test_loss": "mean loss on the test images",
    "test_top5": "share of the test images whose class is among the five likeliest; only where there are 200 or more",
}
_OF = {
    "last": "The last epoch",
    "best_on_validation": "The epoch that is best on the images held out, of those as sparse as asked",
    "best_on_test": "The epoch that is best on the test images, of those as sparse as asked",
}
_SHARES = ("density", "test_accuracy", "validation_accuracy", "test_top5")


def _metric(selection: str, name: str) -> pa.Column:
    checks, unit = ((_share,), "share of 1") if name in _SHARES else ((), "")
    return _column(float, f"{_OF[selection]}: {_PER_EPOCH[name]}", unit, *checks, nullable=True)


RUNS = pa.DataFrameSchema(
    {
        "id": _column(str, "The run: cell and seed", unique=True),
        "cell": _column(str, "The configuration without its seed"),
        "experiments": _column(object, "List: the experiments that have the run"),
        "protocol": _column(object, "List: the papers whose protocol the run follows"),
        "reduced": _column(str, "What was reduced, where an experiment says so", nullable=True),
        "status": _column(str, f"One of {', '.join(STATUSES)}", "", pa.Check.isin(STATUSES)),
        "reason": _column(str, "Why it is not finished", nullable=True),
        "stale": _column(bool, "Whether it was trained by other source than today's"),
        "trained_at": _column(str, "The commit that it was trained at", nullable=True),
        "mask_of": _column(str, "Id of the run that `mask_from` names", nullable=True),
        "config": _column(str, "JSON: the fields that differ from their default"),
        "note": _column(str, "Of the copy of the data set, where it is not the original", nullable=True),
        "parameters": _column(float, "Parameters of the network, masked or not", nullable=True),
        "numel": _column(float, "Maskable weights", nullable=True),
        "kept": _column(float, "Of them those that the final mask keeps", nullable=True),
        "unmasked": _column(float, "Weights beside these, which no method masks; null in older records", nullable=True),
        "effective": _column(
            float, "Kept weights on a path from input to output; null where they were not counted", nullable=True
        ),
        "collapsed": _column(float, "Layers without any such weight; null likewise", nullable=True),
        "layers": _column(str, "JSON: a list of layers, see below", nullable=True),
        "wall_seconds": _column(float, "What the training took", "s", nullable=True),
        "seconds_in_steps": _column(float, "Of that in optimiser steps", "s", nullable=True),
        "dataset": _column(str, "Slug of the data set"),
        "model": _column(str, "Slug of the network"),
        "method": _column(str, "Slug of the method"),
        "density": _column(float, "The target; null for methods without one", "share of 1", _share, nullable=True),
        "seed": _column(int, "Of initialisation, data order and masks", "", pa.Check.ge(0)),
        **{f"{s}.{m}": _metric(s, m) for s in SELECTIONS for m in ("density", "test_accuracy", "validation_accuracy")},
        **{f"{s}.{m}": _metric(s, m) for s in SELECTIONS for m in ("epoch", "train_loss", "test_loss")},
    },
    coerce=True,
    strict=False,  # beside these stand the other fields of RunConfig, parameters as `method_params.alpha`
)
OPTIONAL = {f"{s}.test_top5": _metric(s, "test_top5") for s in SELECTIONS}
OPTIONAL["tricks"] = _column(str, "Slugs of the run's tricks, ` + ` between them")
"""Columns of frames whose runs have it."""

TOGETHER = " + "
"""Between the names of tricks."""
GRANDPARENTS = tuple(f"{a}.{b}" for a in PARENTS for b in PARENTS)  # a chain of many rounds would fill the frame

WORD = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())  # a few words in millions of rows
HISTORY = pyarrow.schema(
    [
        pyarrow.field(name, kind, nullable=False, metadata={"description": meaning})
        for name, kind, meaning in (
            ("id", WORD, "The run"),
            ("step", pyarrow.int64(), "Optimiser steps taken so far"),
            ("epoch", pyarrow.int64(), "Epochs finished; for rows of a single step, epochs begun"),
            ("layer", WORD, "The layer; empty for the whole network"),
            ("name", WORD, "What is measured, see below"),
            ("value", pyarrow.float64(), "Its value: shares of 1, counts of weights, losses"),
        )
    ]
)
MEASURED = {
    "density": "Share of the maskable weights that are kept",
    "train_loss, test_loss, validation_loss": "Mean loss of the epoch, on the test images, on those held out",
    "test_accuracy, validation_accuracy": "Share of the images that are classified rightly",
    "test_top5": "Share of the test images whose class is among the five likeliest",
    "learning_rate": "Of the epoch's last step",
    "kept": "Weights of a layer that are kept",
    "from_start": "Of them those that the initial mask kept, too",
    "explored": "Weights of a layer that were active at any time",
    "rewired, resets, spliced, ...": "What a method counts of a layer since the last row, see its docstring",
    "selected/RULE, common/RULE/RULE": "Weights of a layer that a prune rule would drop, and that two would",
    "step_kept, step_pruned, step_recovered": "Of a layer after one step: weights kept, masked and brought back by it",
}
"""Names in the history -> their meaning."""


@dataclass(frozen=True)
class Frames:
    """What the analysis reads: `runs` (one row a run) and `history` (long)."""

    runs: pd.DataFrame
    history: pd.DataFrame

    def of(self, experiments: list[str]) -> Frames:
        """Only the runs that belong to one of the experiments."""
        wanted = set(experiments)
        runs = self.runs[self.runs["experiments"].map(lambda names: not wanted.isdisjoint(names))]
        history = self.history[self.history["id"].isin(runs["id"])]
        history = history.astype(dict.fromkeys(("id", "layer", "name"), "str"))  # from categories, see HISTORY
        return Frames(runs.reset_index(drop=True), history.reset_index(drop=True))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, json.dumps(value) if isinstance(value, list) else value


def _metrics(name: str, metrics: Metrics | None) -> dict[str, Any]:
    fields = Metrics.model_fields if metrics is None else metrics.model_dump()
    return {f"{name}.{key}": None if metrics is None else fields[key] for key in fields}


def _recorded(run: RunConfig, suite: Suite, results: Path) -> dict[str, Any]:
    found = record.read(results, run.id, record.refuse)  # Snakemake trains what is missing, not what is damaged
    return _row(run, suite, found, record.runtime(results, run.id))


def _row(run: RunConfig, suite: Suite, found: record.Record | None, runtime: Mapping[str, Any]) -> dict[str, Any]:
    experiments = suite.experiments_of[run.id]
    layers = found.layers if found else ()
    reduced = [r for slug in experiments if (r := suite.experiments[slug].reduced)]
    row: dict[str, Any] = {
        "id": run.id,
        "cell": run.cell,
        "experiments": experiments,
        "protocol": sorted({p for slug in experiments if (p := suite.experiments[slug].protocol)}),
        "reduced": "; ".join(dict.fromkeys(reduced)) or None,
        "status": found.status if found else "missing",
        "reason": found.reason if found else "not trained",
        "stale": bool(found and found.fingerprint != fingerprint(run)),
        "trained_at": runtime.get("commit"),
        "mask_of": run.parents["mask_from"].id if "mask_from" in run.parents else None,
        "config": run.json_text(),
        "note": found.data.note if found and found.data else None,
        "parameters": found.parameters if found else None,
        "numel": sum(layer.numel for layer in layers) if layers else None,
        "kept": sum(layer.kept for layer in layers) if layers else None,
        "unmasked": sum(map(math.prod, found.unmasked.values())) if found and found.unmasked is not None else None,
        "effective": found.effective if found else None,
        "collapsed": len(found.collapsed) if found and found.collapsed is not None else None,
        "layers": json.dumps([layer.model_dump(mode="json") for layer in layers]) if layers else None,
        "wall_seconds": runtime.get("wall_seconds"),
        "seconds_in_steps": runtime.get("seconds_in_steps"),
    }
    if run.tricks:  # else there is no such column, or nothing in it
        row["tricks"] = TOGETHER.join(sorted(run.tricks))
    for name in SELECTIONS:
        row |= _metrics(name, getattr(found.metrics, name) if found and found.metrics else None)
    fields = dict(_flat(run.full()))
    return row | {name: value for name, value in fields.items() if not name.startswith(GRANDPARENTS)}


def _histories(ids: list[str], results: Path) -> Iterator[pyarrow.Table]:
    for run_id in ids:
        path = record.folder(results, run_id) / "history.parquet"
        if path.is_file():
            table = pq.read_table(path)
            yield table.add_column(0, "id", pyarrow.array([run_id] * len(table), pyarrow.string())).cast(HISTORY)


def aggregate(suite: Suite, results: Path) -> Frames:
    """The frames of a suite, checked against their schema.

    Raises `UserError`, which names the column that breaks it, or the record or history that is damaged.
    """
    runs = pd.DataFrame([_recorded(run, suite, results) for run in suite.runs.values()])
    for column in RUNS.columns:  # a column of nothing but None has no type of its own
        if runs[column].isna().all():
            runs[column] = runs[column].astype("float64" if str(RUNS.columns[column].dtype) == "float64" else object)
    for column in runs.columns.difference(list(RUNS.columns)):  # a parameter that is a number here and a word there
        if runs[column].map(type).isin((str,)).any():
            runs[column] = runs[column].map(lambda value: None if value is None or value != value else str(value))
    try:
        runs = RUNS.validate(runs, lazy=False)
    except pa.errors.SchemaError as error:
        raise UserError(f"{results}: the records break the schema: {str(error).splitlines()[0]}") from None
    tables = list(_histories(list(suite.runs), results))
    history = pyarrow.concat_tables(tables) if tables else HISTORY.empty_table()
    return Frames(runs, history.unify_dictionaries().to_pandas())


def planned(suite: Suite, ids: Iterable[str]) -> pd.DataFrame:
    """Rows as of `Frames.runs` for some runs of a suite, as if none had a record; types are not checked."""
    return pd.DataFrame([_row(suite.runs[run], suite, None, {}) for run in ids])


def write(frames: Frames, folder: Path) -> None:
    """`runs.parquet` and `history.parquet` in `folder`."""
    for name, frame in (("runs", frames.runs), ("history", frames.history)):
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        write_with(folder / f"{name}.parquet", functools.partial(pq.write_table, table, compression="zstd"))


def read(folder: Path) -> Frames:
    """What `write` wrote. Raises `UserError`, which names the file that is missing."""
    paths = [folder / f"{name}.parquet" for name in ("runs", "history")]
    for path in paths:
        if not path.is_file():  # here, as the error of pandas names none
            raise UserError(f"{path}: no such file; run `python -m dst_repro aggregate` first")
    return Frames(*map(pd.read_parquet, paths))
