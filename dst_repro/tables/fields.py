"""Fields that not every method has, as the growth criterion that static sparse training lacks."""

from __future__ import annotations

from collections.abc import Iterable

from dst_repro.errors import UserError
from dst_repro.tables.cells import Cell
from dst_repro.tables.known import among


def texts(cell: Cell, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(cell.field(name) for name in names)


def number(cell: Cell, name: str) -> float | None:
    """A field of a cell, densities in percent; none where its method has none.

    Raises `UserError` for a word, and for a field that no run can have.
    """
    value = cell.runs[name].iloc[0] if among(name, cell.runs.columns) else None
    if value is None or value != value:
        return None
    try:
        return float(value) * (100 if name == "density" else 1)
    except ValueError:
        raise UserError(f"{name} is '{value}', which is no number") from None


def treatment(cell: Cell, name: str) -> str:
    """What a cell stands for among others that differ in this field; where it has none, that is its method."""
    return cell.field(name) or cell.method


def heading(name: str, word: str) -> str:
    """`random growth`, `10 %`, `update period 800`: a value of a field as a panel's title."""
    short = name.rpartition(".")[2].replace("_", " ")
    if short == "grow" and word:
        return f"{word} growth"
    return word if name in ("dataset", "model", "method", "density", "setting") or not word else f"{short} {word}"
