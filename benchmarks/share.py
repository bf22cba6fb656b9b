"""How much of the quickstart's processor time is no training: imports, data, evaluation, records, checkpoints."""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import ROOT, run, say, summed_up
from benchmarks.result import Result
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import load_suite
from dst_repro.records import record

METHOD, DENSITY = "rigl", 0.1  # mask methods are three quarters of the quickstart


def cells() -> list[list[RunConfig]]:
    """Of each model one cell of the quickstart, with all its seeds; it has as many of one model as of the other."""
    runs = load_suite(ROOT / "config" / "config.yaml").cells.values()
    return [cell for cell in runs if cell[0].method == METHOD and cell[0].density == DENSITY]


def train(cell: list[RunConfig]) -> tuple[float, float]:
    """(processor seconds of the process that trains a cell, seconds in its training steps)"""
    with tempfile.TemporaryDirectory(prefix="dst_repro-bench-") as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        runs = [config.json_text() for config in cell]
        run([sys.executable, "-m", "dst_repro", "train", *runs, "--results", folder])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        in_steps = sum(record.runtime(Path(folder), config.id)["seconds_in_steps"] for config in cell)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, in_steps


def measure(quick: bool) -> Iterator[Result]:
    chosen = cells()
    repeats = 1 if quick else 3
    say(f"share of the quickstart outside steps: {len(chosen)} cells, {repeats} times")
    rounds = [[train(cell) for cell in chosen] for _ in range(repeats)]
    for number, cell in enumerate(chosen):
        values = [100 * (1 - r[number][1] / r[number][0]) for r in rounds]
        yield summed_up(f"processor time outside steps, {cell[0].model}, {len(cell)} runs", values, "%")
    shares = [100 * (1 - sum(steps for _, steps in r) / sum(cpu for cpu, _ in r)) for r in rounds]
    yield summed_up("processor time outside steps, quickstart", shares, "%", "<= 35")
