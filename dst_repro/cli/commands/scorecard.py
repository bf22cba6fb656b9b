"""Numbers and claims that came out again, counted for each paper."""

from __future__ import annotations

import argparse

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite as arguments

__all__ = ["arguments", "run"]


def run(args: argparse.Namespace) -> int:
    from dst_repro import compare
    from dst_repro.claims.write import read
    from dst_repro.report.scorecard import scorecard, write

    results, _ = suites.folders(suites.load(args))
    write(scorecard(compare.read(results), read(results)), results)
    return 0
