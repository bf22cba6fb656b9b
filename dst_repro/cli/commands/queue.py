"""Train the missing runs of a suite until the time is up."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from dst_repro.cli import suites
from dst_repro.cli.arguments import count, positive
from dst_repro.errors import shown

JOBS = 256


def _time(text: str) -> str:
    try:
        datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"must be a time such as 2026-01-31T18:00, not {shown(text)}") from None
    return text


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(source="SUITE")
    parser.add_argument("suite", help="config file of the suite")
    parser.add_argument("--hours", type=positive, help="for how long to train")
    parser.add_argument("--until", type=_time, metavar="TIME", help="until when, local time: 2026-01-31T18:00")
    parser.add_argument("--jobs", type=count(JOBS), default=1, help="runs at a time [%(default)s]")
    parser.add_argument("--results", help="folder of the records, if it is not the suite's")
    parser.add_argument("--dry-run", action="store_true", help="say what there is to do and how long it takes, no more")


def run(args: argparse.Namespace) -> int:
    from dst_repro.cli import forecast
    from dst_repro.training.queue import Queue, seconds_left

    suite = suites.training(suites.load(args))
    seconds = seconds_left(args.hours, args.until)
    results = Path(args.results or suite.file.results_dir)
    work = Queue(suite, results, lambda line: print(line, flush=True))
    for line in forecast.of_queue(work.waiting, results, args.jobs, seconds):
        print(f"{suite.file.suite}: {line}", flush=True)
    if args.dry_run or not work.waiting:
        return 0
    ended = work.work(seconds, args.jobs)
    print(f"{suite.file.suite}: {', '.join(f'{n} {name}' for name, n in ended.items())}")
    return 0
