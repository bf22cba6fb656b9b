"""Accuracy at a density: of runs that were asked for it, else between the neighbours in a sweep over alpha."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

from dst_repro.compare.cells import HARMLESS, Cell, cells, missing_seeds
from dst_repro.compare.counting import with_counted
from dst_repro.compare.sweep import Sweep, sweep_at
from dst_repro.records.as_printed import as_printed
from dst_repro.records.frames import Frames
from dst_repro.records.sparsest import with_sparsest
from dst_repro.tables.cells import Where, select
from dst_repro.tables.pivot import HEADINGS

BESIDE = ("best_on_test", "sparsest")
"""The epochs that DST's released code keeps: shown beside the one that decides, where no images were held out."""
METHOD = frozenset({"method", "method_params", "density", "fidelity"})


@dataclass(frozen=True)
class Reached:
    """Accuracies at one density, by seed, in percent."""

    values: dict[int, float]
    cells: tuple[Cell, ...]
    planned: frozenset[int]

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(str(run["id"]) for cell in self.cells for run in cell.finished if run["seed"] in self.values)

    @property
    def without(self) -> str:
        """`; without seeds 0 and 3`, and which of the runs did not finish; nothing if every planned seed counts."""
        lost = [str(seed) for seed in sorted(self.planned - self.values.keys())]
        if not lost:
            return ""
        reasons = "; ".join(dict.fromkeys(filter(None, map(missing_seeds, self.cells))))
        names = " and ".join(filter(None, [", ".join(lost[:-1]), lost[-1]]))
        return f"; without seed{'s' if len(lost) > 1 else ''} {names}" + (f" ({reasons})" if reasons else "")


def known(frames: Frames, where: Where) -> list[Cell]:
    """The cells that pass `where`, with the sparsest epoch and densities as they are compared."""
    return cells(select(with_counted(with_sparsest(frames), as_printed(frames)), where))


def of_method(found: Iterable[Cell], method: str, model: str = "") -> list[Cell]:
    return [cell for cell in found if cell.get("method") == method and model in ("", cell.get("model"))]


def reached(same: list[Cell], percent: float, reading: str = "") -> Reached:
    """Of the cells of one method on one model; `reading` is by default the epoch that a verdict reads.

    A sweep that encloses the density at another epoch than this one has no values here.
    """
    asked = [c for c in same if c.get("density") is not None and math.isclose(100 * c.get("density"), percent)]
    if asked:
        cell = min(asked, key=lambda c: c.plainness)
        return Reached(accuracies(cell, reading), (cell,), frozenset(run["seed"] for run in cell.runs))
    sweep = sweep_at(same, percent)
    if sweep is None:
        return Reached({}, (), frozenset())
    return along(sweep, percent, reading)


def along(sweep: Sweep, percent: float, reading: str = "") -> Reached:
    """A sweep at a density."""
    reading = reading or sweep.cells[0].reading
    at = Sweep(sweep.cells, percent)
    seeds = frozenset(run["seed"] for cell in sweep.cells for run in cell.runs)
    return Reached(at.at("top1", reading).values, tuple(at.used("top1", reading)), seeds)


def accuracies(cell: Cell, reading: str = "") -> dict[int, float]:
    """Seed -> test accuracy in percent, at the epoch that a verdict reads if none is named."""
    column = f"{reading or cell.reading}.test_accuracy"
    return {run["seed"]: 100 * run[column] for run in cell.finished if run[column] == run[column]}


def judged(*found: Cell) -> str:
    """`last epoch`: by which epochs the runs of these cells are judged."""
    return " and ".join(dict.fromkeys(HEADINGS[cell.reading] for cell in found))


def dense_beside(found: Iterable[Cell], like: Cell) -> Cell | None:
    """The dense network of the same data and model that shares most of its settings with a sparse one."""
    dense = [c for c in of_method(found, "dense", like.get("model")) if c.get("dataset") == like.get("dataset")]
    return min(dense, key=lambda c: len(_apart(c, like)), default=None)


def _apart(one: Cell, other: Cell) -> set[str]:
    """The settings in which two cells differ, their methods aside."""
    a, b = json.loads(one.get("config")), json.loads(other.get("config"))
    return {key for key in a.keys() | b.keys() if a.get(key) != b.get(key)} - HARMLESS - METHOD


def own(dense: Cell, sparse: Cell) -> bool:
    """Whether a dense network was trained as the sparse one was."""
    return not _apart(dense, sparse)
