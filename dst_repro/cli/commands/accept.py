"""Take records as they are: changed by hand, or older than their seals."""

from __future__ import annotations

import argparse
from pathlib import Path

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite


def arguments(parser: argparse.ArgumentParser) -> None:
    takes_suite(parser)
    parser.add_argument("run", nargs="+", help="id of a run of the suite, or `all`")


def run(args: argparse.Namespace) -> int:
    from dst_repro.records import record

    suite = suites.load(args)
    results = Path(suite.file.results_dir)
    there = [run for run in suite.runs if record.folder(results, run).is_dir()]
    for run in there if args.run == ["all"] else [suites.run(suite, run).id for run in args.run]:
        record.accept(results, run)
        print(f"{run}  sealed")
    return 0
