"""All records of a suite into runs.parquet and history.parquet."""

from __future__ import annotations

import argparse
from pathlib import Path

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite as arguments

__all__ = ["arguments", "run"]


def run(args: argparse.Namespace) -> int:
    from dst_repro.records import frames

    suite = suites.load(args)
    frames.write(frames.aggregate(suite, Path(suite.file.results_dir)), suites.folders(suite)[0])
    return 0
