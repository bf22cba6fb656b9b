"""Our numbers beside the published ones."""

from __future__ import annotations

import argparse

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite as arguments

__all__ = ["arguments", "run"]


def run(args: argparse.Namespace) -> int:
    from dst_repro import compare
    from dst_repro.compare import plans

    suite = suites.load(args)
    results, _ = suites.folders(suite)
    frames = suites.frames(results)
    compare.write(compare.comparison(frames, plan=plans.of_suites(suite, frames)), results)
    return 0
