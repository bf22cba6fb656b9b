"""`--print-completion SHELL`: what a shell needs to complete `dst-repro`. It takes shtab, an optional dependency."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

SHELLS = ("bash", "zsh", "tcsh")
FILES = ("suite", "plugin", "out", "csv", "folder", "results", "a", "b")
"""Arguments that name a file or a folder."""


class Completion(argparse.Action):
    """Prints it and leaves, as `--help` does."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        about = "what a shell needs to complete `dst-repro`, for its start-up file"
        super().__init__(option_strings, argparse.SUPPRESS, choices=SHELLS, help=about)

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> None:
        try:
            import shtab
        except ImportError:
            parser.error("--print-completion needs the package shtab: `pip install shtab`")
        for action in _actions(parser):
            if action.dest in FILES:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
        parser.prog = "dst-repro"  # what is typed; `python -m dst_repro` is completed by nobody
        print(shtab.complete(parser, rest[1]))
        parser.exit()


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Of all commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                yield from _actions(sub)
