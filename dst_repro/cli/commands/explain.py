"""One run: its settings, its outcome, where it is used."""

from __future__ import annotations

import argparse

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite


def arguments(parser: argparse.ArgumentParser) -> None:
    takes_suite(parser)
    parser.add_argument("run", help="id of a run of the suite")


def run(args: argparse.Namespace) -> int:
    from dst_repro.cli import listing

    suite = suites.load(args)
    for line in listing.explain(suite, suites.known(suite, args.run)):
        print(line)
    return 0
