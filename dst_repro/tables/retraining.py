"""What a mask is worth by itself: runs that train the final mask of another from scratch, beside that other run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from dst_repro.tables import names
from dst_repro.tables.cells import Cell, cells, plain

Where = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Retrained:
    """A cell whose masks are those of the runs of another cell, seed by seed."""

    cell: Cell
    source: Cell
    variant: str
    """What is kept of the other run: `same weights`, `redrawn weights`, `shuffled in layers`, `weights of dense, at
    step 500`; `initial weights` where these aren't those that the other run had."""

    @property
    def told(self) -> str:
        """The variant for readers."""
        of = "weights of "
        words = self.variant.split(", ")
        return ", ".join(of + names.shown("method", w.removeprefix(of)) if w.startswith(of) else w for w in words)

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
            yield Retrained(cell, source, variant(cell, source))


def variant(cell: Cell, source: Cell) -> str:
    """How a cell differs from one that starts as the mask's own run did."""
    words = []
    if _value(cell, "method_params.positions") == "shuffled":
        words.append("shuffled in layers")
    moments = [(unit, _value(cell, f"weights_at.{unit}")) for unit in ("epoch", "step")]
    if _value(cell, "weights_from.method"):
        words.append(f"weights of {_value(cell, 'weights_from.method')}")
        words += [f"at {unit} {when}" for unit, when in moments if when]
    elif _value(cell, "initialisation") == "redrawn":
        words.append("redrawn weights")
    elif not words:
        drawn_anew = source.method == "dst" and _value(source, "fidelity") == "released"
        other = drawn_anew or _value(source, "weights_from.method") or _value(source, "initialisation") == "redrawn"
        words.append("initial weights" if other else "same weights")
    return ", ".join(words)


def _value(cell: Cell, field: str) -> str:
    return plain(cell.runs[field].iloc[0]) if field in cell.runs else ""
