"""Which runs of the suite are running, missing, failed, diverged or stale."""

from __future__ import annotations

import argparse

from dst_repro.cli import suites
from dst_repro.cli.arguments import positive, takes_suite

SECONDS = 5.0
LONGEST = 86_400.0


def _seconds(text: str) -> float:
    return min(positive(text), LONGEST)


def arguments(parser: argparse.ArgumentParser) -> None:
    takes_suite(parser)
    parser.add_argument("--all", action="store_true", help="a line for each run")
    parser.add_argument("--strict", action="store_true", help="leave with 1 if a run failed or has no record")
    parser.add_argument("--retry", action="store_true", help="remove the records of failed runs")
    parser.add_argument("--tidy", action="store_true", help="remove networks and halves of files that no run needs")
    parser.add_argument("--watch", nargs="?", type=_seconds, const=SECONDS, metavar="SECONDS",
                        help=f"show it again and again until all is done or Ctrl-C [{SECONDS:g}]")  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from dst_repro.cli import standing
    from dst_repro.data.today import Today
    from dst_repro.errors import one_line

    suite, today = suites.load(args), Today()
    if args.retry:
        for run in standing.retry(suites.training(suite)):
            print(f"{run}  removed")
    found = standing.standings(suite, today)
    if args.tidy:
        from dst_repro.cli.tidying import tidy

        for line in tidy(suite, found):
            print(line)
    if args.watch:
        from dst_repro.cli.watching import watch

        found = watch(suite, found, args.watch, args.all, today)
    else:
        for line in standing.lines(suite, found, args.all):
            print(line)
    for why in today.refused.values():
        print(f"not compared with their data set: {one_line(why)}")
    return 1 if args.strict and standing.left_undone(found, suite.file.train) else 0
