"""The command line. Snakemake's rules call it, and so can a person; every command says what it needs with --help."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dst_repro.errors import ConfigError, UserError, did_you_mean
from dst_repro.files import write_json, write_text

if TYPE_CHECKING:
    from dst_repro.config import RunConfig
    from dst_repro.grid import Suite

# Commands import what they need when they run: `list` must not wait for torch, nor `train` for matplotlib.


def _suite(args: argparse.Namespace) -> Suite:
    """--suite is a config file or, as the rules pass it, the loaded configuration as JSON."""
    from dst_repro.grid import load_suite, plan

    if args.suite.startswith("{"):
        return plan(json.loads(args.suite), args.source)
    return load_suite(Path(args.suite))


def _folders(suite: Suite) -> tuple[Path, Path]:
    """results/<suite> and figures/<suite>"""
    return Path(suite.file.results_dir, suite.file.suite), Path(suite.file.figures_dir, suite.file.suite)


@contextlib.contextmanager
def _importing() -> Iterator[None]:
    """No search for garbage while thousands of modules load, nor among them ever after: a third of torch's start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def train(args: argparse.Namespace) -> int:
    with _importing():
        from dst_repro.config import RunConfig
        from dst_repro.device import pick
        from dst_repro.training.parents import lock, provide_states
        from dst_repro.training.run import needed, train_missing

    results = Path(args.results)
    runs = [RunConfig.parse(text) if text.startswith("{") else _run(_suite(args), text) for text in args.run]
    missing = [run for run in runs if needed(run, results, args.on_source_change)]
    if missing:
        pick()  # waits for a GPU while it holds no lock of a run, which another waiter's GPU might be waiting for
    for run in missing:
        provide_states(run, results, args.on_source_change)
        with lock(results, run.id):  # two calls in one folder: the second waits, and finds the record
            train_missing([run], results, args.on_source_change, args.keep_state)
    return 0


def _run(suite: Suite, run_id: str) -> RunConfig:
    if run_id not in suite.runs:
        raise ConfigError(f"no run '{run_id}' in this suite{did_you_mean(run_id, suite.runs)}", suite.file.suite)
    return suite.runs[run_id]


def data(args: argparse.Namespace) -> int:
    from dst_repro.data.base import source

    found = source(args.name, {})
    parts = {"train": found.train, "test": found.test}
    write_json(
        Path(args.out),
        {
            "name": found.name,
            "note": found.note,
            "images": {name: len(part) for name, part in parts.items()},
            "sha256": {name: part.sha256() for name, part in parts.items()},
        },
    )
    return 0


def aggregate(args: argparse.Namespace) -> int:
    from dst_repro import aggregate as frames

    suite = _suite(args)
    frames.write(frames.aggregate(suite, Path(suite.file.results_dir)), _folders(suite)[0])
    return 0


def item(args: argparse.Namespace) -> int:
    from dst_repro import aggregate as frames
    from dst_repro import draw

    suite = _suite(args)
    if args.item not in suite.items:
        raise ConfigError(
            f"no item '{args.item}' in this suite{did_you_mean(args.item, suite.items)}", suite.file.suite
        )
    chosen = suite.items[args.item]
    results, figures = _folders(suite)
    folder = figures if chosen.kind == "figure" else results
    draw.item(frames.read(results), chosen, folder, args.item.replace("/", "-"))
    return 0


def compare(args: argparse.Namespace) -> int:
    from dst_repro import aggregate as frames
    from dst_repro import compare as comparing

    results, _ = _folders(_suite(args))
    comparing.write(comparing.comparison(frames.read(results)), results)
    return 0


def report(args: argparse.Namespace) -> int:
    from dst_repro import aggregate as frames
    from dst_repro import compare as comparing
    from dst_repro import report as reporting

    suite = _suite(args)
    results, figures = _folders(suite)
    page = reporting.render(suite, frames.read(results), comparing.read(results), results, figures)
    write_text(results / "report.html", page)
    return 0


def summary(args: argparse.Namespace) -> int:
    from dst_repro import aggregate as frames
    from dst_repro import summary as summarising

    suite = _suite(args)
    print(summarising.text(frames.read(_folders(suite)[0]), Path(suite.file.results_dir) / "report.html"))
    return 0


def list_(args: argparse.Namespace) -> int:
    from dst_repro import listing

    if args.cost:
        from dst_repro import cost

        lines = [*listing.contents(_suite(args)), *cost.table(_suite(args))]
    else:
        lines = [*listing.plug_ins(), *listing.contents(_suite(args))]
    for line in lines:
        print(line)
    return 0


