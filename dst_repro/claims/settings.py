"""Settings of a grid, in each of which the same treatments stand beside one another."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Annotated

import pandas as pd
from pydantic import Field

from dst_repro.claims.base import Judged
from dst_repro.errors import UserError
from dst_repro.statistics.summary import Summary, summarise
from dst_repro.tables import fields
from dst_repro.tables.cells import Cell, cells
from dst_repro.tables.judging import accuracies
from dst_repro.tables.ranking import Fields

CRITERIA = ("magnitude", "mest", "snip", "each-sign-equal", "reciprocal-sensitivity")
"""The five prune criteria that Fantastic Weights studies everywhere."""
SHORT = {"each-sign-equal": "SET", "each-sign-released": "SET as released", "mest": "MEST", "snip": "SNIP"}

Treatments = Annotated[tuple[str, ...], Field(strict=False, min_length=2)]


class GridParams(Judged):
    """Parameters of rules that compare treatments in many settings."""

    treatment: str = "method_params.drop"
    """The field whose values are compared."""
    treatments: Treatments = CRITERIA
    """Its values that are compared; a setting that lacks one is counted as unknown."""
    blocks: Fields = ("dataset", "model", "density", "method_params.grow")
    """The fields that tell settings apart."""


@dataclass(frozen=True)
class Setting:
    """Cells that differ in the treatment alone."""

    place: tuple[str, ...]
    density: float
    """The target, a share; nan where there is none."""
    selection: str
    cells: dict[str, Cell] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return ", ".join(filter(None, self.place))

    def values(self, treatment: str) -> dict[int, float]:
        """Seed -> accuracy in percent; nothing where there is no such cell."""
        cell = self.cells.get(treatment)
        return accuracies(cell, self.selection) if cell else {}

    def summaries(self, treatments: Iterable[str]) -> dict[str, Summary]:
        return {name: summarise(self.values(name).values()) for name in treatments}

    def seeds(self, treatments: Iterable[str]) -> int:
        """The fewest finished seeds of these treatments."""
        return min(summary.n for summary in self.summaries(treatments).values())

    def spread(self, treatments: Iterable[str]) -> float:
        """The highest mean less the lowest, in points."""
        means = [summary.mean for summary in self.summaries(treatments).values()]
        return max(means) - min(means)

    def pooled(self, treatments: Iterable[str]) -> float:
        """Standard deviation over seeds, of all treatments together; 0 where none has two seeds."""
        many = [summary for summary in self.summaries(treatments).values() if summary.n > 1]
        if not many:
            return 0.0
        return math.sqrt(sum((s.n - 1) * s.std**2 for s in many) / sum(s.n - 1 for s in many))


def settings(runs: pd.DataFrame, params: GridParams, also: Sequence[str] = ()) -> list[Setting]:
    """The settings with a run of one of the treatments, or of `also`. Raises `UserError` where two cells are one."""
    found: dict[tuple[str, ...], Setting] = {}
    for cell in cells(runs, params.where):
        name = cell.field(params.treatment)
        if name not in (*params.treatments, *also):
            continue
        place = fields.texts(cell, params.blocks)
        setting = found.setdefault(place, Setting(place, float(cell.runs["density"].iloc[0]), params.selection))
        if name in setting.cells:
            raise UserError(f"two cells are '{name}' in {setting.name}: choose by `where` or name the field in which "
                            "they differ in `blocks`")  # fmt: skip
        setting.cells[name] = cell
    return list(found.values())


def complete(known: Iterable[Setting], treatments: Sequence[str], least: int = 1) -> list[Setting]:
    """Those in which each treatment has so many finished seeds."""
    return [setting for setting in known if setting.seeds(treatments) >= least]


def all_cells(known: Iterable[Setting]) -> list[Cell]:
    return [cell for setting in known for cell in setting.cells.values()]


def means(known: Sequence[Setting], treatments: Iterable[str]) -> pd.DataFrame:
    """One row a setting, one column a treatment: mean accuracy in percent, nan where there is none."""
    rows = [{name: s.mean for name, s in setting.summaries(treatments).items()} for setting in known]
    return pd.DataFrame(rows, index=[setting.name for setting in known])


def rest(cell: Cell, *but: str) -> str:
    """What cells have in common that differ in these fields alone: `method`, or a parameter as `method_params.drop`."""
    config = json.loads(cell.runs["config"].iloc[0])
    for name in ("seed", *but):
        parent, _, own = name.rpartition(".")
        (config.get(parent, {}) if parent else config).pop(own, None)
    return json.dumps({key: value for key, value in config.items() if value != {}}, sort_keys=True)


def short(name: str) -> str:
    """A treatment as a line of evidence calls it."""
    return SHORT.get(name, name.replace("reciprocal-sensitivity", "RSensitivity"))
