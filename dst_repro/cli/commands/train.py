"""Train runs that have no record yet."""

from __future__ import annotations

import argparse
import contextlib
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dst_repro.cli.arguments import takes_plugins, takes_suite

if TYPE_CHECKING:
    from dst_repro.plan.config import RunConfig

SETTINGS = "dataset=mnist model=lenet-300-100 method=rigl density=0.05 learning_rate=0.1 epochs=20"


def arguments(parser: argparse.ArgumentParser) -> None:
    takes_suite(parser)
    takes_plugins(parser)
    parser.add_argument("run", nargs="+", help=f"ids of runs of the suite, or the settings of one: {SETTINGS}")
    parser.add_argument("--results", default="results")
    parser.add_argument("--on-source-change", choices=("keep", "retrain"), default="keep")
    parser.add_argument("--again", action="store_true", help="train finished runs again, too")
    parser.add_argument("--keep-state", action="store_true", help="keep the final network for runs that start from it")


@contextlib.contextmanager
def _importing() -> Iterator[None]:
    """No search for garbage while thousands of modules load, nor among them ever after: a third of torch's start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def run(args: argparse.Namespace) -> int:
    with _importing():
        from dst_repro import plugins
        from dst_repro.cli import suites
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
            as_json = text.startswith("{")
            runs.append(RunConfig.parse(text) if as_json else suites.run(suites.training(suites.load(args)), text))
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
