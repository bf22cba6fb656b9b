"""Methods, models, data sets, tables, plots, ...; or what a suite selects."""

from __future__ import annotations

import argparse

from dst_repro.cli import suites
from dst_repro.cli.arguments import QUICKSTART


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", help=f"config file of a suite [all that there is, and {QUICKSTART}]")
    parser.set_defaults(source="--suite")
    parser.add_argument("--cost", action="store_true", help="what the suite selects, and the hours that it will take")


def run(args: argparse.Namespace) -> int:
    from dst_repro.cli import listing, never_masked

    named = args.suite is not None
    args.suite = args.suite or QUICKSTART
    suite = suites.load(args)  # first, as it may plug something in
    lines = [*listing.contents(suite), *(never_masked.lines(suite) if named else ())]
    if args.cost:
        from dst_repro.records import cost

        lines += cost.table(suite)
    else:
        lines = [*listing.plug_ins(outside=named), *lines]
    for line in lines:
        print(line)
    return 0
