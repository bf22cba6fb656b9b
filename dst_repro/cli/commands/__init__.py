"""One module a command: its docstring is the help, `arguments` says what it takes, `run` does it and returns the exit
code. Snakemake's rules call them, and so can a person.

Modules import what they need when they run: `list` must not wait for torch, nor `train` for matplotlib.
"""

from __future__ import annotations

import argparse
import importlib
import keyword
from collections.abc import Iterator
from typing import Protocol, cast

ORDER = (
    "init", "train", "data", "aggregate", "table", "figure", "compare", "claims", "scorecard", "report", "summary",
    "list", "queue", "explain", "export", "tensorboard", "status", "confirm", "diff", "import", "accept", "schema",
    "dictionary", "quote",
)  # fmt: skip
"""In which the help names them."""


class Command(Protocol):
    __doc__: str | None

    def arguments(self, parser: argparse.ArgumentParser) -> None: ...

    def run(self, args: argparse.Namespace) -> int: ...


def commands() -> Iterator[tuple[str, Command]]:
    """(name, module), in the order of the help."""
    for name in ORDER:
        module = f"{name}_" if keyword.iskeyword(name) else name
        yield name, cast(Command, importlib.import_module(f"{__name__}.{module}"))


def about(command: Command) -> str:
    """What it does, as help says it: the first line of its docstring. Nothing where Python leaves docstrings out."""
    line = (command.__doc__ or "").partition("\n")[0].removesuffix(".")
    return line[:1].lower() + line[1:]
