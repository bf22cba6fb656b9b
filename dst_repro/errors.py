"""Errors that a user can mend. The command line prints them as one line and leaves with status 2."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable
from typing import Any

SHOWN, LINE, NAMES = 80, 1000, 20
"""Characters of a value and of a whole message at most, and names in a list."""


class UserError(Exception):
    """Something outside the program is wrong: the message says what, where, and what would be right."""

    exit_code = 2


class ConfigError(UserError):
    """A configuration value is wrong. `where` names the key, then the file, as the error travels up."""

    def __init__(self, message: str, *where: str) -> None:
        self.message, self.where = message, tuple(where)
        super().__init__(message)

    def within(self, *where: str) -> ConfigError:
        """The same error, seen from one level further out."""
        return ConfigError(self.message, *where, *self.where)

    def __str__(self) -> str:
        return one_line(": ".join(filter(None, [*self.where, self.message])))


class DataError(UserError):
    """A data set is missing, damaged, or not one of the known copies."""


def one_line(text: str, most: int = LINE) -> str:
    """The text without line breaks, control characters and what is too much of it."""
    words = " ".join(itertools.islice(text[: 2 * most].split(), most))
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in words)
    return safe if len(safe) <= most and len(text) <= 2 * most else f"{safe[:most]}…"


def shown(value: Any) -> str:
    """A wrong value as messages show it: its beginning, if it is long."""
    try:
        return one_line(repr(value), SHOWN)
    except (RecursionError, ValueError):  # cyclic or nested too deep, or a number of thousands of digits
        return f"a {type(value).__name__}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for a near miss, else `; known: a, b, c`."""
    known = sorted(known)
    close = difflib.get_close_matches(word[:LINE], known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    more = f" and {len(known) - NAMES} more" if len(known) > NAMES else ""
    return f"; known: {', '.join(known[:NAMES])}{more}"
