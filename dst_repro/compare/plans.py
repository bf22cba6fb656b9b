"""Runs that are planned and not trained: where they are planned, and what they would cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from dst_repro.compare.cells import Cell, cells
from dst_repro.compare.nets import models
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import Suite, load_suite
from dst_repro.published.loader import load
from dst_repro.records import frames as records
from dst_repro.records.cost import Costs
from dst_repro.words import how_many

PLANNED, ON_A_GPU = "planned", "planned, needs a GPU"
"""In short why no run answers a number: the runs that would are planned, and not trained."""
LONG_RUN = 24.0
"""Hours on one core above which a single run needs a GPU."""


def _unknown(ids: Iterable[str]) -> list[float]:
    return [math.nan for _ in ids]


@dataclass(frozen=True)
class Plan:
    """What other suites plan beside the runs of the frames."""

    cells: tuple[Cell, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    """Run -> the file of the suite that plans it, those of the frames among them."""
    hours: Callable[[Collection[str]], list[float]] = _unknown
    """Core-hours of each run that is to be trained for some to be: the runs that they begin with, too."""

    def of(self, dataset: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.get("dataset") == dataset]

    def says(self, waiting: Iterable[Cell]) -> tuple[str, str]:
        """In short, and in words, why none of these cells answers; none of their runs is trained."""
        runs = [run["id"] for cell in waiting for run in cell.runs if run["status"] == "missing"]
        files = dict.fromkeys(self.where[run] for run in runs if run in self.where)
        text = f"planned{' in ' if files else ''}{' and '.join(files)}, not trained"
        hours = self.hours(runs)
        if any(math.isnan(each) for each in hours):
            return PLANNED, f"{text}: {how_many(len(runs), 'run')}"
        gpu = max(hours, default=0) > LONG_RUN
        text += (
            f"{'; needs a GPU' if gpu else ''}: {how_many(len(runs), 'run')}, about {_core_hours(sum(hours))} on a CPU"
        )
        return ON_A_GPU if gpu else PLANNED, text


def _core_hours(hours: float) -> str:
    """Two digits of an estimate: `1,300 core-hours`."""
    text = f"{float(f'{hours:.2g}'):,.12g}"
    return f"{text} core-hour{'' if text == '1' else 's'}"


def of_suites(suite: Suite, frames: records.Frames) -> Plan:
    """What the suites in `plans` of a suite would train of the networks that published numbers are of, without the
    runs that `frames` have."""
    nets = _nets() if suite.file.plans else set()
    here = set(frames.runs["id"])
    done = set(frames.runs.loc[frames.runs["status"] == "finished", "id"])
    where: dict[str, str] = {}
    runs: dict[str, RunConfig] = dict(suite.runs)
    rows: list[pd.DataFrame] = []
    for path in suite.file.plans:
        other = load_suite(Path(path))
        new = [name for name, run in other.runs.items() if (run.dataset, run.model) in nets and name not in where]
        where |= dict.fromkeys(new, path)
        runs |= {run: other.runs[run] for run in new}
        rows.append(records.planned(other, [run for run in new if run not in here]))
    costs = Costs(Path(suite.file.results_dir))
    known: dict[str, float] = {}

    def hours(ids: Collection[str]) -> list[float]:
        needed = {each.id: each for run in ids for each in (runs[run], *runs[run].ancestors)}
        for name, each in needed.items():
            if name not in known:
                known[name] = costs.hours([each]).cpu
        return [known[name] for name in needed if name not in done]

    some = [frame for frame in rows if len(frame)]
    return Plan(tuple(cells(pd.concat(some, ignore_index=True))) if some else (), where, hours)


def _nets() -> set[tuple[str, str]]:
    numbers = load().drop_duplicates(["paper", "dataset", "model"])
    triples = zip(numbers["paper"], numbers["dataset"], numbers["model"], strict=True)
    return {(dataset, ours) for paper, dataset, model in triples for ours in models(paper, model)}