def queue(args: argparse.Namespace) -> int:
    from dst_repro import queueing

    suite = _suite(args)
    seconds = queueing.seconds_left(args.hours, args.until)
    work = queueing.Queue(suite, Path(args.results or suite.file.results_dir), lambda line: print(line, flush=True))
    ended = work.work(seconds, args.jobs)
    print(f"{suite.file.suite}: {', '.join(f'{n} {name}' for name, n in ended.items()) or 'nothing to train'}")
    return 0


def explain(args: argparse.Namespace) -> int:
    from dst_repro import listing

    suite = _suite(args)
    for line in listing.explain(suite, _run(suite, args.run)):
        print(line)
    return 0


def status(args: argparse.Namespace) -> int:
    from dst_repro import listing

    suite = _suite(args)
    if args.retry:
        for run in listing.retry(suite):
            print(f"{run}  removed")
    lines, counts = listing.status(suite)
    print("\n".join(lines))
    return 1 if args.strict and (counts["failed"] or counts["missing"]) else 0


def confirm(args: argparse.Namespace) -> int:
    from dst_repro import confirm as confirming

    suite = _suite(args)
    results = Path(suite.file.results_dir)
    equal = confirming.confirm(suite, results, lambda line: print(line, flush=True), args.epochs)
    return 0 if equal else 1


def schema(args: argparse.Namespace) -> int:
    from dst_repro import grid

    for name, model in (("suite", grid.SuiteFile), ("experiment", grid.Experiment), ("paper", grid.Paper)):
        text = json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n"
        write_text(Path(args.out) / f"{name}.schema.json", text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dst_repro", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run, text: str, suite: bool = True) -> argparse.ArgumentParser:  # type: ignore[no-untyped-def]
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run_command=run)
        if suite:
            sub.add_argument("--suite", default="config/config.yaml", help="config file of the suite [%(default)s]")
            sub.add_argument("--source", default="--suite", help=argparse.SUPPRESS)
        return sub

    sub = command("train", train, "train runs that have no record yet")
    sub.add_argument("run", nargs="+", help="id of a run of the suite, or its configuration as JSON")
    sub.add_argument("--results", default="results")
    sub.add_argument("--on-source-change", choices=("keep", "retrain"), default="keep")
    sub.add_argument("--keep-state", action="store_true", help="keep the final network for runs that start from it")
    sub = command("data", data, "find, verify or download a data set", suite=False)
    sub.add_argument("name")
    sub.add_argument("out", help="where to write what was found, as JSON")
    command("aggregate", aggregate, "all records of a suite into runs.parquet and history.parquet")
    for name in ("table", "figure"):
        sub = command(name, item, f"write one {name} of the suite, in every format")
        sub.add_argument("item", metavar="PAPER/ITEM")
    command("compare", compare, "our numbers beside the published ones")
    command("report", report, "the suite as one HTML page")
    command("summary", summary, "the results of the suite as a short text")
    sub = command("list", list_, "every method, model, data set, table and plot, and what the suite selects")
    sub.add_argument("--cost", action="store_true", help="what the suite selects, and the hours that it will take")
    sub = command("queue", queue, "train the missing runs of a suite until the time is up", suite=False)
    sub.add_argument("suite", help="config file of the suite")
    sub.add_argument("--hours", type=float, help="for how long to train")
    sub.add_argument("--until", metavar="TIME", help="until when, local time: 2026-01-31T18:00")
    sub.add_argument("--jobs", type=int, default=1, help="runs at a time [%(default)s]")
    sub.add_argument("--results", help="folder of the records, if it is not the suite's")
    sub = command("explain", explain, "one run: its settings, its outcome, where it is used")
    sub.add_argument("run", help="id of a run of the suite")
    sub = command("status", status, "which runs of the suite are missing, failed, diverged or stale")
    sub.add_argument("--strict", action="store_true", help="leave with 1 if a run failed or is missing")
    sub.add_argument("--retry", action="store_true", help="remove the records of failed runs")
    sub = command(
        "confirm", confirm, "train stale runs again: if they come out equal to the bit, they are stale no more"
    )
    sub.add_argument("--epochs", type=int, help="look at the first so many epochs alone, and mark nothing")
    sub = command("schema", schema, "write the JSON schemas of the config files", suite=False)
    sub.add_argument("--out", default="workflow/schemas")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    args = _parser().parse_args(arguments)
    try:
        status: int = args.run_command(args)
        return status
    except UserError as error:
        print(f"dst_repro: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0
