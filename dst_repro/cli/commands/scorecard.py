"""Numbers and claims that came out again, counted for each paper."""

from __future__ import annotations

import argparse

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite as arguments

__all__ = ["arguments", "run"]


def run(args: argparse.Namespace) -> int:
    from dst_repro import compare
    from dst_repro.claims.write import read
    from dst_repro.report import scorecard

    results, _ = suites.folders(suites.load(args))
    compared, answered = compare.read(results), read(results)
    found = scorecard.scorecard(compared, answered)
    before = scorecard.caveats(found, compared, answered, suites.frames(results).runs)
    scorecard.write(found, results, before)
    return 0
