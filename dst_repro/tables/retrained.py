"""Masks that were found in training, trained from scratch, beside the runs that found them."""

from __future__ import annotations

import pandas as pd

from dst_repro.errors import UserError
from dst_repro.records.frames import Frames
from dst_repro.registry import tables
from dst_repro.statistics.summary import summarise
from dst_repro.tables.cells import Selected, cells
from dst_repro.tables.pivot import text
from dst_repro.tables.render import Table
from dst_repro.tables.retraining import Retrained
from dst_repro.tables.retraining import retrained as find

LONG = ["dataset", "model", "source", "setting", "variant", "metric", "mean", "std", "low", "high", "n", "planned",
        "text", "runs"]  # fmt: skip
HEADS = {"remaining": "remaining (%)", "source": "its own accuracy (%)", "retrained": "retrained (%)",
         "difference": "difference (points)", "interval": "95 % interval"}  # fmt: skip


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
    long: list[dict[str, object]] = []
    for one in found:
        rows = _rows(one)
        label = (one.source.model, one.source.method, one.source.setting, one.variant)
        if label in labels:
            raise UserError(f"two cells train the mask of {' '.join(label[1:])}: choose one by `where`")
        labels.append(label)
        texts.append([str(row["text"]) for row in rows])
        both = f"{one.cell.id} {one.source.id}"
        behind.append([one.cell.id, one.source.id, one.cell.id, both, both])  # in the order of HEADS
        long += rows
    heads: list[tuple[str, ...]] = [(head,) for head in HEADS.values()]
    names = ["model", "mask of", "setting", "weights"]
    return Table(pd.DataFrame(long, columns=LONG), names, heads, labels, texts, behind).compact()


def _rows(one: Retrained) -> list[dict[str, object]]:
    accuracy, density = one.pairs("last.test_accuracy"), one.pairs("last.density")
    of_difference = summarise(accuracy["retrained"] - accuracy["source"])
    values = {"remaining": density["retrained"], "source": accuracy["source"], "retrained": accuracy["retrained"],
              "difference": accuracy["retrained"] - accuracy["source"]}  # fmt: skip
    ids = one.cell.runs.set_index("seed")["id"]
    common = {"dataset": one.cell.dataset, "model": one.cell.model, "source": one.source.method,
              "setting": one.source.setting, "variant": one.variant, "planned": one.cell.planned,
              "runs": " ".join(ids[ids.index.isin(accuracy.index)])}  # fmt: skip
    rows: list[dict[str, object]] = []
    for metric, series in values.items():
        summary = summarise(series)
        shown = text(one.cell, summary, set(series.index), 2)
        rows.append(
            common | {"metric": metric, "mean": summary.mean, "std": summary.std, "n": summary.n, "text": shown}
        )
    low, high = of_difference.interval()
    shown = "" if low != low else f"{low:.2f} to {high:.2f}".replace("-", "\N{MINUS SIGN}")
    rows.append(common | {"metric": "interval", "low": low, "high": high, "n": of_difference.n, "text": shown})
    return rows
