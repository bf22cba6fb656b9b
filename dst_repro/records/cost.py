"""What runs will take before they run: from the records of like runs, else from multiplications and a stated rate."""

from __future__ import annotations

import functools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeGuard

from dst_repro.errors import UserError
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import Suite
from dst_repro.plan.sizes import images
from dst_repro.records import record

FLOPS = {"cpu": 86e9, "gpu": 2e13}
"""Operations a second where nothing was measured. CPU: products of float32 matrices on one core of an AMD EPYC with
AVX2, measured. GPU: assumed, for convolutions in batches of 64 on one of an H100's kind."""
LAUNCH = {"cpu": 0.0, "gpu": 2e-3}
"""Seconds that a step takes at least, assumed: on a GPU those of starting its hundreds of kernels."""

Shape = tuple[int, ...]


class Hours(NamedTuple):
    """Of some runs, on one core or one GPU, and how many of the runs have like ones among the records; nan: unknown."""

    cpu: float
    cpu_measured: int
    gpu: float
    gpu_measured: int


class Costs:
    """Estimates for runs, from the records in a folder of results."""

    def __init__(self, results: Path) -> None:
        self.known: dict[tuple[str, ...], list[float]] = defaultdict(list)
        self.peaks: dict[tuple[str, ...], int] = defaultdict(int)
        by_the_wall: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for path in sorted(results.glob("runs/*/runtime.json")):
            for key, seconds, alone, peak in _measured(results, path.parent.name):
                (self.known if alone else by_the_wall)[key].append(seconds)
                self.peaks[key] = max(self.peaks[key], peak)
        self.known |= {key: times for key, times in by_the_wall.items() if key not in self.known}

    def hours(self, runs: Iterable[RunConfig]) -> Hours:
        seconds = {"cpu": 0.0, "gpu": 0.0}
        measured = {"cpu": 0, "gpu": 0}
        for run in runs:
            for kind in seconds:
                like = self.known.get(_key(run, kind)) or self.known.get(_key(run, kind, any_method=True))
                measured[kind] += like is not None
                seconds[kind] += work(run) * median(like) if like else _unmeasured(run, kind)
        return Hours(seconds["cpu"] / 3600, measured["cpu"], seconds["gpu"] / 3600, measured["gpu"])

    def peak(self, run: RunConfig, kind: str) -> int | None:
        """MiB of memory that runs of the same data set, network and batch size have taken at most; None: no record."""
        return self.peaks.get(_key(run, kind, any_method=True)) or None


def _key(run: RunConfig, kind: str, any_method: bool = False) -> tuple[str, ...]:
    """Runs with one key take equally long for an image; on a CPU, precision is always the same."""
    fields = (run.dataset, run.model, json.dumps(run.model_params, sort_keys=True), str(run.batch_size))
    return (kind, "" if any_method else run.method, *fields, run.precision if kind == "gpu" else "")


def _measured(results: Path, run_id: str) -> Iterator[tuple[tuple[str, ...], float, bool, int]]:
    """Keys of a finished run that was not interrupted, with its seconds a training image, whether they are its own,
    and its peak of memory in MiB, 0 if it does not tell.

    On a CPU those are processor time, if the run tells it: the wall clock goes on for whatever else a machine does.
    """
    found, runtime = _readable(results, run_id), record.runtime(results, run_id)
    cpu = runtime.get("cpu_seconds")
    own = runtime.get("device") != "cpu" or _positive(cpu)
    seconds = cpu if own and runtime.get("device") == "cpu" else runtime.get("wall_seconds")
    if found is None or found.status != "finished" or runtime.get("resumed_at_epoch") or not _positive(seconds):
        return
    kind = "cpu" if runtime.get("device") == "cpu" else "gpu"
    try:
        run = found.run
    except UserError:  # of settings that there are no more
        return
    peak = runtime.get("peak_memory_mib")
    for any_method in (False, True):
        yield _key(run, kind, any_method), seconds / work(run), own, round(peak) if _positive(peak) else 0


