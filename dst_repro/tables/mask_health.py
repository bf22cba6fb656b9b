"""The health of the masks at the end of training: how much of what is kept lies on a path from input to output."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from dst_repro.errors import UserError
from dst_repro.records.frames import Frames
from dst_repro.registry import tables
from dst_repro.statistics.summary import COLUMNS, columns, summarise
from dst_repro.tables import names
from dst_repro.tables.cells import Cell, Selected, cells
from dst_repro.tables.pivot import text
from dst_repro.tables.render import Table

NOT_RECORDED = "not recorded"
SHOWN = 4
"""So many collapsed layers are named; the CSV names all."""


class MaskHealthParams(Selected):
    rows: Annotated[tuple[str, ...], Field(strict=False)] = ("model", "method", "setting")
    """Fields that label cells; together they must tell all cells apart."""


LONG = ["dataset", "model", "method", "setting", "cell", "metric", "layer", *COLUMNS, "planned", "text", "runs"]
HEADS = ["density (%)", "effective density (%)", "smallest layer", "its density (%)", "collapsed layers",
         "test accuracy (%)"]  # fmt: skip


@tables.register("mask-health", MaskHealthParams)
def mask_health(frames: Frames, params: MaskHealthParams) -> Table:
    """Density, effective density, the sparsest layer, collapsed layers and accuracy at the last epoch, a row a cell

    Effective density counts the kept weights that lie on a path from the input to the output; a layer has collapsed
    where none of its weights does. Mean ± std over seeds; records older than this measure say "not recorded".
    """
    labels, texts, behind, long = [], [], [], []
    for cell in cells(frames.runs, params.where):
        label = tuple(cell.shown(name) for name in params.rows)
        if label in labels:
            raise UserError(f"two cells share the row {label}: add the field that differs to rows")
        rows = _rows(cell)
        smallest = next(row for row in rows if row["metric"] == "smallest_layer")
        shown = {row["metric"]: row["text"] for row in rows if row["metric"] != "collapsed"}
        labels.append(label)
        texts.append([shown["density"], shown["effective_density"], smallest["layer"], shown["smallest_layer"],
                      _collapsed(rows, shown["effective_density"]), shown["test_accuracy"]])  # fmt: skip
        behind.append([cell.id] * len(HEADS))
        long += rows
    heads: list[tuple[str, ...]] = [(head,) for head in HEADS]
    titles = [names.field(name) for name in params.rows]
    return Table(pd.DataFrame(long, columns=LONG), titles, heads, labels, texts, behind).compact()


def layer_counts(cell: Cell) -> pd.DataFrame:
    """One row a (finished seed, layer), layers in the order of the network: `seed`, `layer`, `position`, `numel`,
    `kept`, and `effective`, which is nan where it was not recorded.
    """
    rows = [
        (int(run["seed"]), layer["name"], place, layer["numel"], layer["kept"], layer.get("effective"))
        for _, run in cell.finished.dropna(subset=["layers"]).iterrows()
        for place, layer in enumerate(json.loads(run["layers"]))
    ]
    found = pd.DataFrame(rows, columns=["seed", "layer", "position", "numel", "kept", "effective"])
    return found.astype({"effective": float})


def _rows(cell: Cell) -> list[dict[str, Any]]:
    """A row a metric, then one for each layer that has collapsed in some seed."""
    layers = layer_counts(cell)
    sums = layers.groupby("seed")[["numel", "kept", "effective"]].sum(min_count=1)
    of_layers = (100 * layers["kept"] / layers["numel"]).groupby(layers["layer"], sort=False).mean()
    smallest = str(of_layers.idxmin()) if len(of_layers) else ""
    its = layers[layers["layer"] == smallest].set_index("seed")
    accuracy = cell.finished.set_index("seed")["last.test_accuracy"]
    rows = [
        _row(cell, "density", 100 * sums["kept"] / sums["numel"]),
        _row(cell, "effective_density", 100 * sums["effective"] / sums["numel"]),
        _row(cell, "smallest_layer", 100 * its["kept"] / its["numel"], smallest),
        _row(cell, "test_accuracy", 100 * accuracy),
    ]
    known = layers.dropna(subset=["effective"])
    for layer, seeds in known.groupby("layer", sort=False):
        lost = (seeds.set_index("seed")["effective"] == 0).astype(float)
        if lost.any():
            rows.append(_row(cell, "collapsed", lost, str(layer)) | {"text": f"{int(lost.sum())} of {len(lost)}"})
    return rows


def _row(cell: Cell, metric: str, values: pd.Series[float], layer: str = "") -> dict[str, Any]:
    values = values.dropna()
    summary = summarise(values)
    ids = cell.runs.set_index("seed")["id"]
    shown = text(cell, summary, set(values.index), 2).replace("without a value", NOT_RECORDED)
    return {
        **{key: cell.field(key) for key in LONG[:4]}, "cell": cell.id, "metric": metric, "layer": layer,
        **columns(values), "planned": cell.planned,
        "text": NOT_RECORDED if summary.n == 0 and len(cell.finished) else shown,
        "runs": " ".join(ids[ids.index.isin(values.index)]),
    }  # fmt: skip


def _collapsed(rows: list[dict[str, Any]], effective: str) -> str:
    """`fc2 (1 of 3), fc3 (3 of 3)`: in how many of the seeds whose paths were counted; `effective` says if none was."""
    counted = next(row["n"] for row in rows if row["metric"] == "effective_density")
    if not counted:
        return effective
    words = [f"{row['layer']} ({row['text']})" for row in rows if row["metric"] == "collapsed"]
    more = [f"and {len(words) - SHOWN} more"] if len(words) > SHOWN else []
    return ", ".join([*words[:SHOWN], *more]) or "none"
