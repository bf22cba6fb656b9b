"""The cells of an item as tables and figures show them: their names, their values, and the seeds that are missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from dst_repro.plan.config import PARENTS
from dst_repro.records import ghosts, sparsest
from dst_repro.records.frames import RUNS
from dst_repro.registry import Params
from dst_repro.tables import names
from dst_repro.tables.known import among

Where = dict[str, list[str | int | float | bool]]

SILENT = {"seed", "threads", "step_history", *sparsest.COLUMNS, *ghosts.COLUMNS}
"""Columns that tell no two cells apart in the eyes of a reader."""


class Selected(Params):
    """Parameters of every item: which of the runs of its experiments it shows."""

    where: Where = Field(default_factory=dict)
    """Field -> the values to show. Runs without a value for the field (dense has no density) pass."""


class Beside(Selected):
    """Parameters of an item that shows published numbers beside ours."""

    published: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Published items as `paper/item`, e.g. `dst/Table 1`; spelled as in published/*.csv."""


@dataclass(frozen=True)
class Cell:
    """One configuration, its planned runs sorted by seed."""

    dataset: str
    model: str
    method: str
    setting: str
    """What tells it from other cells of its method: `5 %` is its density target, `alpha 0.001` a parameter."""
    told: str
    """The setting for readers: labels in place of slugs."""
    runs: pd.DataFrame

    @property
    def id(self) -> str:
        return str(self.runs["cell"].iloc[0])

    @property
    def planned(self) -> int:
        return len(self.runs)

    @property
    def finished(self) -> pd.DataFrame:
        return self.runs[self.runs["status"] == "finished"]

    def field(self, name: str) -> str:
        """One of the first four names above, or any field of the configuration, nothing where the cell has none.

        Raises `UserError` for a field that no run can have.
        """
        if name in ("dataset", "model", "method", "setting"):
            return str(getattr(self, name))
        if not among(name, self.runs.columns):
            return ""
        return percent(self.runs[name].iloc[0]) if name == "density" else plain(self.runs[name].iloc[0])

    def shown(self, name: str) -> str:
        """The same for readers, with labels in place of slugs."""
        return self.told if name == "setting" else names.shown(name, self.field(name))


def plain(value: Any) -> str:
    """A field as text: 0.0005, `original`, nothing for a missing value."""
    if value is None or value is pd.NA or value != value:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def percent(share: float) -> str:
    """A share of 1 as `5 %`; nothing for a missing value."""
    return f"{100 * share:g} %" if share == share else ""


def select(runs: pd.DataFrame, where: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Only runs that satisfy all conditions. Raises `UserError` for a field that no run can have."""
    for name, allowed in where.items():
        if among(name, runs.columns, "where"):
            words = {plain(v) for v in (float(v) if type(v) is int else v for v in allowed)} | {""}
            runs = runs[runs[name].map(plain).isin(words)]
    return runs


def _varying(firsts: pd.DataFrame) -> dict[str, list[str]]:
    """Method -> the fields in which its cells on one model differ, in the order of the columns; those of the run that
    they start from only where nothing else tells two cells apart.
    """
    fields = [str(c) for c in firsts.columns if c not in RUNS.columns and c not in SILENT]
    found: dict[str, list[str]] = {}
    for (_, _, method), group in firsts.groupby(["dataset", "model", "method"]):
        differ = [f for f in fields if group[f].map(plain)[_has(group, f)].nunique() > 1]
        own = [f for f in differ if f.partition(".")[0] not in PARENTS]
        if not group[["density", *own]].map(plain).duplicated().any():
            differ = own
        known = found.setdefault(str(method), [])
        known += [f for f in differ if f not in known]
    return found


def _has(group: pd.DataFrame, field: str) -> pd.Series[bool]:
    """Whose value of a field counts: a trick's parameters tell those apart that have the trick."""
    return group[field].notna() if field.startswith("tricks.") else pd.Series(True, group.index)


def _setting(first: pd.Series[Any], fields: Iterable[str], told: bool = False) -> str:
    """`told`: for readers, with labels, densities in percent, and no underscores."""
    words = [f"{_word(field, told)} {_value(first, field, told)}" for field in fields if plain(first[field])]
    return ", ".join([w for w in (percent(first["density"]),) if w] + words)


def _word(field: str, told: bool) -> str:
    parent, _, own = field.rpartition(".")
    of = {"weights_from": "from", "mask_from": "mask's"}.get(parent.partition(".")[0], "")
    if told:
        own = "" if of and own == "method" else names.field(own)
    return f"{of} {own}".strip()


def _value(first: pd.Series[Any], field: str, told: bool) -> str:
    value = first[field]
    if not told:
        return plain(value)
    return percent(value) if field.endswith(".density") else names.shown(field, plain(value))


def cells(runs: pd.DataFrame, where: Mapping[str, Sequence[Any]] | None = None) -> list[Cell]:
    """The cells that pass `where`: by data set and model, dense first, by method, density falling, parameters rising.

    Their settings tell them from all cells in `runs`, so that a name does not depend on what else is shown.
    """
    varying = _varying(runs.drop_duplicates("cell"))
    runs = select(runs, where or {})
    firsts = runs.drop_duplicates("cell")

    def key(first: pd.Series[Any]) -> tuple[Any, ...]:
        method, density = str(first["method"]), first["density"]
        words = [plain(first[field]) for field in varying[method]]
        numbers = [(0, float(w), "") if _is_number(w) else (1, 0.0, w) for w in words]
        where = (str(first["dataset"]), str(first["model"]), method != "dense", method)
        return (*where, -density if density == density else 0.0, numbers)

    ordered = sorted((first for _, first in firsts.iterrows()), key=key)
    return [
        Cell(
            str(first["dataset"]),
            str(first["model"]),
            str(first["method"]),
            _setting(first, varying[str(first["method"])]),
            _setting(first, varying[str(first["method"])], told=True),
            runs[runs["cell"] == first["cell"]].sort_values("seed"),
        )
        for first in ordered
    ]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def gaps(cell: Cell, without_value: Iterable[int] = (), why: str = "without a value") -> str:
    """The seeds that do not count, by reason: `s1 diverged, s2 s4 missing`; `all missing` if every seed is.

    `why` is the reason of finished runs.
    """
    reasons: dict[str, list[int]] = {}
    for seed, status in zip(cell.runs["seed"], cell.runs["status"], strict=True):
        if status != "finished":
            reasons.setdefault(str(status), []).append(int(seed))
        elif seed in without_value:
            reasons.setdefault(why, []).append(int(seed))
    parts = [
        ("all" if len(seeds) == cell.planned > 1 else " ".join(f"s{seed}" for seed in seeds)) + f" {reason}"
        for reason, seeds in reasons.items()
    ]
    return ", ".join(parts)
