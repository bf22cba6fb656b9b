"""Masks that were found in training, trained from scratch, beside the runs that found them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dst_repro.errors import UserError
from dst_repro.records.frames import Frames
from dst_repro.registry import tables
from dst_repro.statistics.summary import COLUMNS, columns, summarise
from dst_repro.tables.cells import Selected, cells
from dst_repro.tables.pivot import text
from dst_repro.tables.render import Table
from dst_repro.tables.retraining import Retrained
from dst_repro.tables.retraining import retrained as find
from dst_repro.words import signed

LONG = ["dataset", "model", "source", "setting", "variant", "metric", *COLUMNS, "planned", "text", "runs"]
HEADS = ("density (%)", "its own accuracy (%)", "retrained (%)", "difference (points)", "95 % interval")


@tables.register("retrained", Selected)
def retrained(frames: Frames, params: Selected) -> Table:
    """A mask's own run and the mask trained from scratch, at the last epoch, with the difference seed by seed

    Mean ± std over seeds; the interval is Student's, of the mean difference.
    """
    order = {cell.id: place for place, cell in enumerate(cells(frames.runs))}
    found = sorted(find(frames.runs, params.where), key=lambda one: order[one.source.id])
    labels: list[tuple[str, ...]] = []
    texts: list[list[str]] = []
    behind: list[list[str]] = []
    long: list[dict[str, Any]] = []
    for one in found:
        rows = _rows(one)
        label = (*(one.source.shown(name) for name in ("model", "method", "setting")), one.told)
        if label in labels:
            raise UserError(f"two cells train the mask of {' '.join(label[1:])}: choose one by `where`")
        labels.append(label)
        texts.append([*(str(row["text"]) for row in rows), _interval(rows[-1])])
        both = f"{one.cell.id} {one.source.id}"
        behind.append([one.cell.id, one.source.id, one.cell.id, both, both])  # in the order of HEADS
        long += rows
    heads: list[tuple[str, ...]] = [(head,) for head in HEADS]
    names = ["model", "mask of", "setting", "weights"]
    return Table(pd.DataFrame(long, columns=LONG), names, heads, labels, texts, behind).compact()


def _rows(one: Retrained) -> list[dict[str, Any]]:
    accuracy, density = one.pairs("last.test_accuracy"), one.pairs("last.density")
    values = {"density": density["retrained"], "source": accuracy["source"], "retrained": accuracy["retrained"],
              "difference": accuracy["retrained"] - accuracy["source"]}  # fmt: skip
    ids = one.cell.runs.set_index("seed")["id"]
    common = {"dataset": one.cell.dataset, "model": one.cell.model, "source": one.source.method,
              "setting": one.source.setting, "variant": one.variant, "planned": one.cell.planned,
              "runs": " ".join(ids[ids.index.isin(accuracy.index)])}  # fmt: skip
    rows: list[dict[str, Any]] = []
    for metric, series in values.items():
        shown = text(one.cell, summarise(series), set(series.index), 2, metric == "difference")
        rows.append(common | {"metric": metric, **columns(series), "text": shown})
    return rows


def _interval(row: dict[str, Any]) -> str:
    return "" if row["low"] != row["low"] else f"{signed(row['low'])} to {signed(row['high'])}"
