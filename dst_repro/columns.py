"""What the columns of the files that the suite writes mean: `docs/data.md` is made of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Type = Literal["text", "number", "integer", "yes or no", "list"]


class Column(NamedTuple):
    """One column; `unit` is empty for what has none."""

    type: Type
    unit: str
    meaning: str


def share(meaning: str) -> Column:
    return Column("number", "share of 1", meaning)


def percent(meaning: str) -> Column:
    return Column("number", "%", meaning)


def text(meaning: str) -> Column:
    return Column("text", "", meaning)


def count(meaning: str, unit: str = "") -> Column:
    return Column("integer", unit, meaning)


def number(meaning: str, unit: str = "") -> Column:
    return Column("number", unit, meaning)
