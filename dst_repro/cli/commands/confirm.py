"""Train stale runs again: if they come out equal to the bit, they are stale no more."""

from __future__ import annotations

import argparse
from pathlib import Path

from dst_repro.cli import suites
from dst_repro.cli.arguments import count, takes_suite

EPOCHS = 2**31


def arguments(parser: argparse.ArgumentParser) -> None:
    takes_suite(parser)
    parser.add_argument("--epochs", type=count(EPOCHS), help="look at the first so many epochs alone, and mark nothing")


def run(args: argparse.Namespace) -> int:
    from dst_repro.training.confirm import confirm

    suite = suites.load(args)
    results = Path(suite.file.results_dir)
    return 0 if confirm(suite, results, lambda line: print(line, flush=True), args.epochs) else 1
