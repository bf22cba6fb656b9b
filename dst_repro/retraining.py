"""What a mask is worth by itself: runs that train the final mask of another from scratch, beside that other run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dst_repro.tables.cells import Cell, cells, plain

Where = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Retrained:
    """A cell whose masks are those of the runs of another cell, seed by seed."""

    cell: Cell
    source: Cell
    variant: str
    """What is kept of the other run: `same weights`, `redrawn weights`, `shuffled in layers`, `weights at step 500`."""

    def pairs(self, column: str) -> pd.DataFrame:
        """Index: seeds of which both runs have finished. Columns `source` and `retrained`, in percent."""
        both = {"source": self.source, "retrained": self.cell}
        found = {name: 100 * cell.finished.set_index("seed")[column] for name, cell in both.items()}
        return pd.DataFrame(found).dropna()


def retrained(runs: pd.DataFrame, where: Where) -> Iterator[Retrained]:
    """Every cell that trains, as it is given or shuffled, the mask of a cell that is here, too."""
    if "mask_of" not in runs:
        return
    of_run = {run: cell for cell in cells(runs) for run in cell.runs["id"]}
    for cell in cells(runs, where):
        source = of_run.get(cell.runs["mask_of"].iloc[0])
        if cell.method == "given-mask" and source is not None:
            yield Retrained(cell, source, variant(cell))


def variant(cell: Cell) -> str:
    """How a cell differs from one that starts as the mask's own run did."""

    def value(field: str) -> str:
        return plain(cell.runs[field].iloc[0]) if field in cell.runs else ""

    if value("method_params.positions") == "shuffled":
        return "shuffled in layers"
    for unit in ("step", "epoch"):
        if when := value(f"weights_at.{unit}"):
            return f"weights at {unit} {when}"
    if value("weights_from.method"):
        return "trained weights"
    return "redrawn weights" if value("initialisation") == "redrawn" else "same weights"
