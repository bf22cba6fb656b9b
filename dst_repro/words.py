"""Numbers in sentences: singular and plural, signs."""

from __future__ import annotations

import re

MINUS = "\N{MINUS SIGN}"
NEGATIVE = re.compile(r"(?<![\w.])-(?=\d)")
"""A sign, not the hyphen of a name or of 5e-6."""


def how_many(number: int, noun: str) -> str:
    """`1 run`, `3 runs`, `1,334 finished runs`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def agreeing(number: int, one: str, several: str) -> str:
    """`1 is missing`, `3 are missing`."""
    return f"{number:,} {one if number == 1 else several}"


def minus(text: str) -> str:
    """Hyphens that are signs of numbers become minus signs."""
    return NEGATIVE.sub(MINUS, text)


def signed(value: float, digits: int = 2) -> str:
    """A difference: `+0.06`, `−0.47`, and `0.00` for what rounds to nothing."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)
