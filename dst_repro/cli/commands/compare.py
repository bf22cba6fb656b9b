"""Our numbers beside the published ones."""

from __future__ import annotations

import argparse

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite as arguments

__all__ = ["arguments", "run"]


def run(args: argparse.Namespace) -> int:
    from dst_repro import compare

    results, _ = suites.folders(suites.load(args))
    compare.write(compare.comparison(suites.frames(results)), results)
    return 0
