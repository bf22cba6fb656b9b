"""What commands get by `--suite`: the suite, its folders, its frames, and the runs that are asked for by their ids."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from dst_repro.errors import ConfigError, UserError, did_you_mean

if TYPE_CHECKING:
    from dst_repro.plan.config import RunConfig
    from dst_repro.plan.grid import Suite
    from dst_repro.records.frames import Frames


def load(args: argparse.Namespace) -> Suite:
    """--suite is a config file or, as the rules pass it, the loaded configuration as JSON."""
    from dst_repro.plan.grid import load_suite, plan
    from dst_repro.reading import from_json

    if args.suite.startswith("{"):
        try:
            config = from_json(args.suite)
        except ConfigError as error:
            raise error.within(args.source) from None
        return plan(config, args.source)
    return load_suite(Path(args.suite))


def training(suite: Suite) -> Suite:
    """The suite, if it is one that trains."""
    if not suite.file.train:
        raise ConfigError("is false: this suite takes the records that are there", suite.file.suite, "train")
    return suite


def folders(suite: Suite) -> tuple[Path, Path]:
    """results/<suite> and figures/<suite>"""
    return Path(suite.file.results_dir, suite.file.suite), Path(suite.file.figures_dir, suite.file.suite)


def frames(folder: Path) -> Frames:
    from dst_repro.records import frames

    try:
        return frames.read(folder)
    except ValueError as error:  # pyarrow's, of a file that is none of its own
        raise UserError(f"{folder}: damaged ({error}); run `python -m dst_repro aggregate` again") from None


def run(suite: Suite, run_id: str) -> RunConfig:
    """A run of the suite. Raises `ConfigError` with the near misses, or with the runs of the cell that was named."""
    if run_id in suite.cells:
        runs = ", ".join(run.id for run in suite.cells[run_id])
        raise ConfigError(f"'{run_id}' is a cell; its runs are {runs}", suite.file.suite)
    if run_id not in suite.runs:
        raise ConfigError(f"no run '{run_id}' in this suite{did_you_mean(run_id, suite.runs)}", suite.file.suite)
    return suite.runs[run_id]


def known(suite: Suite, run_id: str) -> RunConfig:
    """A run of the suite, or any that is recorded."""
    from dst_repro.records import record

    recorded = run_id not in suite.runs and re.fullmatch(r"[a-z0-9.-]+", run_id)
    found = record.read(Path(suite.file.results_dir), run_id) if recorded else None
    return found.run if found else run(suite, run_id)
