"""The command line: every command says what it needs with --help."""

from __future__ import annotations

import argparse
import contextlib
import io
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NoReturn

from dst_repro.cli import commands
from dst_repro.ending import CODES, KEPT, Ended, raising_on_sigterm
from dst_repro.errors import LINE, UserError, one_line, shown

Run = Callable[[argparse.Namespace], int]
JOBS, EPOCHS = 256, 2**31


class _Parser(argparse.ArgumentParser):
    """What is wrong with the arguments in one line, as of everything else that is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{one_line(f'{self.prog}: {message}', LINE - 50)}; see `{self.prog} --help`\n")


def _count(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
        if not 1 <= number <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most}, not {shown(text)}")
        return number

    return read


def _hours(text: str) -> float:
    try:
        hours = math.nan if "_" in text else float(text)
    except ValueError:
        hours = math.nan
    if not 0 < hours < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {shown(text)}")
    return hours


def _time(text: str) -> str:
    try:
        datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise argparse.ArgumentTypeError(f"must be a time such as 2026-01-31T18:00, not {shown(text)}") from None
    return text


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="dst_repro", description=__doc__)
    sub_commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Run, text: str, suite: bool = True) -> argparse.ArgumentParser:
        sub = sub_commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run_command=run)
        if suite:
            sub.add_argument("--suite", default=commands.QUICKSTART, help="config file of the suite [%(default)s]")
            sub.add_argument("--source", default="--suite", help=argparse.SUPPRESS)
        return sub

    def plugged(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("--plugin", action="append", default=[], metavar="FILE.py", help="a plug-in, or its module")

    sub = command("train", commands.train, "train runs that have no record yet")
    plugged(sub)
    settings = "dataset=mnist model=lenet-300-100 method=rigl density=0.05 learning_rate=0.1 epochs=20"
    sub.add_argument("run", nargs="+", help=f"ids of runs of the suite, or the settings of one: {settings}")
    sub.add_argument("--results", default="results")
    sub.add_argument("--on-source-change", choices=("keep", "retrain"), default="keep")
    sub.add_argument("--again", action="store_true", help="train finished runs again, too")
    sub.add_argument("--keep-state", action="store_true", help="keep the final network for runs that start from it")
    sub = command("data", commands.data, "find, verify or download a data set", suite=False)
    plugged(sub)
    sub.add_argument("name")
    sub.add_argument("out", help="where to write what was found, as JSON")
    sub.add_argument("--params", default="{}", help="its parameters as JSON, such as a path")
    command("aggregate", commands.aggregate, "all records of a suite into runs.parquet and history.parquet")
    for name in ("table", "figure"):
        sub = command(name, commands.item, f"write one {name} of the suite, in every format")
        sub.add_argument("item", metavar="PAPER/ITEM")
    command("compare", commands.compare, "our numbers beside the published ones")
    command("claims", commands.claims, "what the papers say, answered by the runs")
    command("scorecard", commands.scorecard, "numbers and claims that came out again, counted for each paper")
    command("report", commands.report, "the suite as one HTML page")
    command("summary", commands.summary, "the results of the suite as a short text")
    sub = command(
        "list", commands.list_, "methods, models, data sets, tables, plots, ...; or what a suite selects", False
    )
    sub.add_argument("--suite", help=f"config file of a suite [all that there is, and {commands.QUICKSTART}]")
    sub.set_defaults(source="--suite")
    sub.add_argument("--cost", action="store_true", help="what the suite selects, and the hours that it will take")
    sub = command("queue", commands.queue, "train the missing runs of a suite until the time is up", suite=False)
    sub.set_defaults(source="SUITE")
    sub.add_argument("suite", help="config file of the suite")
    sub.add_argument("--hours", type=_hours, help="for how long to train")
    sub.add_argument("--until", type=_time, metavar="TIME", help="until when, local time: 2026-01-31T18:00")
    sub.add_argument("--jobs", type=_count(JOBS), default=1, help="runs at a time [%(default)s]")
    sub.add_argument("--results", help="folder of the records, if it is not the suite's")
    sub = command("explain", commands.explain, "one run: its settings, its outcome, where it is used")
    sub.add_argument("run", help="id of a run of the suite")
    sub = command(
        "export", commands.export, "write the final network of a run: weights, masks, CSR, ONNX; and its speed"
    )
    sub.add_argument("run", help="id of a run whose network was kept")
    sub.add_argument("--out", help="folder to write to [RESULTS/states/export-RUN]")
    sub = command("status", commands.status, "which runs of the suite are running, missing, failed, diverged or stale")
    sub.add_argument("--all", action="store_true", help="a line for each run")
    sub.add_argument("--strict", action="store_true", help="leave with 1 if a run failed or has no record")
    sub.add_argument("--retry", action="store_true", help="remove the records of failed runs")
    sub.add_argument("--tidy", action="store_true", help="remove networks and halves of files that no run needs")
    sub = command(
        "confirm", commands.confirm, "train stale runs again: if they come out equal to the bit, they are stale no more"
    )
    sub.add_argument("--epochs", type=_count(EPOCHS), help="look at the first so many epochs alone, and mark nothing")
    sub = command("accept", commands.accept, "take records as they are: changed by hand, or older than their seals")
    sub.add_argument("run", nargs="+", help="id of a run of the suite, or `all`")
    sub = command("schema", commands.schema, "write the JSON schemas of the config files", suite=False)
    sub.add_argument("--out", default="workflow/schemas")
    sub = command("dictionary", commands.dictionary, "write what every column of the results means", suite=False)
    sub.add_argument("--out", default="docs/data.md")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # where the terminal has no such letter
    args = _parser().parse_args(arguments)
    try:
        with raising_on_sigterm():
            status: int = args.run_command(args)
        sys.stdout.flush()  # here at the latest a pipe shows that nobody reads it
        return status
    except UserError as error:
        print(f"dst_repro: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"dst_repro: interrupted; {KEPT}", file=sys.stderr)
        return CODES[signal.SIGINT]
    except Ended:
        print(f"dst_repro: ended by SIGTERM; {KEPT}", file=sys.stderr)
        return CODES[signal.SIGTERM]
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):  # else the interpreter tries again at its end, and complains
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # a folder where a file should be, no space, no permission
        name = error.filename2 or error.filename
        print(
            one_line(": ".join(map(str, filter(None, ["dst_repro", name, error.strerror or error])))), file=sys.stderr
        )
        return 2
