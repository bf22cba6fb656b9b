"""Take records that were trained elsewhere into the suite's results, each looked at first."""

from __future__ import annotations

import argparse
from pathlib import Path

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Exit code: 1 if a record was refused. A record that is there stays; one that differs from it is refused, "
        "unless --replace."
    )
    takes_suite(parser)
    parser.add_argument("folder", metavar="FOLDER", help="folder of results, with runs/RUN/record.json in it")
    parser.add_argument(
        "--replace", action="store_true", help="take records also in the place of others that are there"
    )


def run(args: argparse.Namespace) -> int:
    from dst_repro.errors import one_line
    from dst_repro.records.importing import bring

    suite = suites.load(args)
    results = Path(suite.file.results_dir)
    found = list(bring(Path(args.folder), results, args.replace))
    refused = [outcome for outcome in found if outcome.refused]
    taken = [outcome for outcome in found if not outcome.refused and not outcome.there]
    for outcome in refused:
        print(f"{outcome.id}  refused: {one_line(outcome.refused or '')}")
    stale = sum(outcome.stale for outcome in taken)
    outside = sum(outcome.id not in suite.runs for outcome in taken)
    counts = [f"{len(taken):,} taken", f"{sum(outcome.there for outcome in found):,} there already"]
    print(f"{results}: {', '.join(counts)}, {len(refused):,} refused")
    if taken:
        print(f"of those taken: {stale:,} stale (trained by other source than today's), {outside:,} not of this suite")
    return 1 if refused else 0
