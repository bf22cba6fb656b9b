"""Runs that differ in their seed alone: the unit of every comparison."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from dst_repro.statistics.summary import Summary, summarise

HARMLESS = frozenset({"seed", "step_history", "threads"})  # fields that are no variant of the training


@dataclass(frozen=True)
class Cell:
    """The runs that differ in their seed alone, as rows of `Frames.runs`, by seed."""

    id: str
    runs: tuple[dict[str, Any], ...]
    place: int  # in the order of the experiments' files

    def get(self, column: str) -> Any:
        """A field that all runs of the cell share; None where the frame has no value."""
        value = self.runs[0].get(column)
        return None if isinstance(value, float) and math.isnan(value) else value

    @cached_property
    def finished(self) -> list[dict[str, Any]]:
        return [run for run in self.runs if run["status"] == "finished"]

    @property
    def reading(self) -> str:
        """The epoch that a verdict reads: no validation split, no best on validation."""
        return "best_on_validation" if (self.get("validation") or 0) > 0 else "last"

    @cached_property
    def density(self) -> Summary:
        """Density reached, in percent, as it is compared (`counting`)."""
        return summarise(100 * run[f"{self.reading}.counted"] for run in self.finished)

    def true_density(self, reading: str) -> float:
        """The mean density by masks, in percent, at an epoch."""
        return summarise(100 * run[f"{reading}.density"] for run in self.finished).mean

    @cached_property
    def plainness(self) -> tuple[int, int]:
        """Sorts cells: the fewest fields away from their default first, then the one planned first."""
        return (len(json.loads(self.get("config")).keys() - HARMLESS), self.place)

    def only(self, keep: Callable[[dict[str, Any]], bool]) -> Cell | None:
        """The cell with some of its runs: an experiment may add seeds to the cell of another."""
        runs = tuple(run for run in self.runs if keep(run))
        return Cell(self.id, runs, self.place) if runs else None


def cells(runs: pd.DataFrame) -> list[Cell]:
    """The cells of `Frames.runs`."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for row in runs.to_dict("records"):
        grouped.setdefault(row["cell"], []).append({str(key): value for key, value in row.items()})
    return [
        Cell(name, tuple(sorted(members, key=lambda run: run["seed"])), place)
        for place, (name, members) in enumerate(grouped.items())
    ]


def missing_seeds(cell: Cell) -> str:
    """`seed 3 diverged, seeds 4 and 5 missing`, or nothing if all are finished."""
    by_status: dict[str, list[str]] = {}
    for run in cell.runs:
        if run["status"] != "finished":
            by_status.setdefault(run["status"], []).append(str(run["seed"]))
    return ", ".join(
        f"seed{'s' if len(seeds) > 1 else ''} {' and '.join([', '.join(seeds[:-1])] * (len(seeds) > 1) + seeds[-1:])}"
        f" {status}"
        for status, seeds in by_status.items()
    )
