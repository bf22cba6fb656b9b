"""The results of the suite as a short text."""

from __future__ import annotations

import argparse
from pathlib import Path

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite as arguments

__all__ = ["arguments", "run"]


def run(args: argparse.Namespace) -> int:
    from dst_repro.report import terminal

    suite = suites.load(args)
    print(terminal.text(suites.frames(suites.folders(suite)[0]), Path(suite.file.results_dir) / "report.html"))
    return 0