def _positive(seconds: object) -> TypeGuard[float]:
    return isinstance(seconds, int | float) and 0 < seconds < math.inf


def _readable(results: Path, run_id: str) -> record.Record | None:
    """The record of a run; None where there is none, or none that can be read: an estimate goes without."""
    try:
        return record.read(results, run_id, lambda line: None)
    except UserError:
        return None


def work(run: RunConfig) -> float:
    """Training images of all epochs; epochs, where the size of the data set is not known."""
    epochs = run.epochs - (run.begin_at or {}).get("epoch", 0)
    known = images(run)
    return epochs * (1 - run.validation) * (known.train if known else 1)


def _unmeasured(run: RunConfig, kind: str) -> float:
    return max(operations(run) / FLOPS[kind], LAUNCH[kind] * work(run) / run.batch_size)


def operations(run: RunConfig) -> float:
    """Floating-point operations of a dense run; nan where the size of the data set is not known.

    A training image costs three forward passes, a test image one, and a multiplication with its addition counts two.
    """
    known = images(run)
    if known is None:
        return math.nan
    passes = 3 * (1 - run.validation) * known.train + run.validation * known.train + known.test
    params = json.dumps(run.model_params)
    return 2 * run.epochs * passes * multiplications(run.model, params, known.shape, known.classes)


@functools.cache
def multiplications(model: str, params: str, shape: Shape, classes: int) -> int:
    """Products with weights in a forward pass of one image (`params`: JSON), counted without computing them."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from dst_repro.registry import models

    entry = models[model]
    with torch.device("meta"):
        network = entry.object(shape, classes, entry.params(**json.loads(params))).eval()
        images = torch.empty(1, *shape)
    try:
        with FlopCounterMode(display=False) as counter:
            network(images)
    except RuntimeError:  # torch.lstm can't run without data: every matrix is used once for each row of the image
        return shape[-2] * sum(int(p.numel()) for p in network.parameters() if p.dim() == 2)
    return int(counter.get_total_flops()) // 2


def table(suite: Suite) -> Iterator[str]:
    """What each item of a suite, and all of them, still has to train, as text."""
    results = Path(suite.file.results_dir)
    costs = Costs(results)
    missing = {run.id for run in suite.runs.values() if _readable(results, run.id) is None}
    yield "  {:<36}{:>6}{:>9}{:>12}{:>10}{:>11}{:>10}".format(
        "to train", "runs", "missing", "core-hours", "measured", "GPU hours", "measured"
    )
    rows = {key: {r for e in item.experiments for r in suite.members[e]} for key, item in suite.items.items()}
    for key, runs in (rows | {"all": set(suite.runs)}).items():
        left = [suite.runs[run] for run in sorted(runs & missing)]
        found = costs.hours(left)
        yield (
            f"  {key:<36}{len(runs):>6}{len(left):>9}{_text(found.cpu):>12}{_share(found.cpu_measured, left):>10}"
            f"{_text(found.gpu):>11}{_share(found.gpu_measured, left):>10}"
        )
    yield (
        "  Of the missing runs, on one core or one GPU. Measured: the share that records of the same network in "
        f"{results} have timed. The others by the multiplications of the dense network, at {FLOPS['cpu'] / 1e9:g} "
        f"GFLOP/s a core and, assumed, {FLOPS['gpu'] / 1e12:g} TFLOP/s and at least {1000 * LAUNCH['gpu']:g} ms a step "
        "on a GPU: too low for small networks."
    )


def _share(measured: int, runs: Sequence[RunConfig]) -> str:
    return f"{measured / len(runs):.0%}" if runs else ""


def _text(hours: float) -> str:
    return "unknown" if math.isnan(hours) else f"{hours:.2g}" if hours < 10 else f"{hours:,.0f}"
