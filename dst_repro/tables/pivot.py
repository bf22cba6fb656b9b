"""Any table of this project: one row a cell, one column a metric, mean ± std over seeds in each field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from dst_repro.errors import UserError
from dst_repro.records.frames import Frames
from dst_repro.records.ghosts import with_best
from dst_repro.records.sparsest import with_sparsest
from dst_repro.registry import tables
from dst_repro.statistics.summary import COLUMNS, Summary, columns, summarise
from dst_repro.tables import names
from dst_repro.tables.cells import Cell, Selected, cells, gaps
from dst_repro.tables.render import Table
from dst_repro.words import minus, signed

Selection = Literal["last", "best_on_validation", "best_on_test", "best_without_ghosts", "sparsest"]
Metric = Literal["accuracy", "density", "difference", "epoch", "train_loss", "test_loss"]

# metric -> (name in the records, heading, factor, decimals)
METRICS: dict[str, tuple[str, str, float, int]] = {
    "accuracy": ("test_accuracy", "test accuracy (%)", 100, 2),
    "density": ("density", "density (%)", 100, 2),
    "difference": ("test_accuracy", "difference to dense (points)", 100, 2),
    "epoch": ("epoch", "epoch", 1, 1),
    "train_loss": ("train_loss", "training loss", 1, 4),
    "test_loss": ("test_loss", "test loss", 1, 4),
}
HEADINGS = {"last": "last epoch", "best_on_validation": "best on validation", "best_on_test": "best on test",
            "best_without_ghosts": "best on validation without ghosts", "sparsest": "sparsest epoch"}  # fmt: skip


class PivotParams(Selected):
    """`rows` and `columns` are fields that label cells; together they must tell all cells apart."""

    rows: Annotated[tuple[str, ...], Field(strict=False)] = ("model", "method", "setting")
    columns: Annotated[tuple[str, ...], Field(strict=False)] = ()
    metrics: Annotated[tuple[Metric, ...], Field(strict=False)] = ("accuracy", "density")
    selections: Annotated[tuple[Selection, ...], Field(strict=False)] | None = None
    """Epochs by which a run is judged; by default the last and, where images were held out, the best on them,
    else the best on the test set."""


@tables.register("pivot", PivotParams)
def pivot(frames: Frames, params: PivotParams) -> Table:
    """Mean ± std over seeds of any metrics, one row a cell

    The long form has one row a (cell, selection, metric); accuracies and densities are in percent there too.
    """
    runs = with_sparsest(frames) if "sparsest" in (params.selections or ()) else frames.runs
    if "best_without_ghosts" in (params.selections or ()):
        runs = with_best(Frames(runs, frames.history))
    known = cells(runs, params.where)
    dense = _dense(known)
    heads: dict[tuple[str, ...], None] = {}
    fields: dict[tuple[str, ...], dict[tuple[str, ...], dict[str, Any]]] = {}
    long: list[dict[str, Any]] = []
    for cell in known:
        label = tuple(cell.shown(name) for name in params.rows)
        for selection in params.selections or _selections(known):
            for metric in params.metrics:
                head = (*(cell.shown(name) for name in params.columns), HEADINGS[selection], METRICS[metric][1])
                row = _row(cell, selection, metric, dense)
                if head in fields.setdefault(label, {}):
                    raise UserError(f"two cells share the row {label}: add the field that differs to rows or columns")
                heads[head], fields[label][head] = None, row
                long.append(row)
    texts, behind = (
        [[found[head][key] if head in found else "" for head in heads] for found in fields.values()]
        for key in ("text", "cell")
    )
    frame = pd.DataFrame(long, columns=LONG)
    rows = [names.field(name) for name in params.rows]
    return Table(frame, rows, list(heads), list(fields), texts, behind).compact()


LONG = ["dataset", "model", "method", "setting", "cell", "selection", "metric", *COLUMNS, "planned", "diverged",
        "failed", "missing", "text", "runs", "left_out"]  # fmt: skip


def _selections(known: list[Cell]) -> list[Selection]:
    held_out = any(cell.runs["best_on_validation.test_accuracy"].notna().any() for cell in known)
    planned = any("validation" in cell.runs and (cell.runs["validation"] > 0).any() for cell in known)
    return ["last", "best_on_validation" if held_out or planned else "best_on_test"]


def _dense(known: list[Cell]) -> dict[tuple[str, str], Cell]:
    """(dataset, model) -> its dense cell, where there is just one."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in known:
        if cell.method == "dense":
            found.setdefault((cell.dataset, cell.model), []).append(cell)
    return {key: same[0] for key, same in found.items() if len(same) == 1}


def _row(cell: Cell, selection: str, metric: str, dense: Mapping[tuple[str, str], Cell]) -> dict[str, Any]:
    name, _, factor, decimals = METRICS[metric]
    column = f"{selection}.{name}"
    values = cell.finished.set_index("seed")[column] * factor
    applies = True
    if metric == "difference":  # of the same seed: data order and initialisation are shared
        other = dense.get((cell.dataset, cell.model))
        applies = other is not None and cell.method != "dense"
        values = values - other.finished.set_index("seed")[column].reindex(values.index) * factor if other else values
    values = values.dropna() if applies else values.iloc[:0]
    ids = cell.runs.set_index("seed")["id"]
    summary = summarise(values)
    status = cell.runs["status"]
    return {
        **{key: cell.field(key) for key in LONG[:4]},
        "cell": cell.id, "selection": selection, "metric": metric,
        **columns(values), "planned": cell.planned,
        **{word: int((status == word).sum()) for word in ("diverged", "failed", "missing")},
        "text": text(cell, summary, set(values.index), decimals, metric == "difference") if applies else "",
        "runs": " ".join(ids[ids.index.isin(values.index)]),
        "left_out": " ".join(ids[~ids.index.isin(values.index)]),
    }  # fmt: skip


def text(cell: Cell, summary: Summary, counted: set[int], decimals: int, difference: bool = False) -> str:
    """`98.16 ± 0.06 (5)`; `97.20 ± 0.10 (2 of 3; s1 diverged)`; no ± for one seed, `—` for none; a difference has its
    sign."""
    mean = signed(summary.mean, decimals) if difference else f"{summary.mean:.{decimals}f}"
    number = "—" if summary.n == 0 else minus(mean)
    spread = f" ± {summary.std:.{decimals}f}" if summary.n > 1 else ""
    if summary.n == cell.planned:
        return f"{number}{spread} ({summary.n})"
    return f"{number}{spread} ({summary.n} of {cell.planned}; {gaps(cell, set(cell.runs['seed']) - counted)})"
