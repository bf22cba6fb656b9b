"""Errors that a user can mend. The command line prints them as one line and leaves with status 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something outside the program is wrong: the message says what, where, and what would be right."""


class ConfigError(UserError):
    """A configuration value is wrong. `where` names the key, then the file, as the error travels up."""

    def __init__(self, message: str, *where: str) -> None:
        self.message, self.where = message, tuple(where)
        super().__init__(message)

    def within(self, *where: str) -> ConfigError:
        """The same error, seen from one level further out."""
        return ConfigError(self.message, *where, *self.where)

    def __str__(self) -> str:
        return ": ".join([*self.where, self.message])


class DataError(UserError):
    """A data set is missing, damaged, or not one of the known copies."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for a near miss, else `; known: a, b, c`."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}"
