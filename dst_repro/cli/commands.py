"""What each command does. Snakemake's rules call them, and so can a person."""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dst_repro import plugins
from dst_repro.errors import ConfigError, UserError, did_you_mean, one_line
from dst_repro.files import write_json, write_text
from dst_repro.reading import from_json

if TYPE_CHECKING:
    from dst_repro.plan.config import RunConfig
    from dst_repro.plan.grid import Suite
    from dst_repro.records.frames import Frames

QUICKSTART = "config/config.yaml"

# Commands import what they need when they run: `list` must not wait for torch, nor `train` for matplotlib.


def _suite(args: argparse.Namespace) -> Suite:
    """--suite is a config file or, as the rules pass it, the loaded configuration as JSON."""
    from dst_repro.plan.grid import load_suite, plan

    if args.suite.startswith("{"):
        try:
            config = from_json(args.suite)
        except ConfigError as error:
            raise error.within(args.source) from None
        return plan(config, args.source)
    return load_suite(Path(args.suite))


def _folders(suite: Suite) -> tuple[Path, Path]:
    """results/<suite> and figures/<suite>"""
    return Path(suite.file.results_dir, suite.file.suite), Path(suite.file.figures_dir, suite.file.suite)


def _frames(folder: Path) -> Frames:
    from dst_repro.records import frames

    try:
        return frames.read(folder)
    except ValueError as error:  # pyarrow's, of a file that is none of its own
        raise UserError(f"{folder}: damaged ({error}); run `python -m dst_repro aggregate` again") from None


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
        from dst_repro.machine.device import pick
        from dst_repro.plan.config import RunConfig
        from dst_repro.plan.grid import one_run
        from dst_repro.records import record
        from dst_repro.training.parents import lock, provide_states
        from dst_repro.training.progress import noted
        from dst_repro.training.run import needed, train_missing

    results = Path(args.results)
    plugins.use(args.plugin)
    settings = [text for text in args.run if "=" in text and not text.startswith("{")]
    runs = [one_run(settings)] if settings else []
    for text in args.run:
        if text not in settings:
            runs.append(RunConfig.parse(text) if text.startswith("{") else _run(_training(_suite(args)), text))
    missing = [run for run in runs if args.again or needed(run, results, args.on_source_change)]
    if missing:
        pick()  # waits for a GPU while it holds no lock of a run, which another waiter's GPU might be waiting for
    with noted(results):
        for run in missing:
            with lock(results, run.id):  # two calls in one folder: the second waits, and finds the record
                if args.again or needed(run, results, args.on_source_change):
                    provide_states(run, results, args.on_source_change)  # that nobody tidies away under this lock
                    if args.again:
                        record.forget(results, run.id)
                    train_missing([run], results, args.on_source_change, args.keep_state)
    if settings:
        _show(runs[0], results)
    return 0


def _show(run: RunConfig, results: Path) -> None:
    """What came of a run that was asked for by its settings, whose id its user does not know yet."""
    from dst_repro.records import record

    found = record.read(results, run.id)
    if found is not None:
        last = found.metrics and found.metrics.last
        said = found.reason
        if last:
            said = (
                f"test accuracy {100 * last.test_accuracy:.2f} %, density {100 * last.density:.2f} % in the last epoch"
            )
        print(f"{run.id}: {found.status}; {said}; {record.folder(results, run.id)}")


def _training(suite: Suite) -> Suite:
    """The suite, if it is one that trains."""
    if not suite.file.train:
        raise ConfigError("is false: this suite takes the records that are there", suite.file.suite, "train")
    return suite


def _run(suite: Suite, run_id: str) -> RunConfig:
    if run_id in suite.cells:
        runs = ", ".join(run.id for run in suite.cells[run_id])
        raise ConfigError(f"'{run_id}' is a cell; its runs are {runs}", suite.file.suite)
    if run_id not in suite.runs:
        raise ConfigError(f"no run '{run_id}' in this suite{did_you_mean(run_id, suite.runs)}", suite.file.suite)
    return suite.runs[run_id]


def _known(suite: Suite, run_id: str) -> RunConfig:
    """A run of the suite, or any that is recorded."""
    from dst_repro.records import record

    found = record.read(Path(suite.file.results_dir), run_id) if run_id not in suite.runs and _id(run_id) else None
    return found.run if found else _run(suite, run_id)


def _id(text: str) -> bool:
    return re.fullmatch(r"[a-z0-9.-]+", text) is not None


def data(args: argparse.Namespace) -> int:
    from dst_repro.data.base import source
    from dst_repro.plan.catalogue import check_params

    plugins.use(args.plugin)
    if Path(args.out).is_dir():
        raise UserError(f"{args.out}: is a folder, where a file is to be written")
    given = from_json(args.params)
    if not isinstance(given, dict):
        raise ConfigError('must be a mapping, such as {"path": "mine.npz"}', "--params")
    settings = check_params("dataset", args.name, given, "--params")
    found = source(args.name, settings)
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
    from dst_repro.records import frames

    suite = _suite(args)
    frames.write(frames.aggregate(suite, Path(suite.file.results_dir)), _folders(suite)[0])
    return 0


