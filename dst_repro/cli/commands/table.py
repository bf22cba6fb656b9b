"""Write one table of the suite, in every format."""

from __future__ import annotations

import argparse

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite


def arguments(parser: argparse.ArgumentParser) -> None:
    takes_suite(parser)
    parser.add_argument("item", metavar="PAPER/ITEM")


def run(args: argparse.Namespace) -> int:
    from dst_repro.cli import drawing
    from dst_repro.errors import ConfigError, did_you_mean

    suite = suites.load(args)
    if args.item not in suite.items:
        hint = did_you_mean(args.item, suite.items)
        raise ConfigError(f"no item '{args.item}' in this suite{hint}", suite.file.suite)
    chosen = suite.items[args.item]
    results, figures = suites.folders(suite)
    folder = figures if chosen.kind == "figure" else results
    drawing.item(suites.frames(results), chosen, folder, args.item.replace("/", "-"))
    return 0
