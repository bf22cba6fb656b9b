"""What the papers say, answered by the runs."""

from __future__ import annotations

import argparse

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite as arguments

__all__ = ["arguments", "run"]


def run(args: argparse.Namespace) -> int:
    from dst_repro.claims.answering import answers
    from dst_repro.claims.write import write

    suite = suites.load(args)
    results, _ = suites.folders(suite)
    write(answers(suite, suites.frames(results)), results)
    return 0