def item(args: argparse.Namespace) -> int:
    from dst_repro.cli import drawing

    suite = _suite(args)
    if args.item not in suite.items:
        raise ConfigError(
            f"no item '{args.item}' in this suite{did_you_mean(args.item, suite.items)}", suite.file.suite
        )
    chosen = suite.items[args.item]
    results, figures = _folders(suite)
    folder = figures if chosen.kind == "figure" else results
    drawing.item(_frames(results), chosen, folder, args.item.replace("/", "-"))
    return 0


def compare(args: argparse.Namespace) -> int:
    from dst_repro import compare as comparing

    results, _ = _folders(_suite(args))
    comparing.write(comparing.comparison(_frames(results)), results)
    return 0


def claims(args: argparse.Namespace) -> int:
    from dst_repro.claims.answering import answers
    from dst_repro.claims.write import write

    suite = _suite(args)
    results, _ = _folders(suite)
    write(answers(suite, _frames(results)), results)
    return 0


def scorecard(args: argparse.Namespace) -> int:
    from dst_repro import compare as comparing
    from dst_repro.claims.write import read
    from dst_repro.report.scorecard import scorecard as counted
    from dst_repro.report.scorecard import write

    results, _ = _folders(_suite(args))
    write(counted(comparing.read(results), read(results)), results)
    return 0


def report(args: argparse.Namespace) -> int:
    from dst_repro import compare as comparing
    from dst_repro.claims.write import read
    from dst_repro.report import page

    suite = _suite(args)
    results, figures = _folders(suite)
    text = page.render(suite, _frames(results), comparing.read(results), read(results), results, figures)
    write_text(results / "report.html", text)
    return 0


def summary(args: argparse.Namespace) -> int:
    from dst_repro.report import terminal

    suite = _suite(args)
    print(terminal.text(_frames(_folders(suite)[0]), Path(suite.file.results_dir) / "report.html"))
    return 0


def list_(args: argparse.Namespace) -> int:
    from dst_repro.cli import listing

    named = args.suite is not None
    args.suite = args.suite or QUICKSTART
    suite = _suite(args)  # first, as it may plug something in
    lines = [*listing.contents(suite)]
    if args.cost:
        from dst_repro.records import cost

        lines += cost.table(suite)
    else:
        lines = [*listing.plug_ins(outside=named), *lines]
    for line in lines:
        print(line)
    return 0


def queue(args: argparse.Namespace) -> int:
    from dst_repro.training.queue import Queue, seconds_left

    suite = _training(_suite(args))
    seconds = seconds_left(args.hours, args.until)
    work = Queue(suite, Path(args.results or suite.file.results_dir), lambda line: print(line, flush=True))
    ended = work.work(seconds, args.jobs)
    print(f"{suite.file.suite}: {', '.join(f'{n} {name}' for name, n in ended.items()) or 'nothing to train'}")
    return 0


def explain(args: argparse.Namespace) -> int:
    from dst_repro.cli import listing

    suite = _suite(args)
    for line in listing.explain(suite, _known(suite, args.run)):
        print(line)
    return 0


def export(args: argparse.Namespace) -> int:
    from dst_repro.cli import exporting

    suite = _suite(args)
    for line in exporting.export(_known(suite, args.run), Path(suite.file.results_dir), args.out):
        print(line)
    return 0


def status(args: argparse.Namespace) -> int:
    from dst_repro.cli import standing
    from dst_repro.data.today import Today

    suite, today = _suite(args), Today()
    if args.retry:
        for run in standing.retry(_training(suite)):
            print(f"{run}  removed")
    found = standing.standings(suite, today)
    if args.tidy:
        from dst_repro.cli.tidying import tidy

        for line in tidy(suite, found):
            print(line)
    for line in standing.lines(suite, found, args.all):
        print(line)
    for why in today.refused.values():
        print(f"not compared with their data set: {one_line(why)}")
    return 1 if args.strict and standing.left_undone(found, suite.file.train) else 0


def confirm(args: argparse.Namespace) -> int:
    from dst_repro.training import confirm as confirming

    suite = _suite(args)
    results = Path(suite.file.results_dir)
    equal = confirming.confirm(suite, results, lambda line: print(line, flush=True), args.epochs)
    return 0 if equal else 1


def accept(args: argparse.Namespace) -> int:
    from dst_repro.records import record

    suite = _suite(args)
    results = Path(suite.file.results_dir)
    there = [run for run in suite.runs if record.folder(results, run).is_dir()]
    for run in there if args.run == ["all"] else [_run(suite, run).id for run in args.run]:
        record.accept(results, run)
        print(f"{run}  sealed")
    return 0


def schema(args: argparse.Namespace) -> int:
    from dst_repro.plan import grid

    for name, model in (("suite", grid.SuiteFile), ("experiment", grid.Experiment), ("paper", grid.Paper)):
        text = json.dumps(model.model_json_schema(), indent=2, sort_keys=True) + "\n"
        write_text(Path(args.out) / f"{name}.schema.json", text)
    return 0


def dictionary(args: argparse.Namespace) -> int:
    from dst_repro.cli import dictionary as of_columns

    write_text(Path(args.out), of_columns.page())
    return 0
