"""Fields that not every method has, as the growth criterion that static sparse training lacks."""

from __future__ import annotations

from collections.abc import Iterable

from dst_repro.tables.cells import Cell


def text(cell: Cell, name: str) -> str:
    """A field of a cell as text, nothing where its method has none. Raises `UserError` for a misspelt field."""
    if "_params." in name and name not in cell.runs.columns:
        return ""
    return cell.field(name)


def texts(cell: Cell, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(text(cell, name) for name in names)


def treatment(cell: Cell, name: str) -> str:
    """What a cell stands for among others that differ in this field; where it has none, that is its method."""
    return text(cell, name) or cell.method


def heading(name: str, word: str) -> str:
    """`random growth`, `10 %`, `update_period 800`: a value of a field as a panel's title."""
    short = name.rpartition(".")[2]
    if short == "grow":
        return f"{word} growth"
    return word if name in ("dataset", "model", "method", "density", "setting") or not word else f"{short} {word}"
