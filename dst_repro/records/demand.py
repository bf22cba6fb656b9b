"""What a job asks a cluster for: so much of time and memory that few are cut off, and more at each attempt."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path

from dst_repro.plan.config import RunConfig
from dst_repro.records.cost import Costs

START = 5.0
"""Minutes until a job trains, and after it: two Snakemakes, and torch from a file system that others use, too."""
TIMES = {True: 2.0, False: 4.0}
"""Of the estimate, where like runs are among the records, and where not."""
UNKNOWN = 24 * 60.0
"""Minutes of a run of which nothing is known."""
BESIDE = 500
"""MiB of the two Snakemakes in a job."""
UNMEASURED = {"cpu": 4000, "gpu": 8000}
"""MiB of main memory for a run like none among the records."""


class Demands:
    """Demands of jobs that train runs one after another, on a core or on a GPU (`kind`)."""

    def __init__(self, results: Path, kind: str) -> None:
        self._results, self._kind = results, kind

    @functools.cached_property
    def _costs(self) -> Costs:
        """Read when something is to be trained, and then once."""
        return Costs(self._results)

    def minutes(self, runs: Sequence[RunConfig], attempt: int = 1) -> int:
        """The time limit. A run that is cut off goes on from its checkpoint."""
        return math.ceil(attempt * (START + sum(map(self._minutes, runs))))

    def _minutes(self, run: RunConfig) -> float:
        hours = self._costs.hours([run])
        estimate, measured = (hours.cpu, hours.cpu_measured) if self._kind == "cpu" else (hours.gpu, hours.gpu_measured)
        return UNKNOWN if math.isnan(estimate) else 60 * TIMES[measured > 0] * estimate

    def mebibytes(self, runs: Sequence[RunConfig], attempt: int = 1) -> int:
        """Main memory: a quarter above the peak of like runs."""
        peaks = [self._costs.peak(run, self._kind) for run in runs]
        needs = [UNMEASURED[self._kind] if peak is None else 1.25 * peak for peak in peaks]
        return math.ceil(attempt * (BESIDE + max(needs)))
