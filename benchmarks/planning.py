"""Thousands of runs: the time and the memory of planning them, and of aggregating their records."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import ROOT, child, say, summed_up
from benchmarks.result import Result
from dst_repro.machine.environment import peak_memory_mib
from dst_repro.plan.grid import Suite, plan
from dst_repro.records import record

TEMPLATE = "mnist-lenet-5-caffe-dst-s0-*"  # a history of every epoch, as most runs have, not of every step
TARGETS = {("plan", 10_000): "<= 25", ("aggregate", 10_000): "<= 30"}
MEMORY = "<= 1024"


def measure(quick: bool) -> Iterator[Result]:
    for runs, repeats in ((1_000, 1),) if quick else ((1_000, 5), (10_000, 3)):
        for what in ("plan", "aggregate"):
            say(f"{what} {runs:,} runs: {repeats} times")
            found = [child("benchmarks.planning", what, runs) for _ in range(repeats)]
            name = f"{what} {runs:,} runs"
            yield summed_up(f"{name}: time", [f["seconds"] for f in found], "s", TARGETS.get((what, runs), ""))
            limit = MEMORY if runs == 10_000 else ""
            yield summed_up(f"{name}: peak memory", [f["mib"] for f in found], "MiB", limit)


def grid(runs: int) -> dict[str, Any]:
    """An experiment of `runs` runs (a multiple of 40): methods, densities, models and seeds."""
    return {
        "base": {"dataset": "digits", "learning_rate": 0.05, "epochs": 12},
        "sweep": {
            "model": ["lenet-300-100", "lenet-5-caffe"],
            "method": ["static", "set", "rigl", "gmp"],
            "density": [0.05, 0.1, 0.2, 0.3, 0.5],
            "seed": list(range(runs // 40)),
        },
    }


def repeated(template: record.Record, runs: int) -> dict[str, Any]:
    """An experiment of `runs` runs that differ from a finished one in their seed alone."""
    base = {key: value for key, value in template.config.items() if key != "seed"}
    return {"base": base, "sweep": {"seed": list(range(runs))}}


def config(folder: Path, experiment: dict[str, Any]) -> dict[str, Any]:
    """A suite of one experiment, whose file is written into `folder`."""
    path = folder / "config" / "experiments" / "generated.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump({"experiment": "generated", "title": "Generated", "blocks": [{}], **experiment}))
    suite = {"suite": "generated", "title": "Generated", "experiments": ["generated"]}
    return suite | {f"{kind}_dir": str(folder / kind) for kind in ("config", "results", "figures")}


def copy_records(suite: Suite, found: Path, template: record.Record, results: Path) -> None:
    """The files of a finished run once for each run of the suite, with that run's id and seed."""
    values = template.model_dump(mode="json")
    for run in suite.runs.values():
        folder = record.folder(results, run.id)
        folder.mkdir(parents=True)
        values |= {"id": run.id, "cell": run.cell, "config": values["config"] | {"seed": run.seed}}
        (folder / "record.json").write_text(json.dumps(values | {"sha256": record.seal(values)}))
        for name in ("history.parquet", "runtime.json"):
            shutil.copyfile(found / name, folder / name)


def time_plan(runs: int, folder: Path) -> float:
    """Seconds of planning `runs` runs, the catalogue of plug-ins read before."""
    from dst_repro.plan.catalogue import catalogue

    catalogue()
    values = config(folder, grid(runs))
    started = time.perf_counter()
    suite = plan(values)
    taken = time.perf_counter() - started
    if len(suite.runs) != runs:
        raise RuntimeError(f"{len(suite.runs)} runs were planned, not {runs}")
    return taken


def time_aggregate(runs: int, folder: Path) -> float:
    """Seconds of reading the records of `runs` runs and writing both frames."""
    from dst_repro.records import frames

    found = min((ROOT / "results" / "runs").glob(TEMPLATE))
    template = record.read(found.parents[1], found.name)
    if template is None:
        raise RuntimeError(f"{found} has no record")
    suite = plan(config(folder, repeated(template, runs)))
    copy_records(suite, found, template, folder / "results")
    started = time.perf_counter()
    made = frames.aggregate(suite, folder / "results")
    frames.write(made, folder / "results" / "generated")
    taken = time.perf_counter() - started
    if (made.runs["status"] != "finished").any() or len(made.runs) != runs:
        raise RuntimeError(f"not all of {runs} records were read")
    return taken


def main(what: str, runs: int) -> None:
    """Measure in this process, and print time and peak memory."""
    with tempfile.TemporaryDirectory(prefix="dst_repro-bench-") as folder:
        taken = (time_plan if what == "plan" else time_aggregate)(runs, Path(folder))
    print(json.dumps({"seconds": taken, "mib": peak_memory_mib()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
