"""How long runs will take that several processes train side by side, by recorded costs."""

from __future__ import annotations

import functools
import heapq
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from dst_repro.cli.standing import duration
from dst_repro.machine.lease import offered
from dst_repro.plan.config import RunConfig
from dst_repro.records.cost import Costs


@functools.cache
def _on_gpus() -> bool:
    return offered() > 0


def seconds(run: RunConfig, costs: Costs) -> float:
    """Of one run on this machine, on a GPU if it has one; nan where the size of the data is not known."""
    hours = costs.hours([run])
    return 3600 * (hours.gpu if _on_gpus() else hours.cpu)


def where() -> str:
    return "each on a GPU" if _on_gpus() else "each on a core"


def ends(costs: Sequence[float], free: Sequence[float]) -> list[float]:
    """When each run ends, in seconds from now. `free`: when each process is; the next run is for the first of them."""
    free, found = list(free), []
    heapq.heapify(free)
    for cost in costs:
        found.append(free[0] + cost)
        heapq.heapreplace(free, found[-1])
    return found


def of_queue(runs: Sequence[RunConfig], results: Path, jobs: int, limit: float) -> Iterator[str]:
    """What a queue is to do: how many runs, for how long, and how many of them in `limit` seconds."""
    if not runs:
        yield "nothing to train"
        return
    costs = Costs(results)
    all_of_them = [seconds(run, costs) for run in runs]
    known = [cost for cost in all_of_them if not math.isnan(cost)]
    unknown = f", without {len(runs) - len(known):,} on data of unknown size" if len(known) < len(runs) else ""
    due = ends(known, [0.0] * jobs)
    about = f"about {duration(max(due))} by recorded costs{unknown}" if known else "for an unknown time"
    yield f"{len(runs):,} runs to train, {jobs:,} at a time, {where()}: {about}"
    if math.isfinite(limit) and known:
        fit = sum(end <= limit for end in due)
        yield f"in {duration(limit)} " + ("all of them" if fit == len(runs) else f"about {fit:,} of them")
