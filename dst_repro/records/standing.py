"""Which source and data a record is of, as Snakemake goes by it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dst_repro.data.today import Sums, Today, digest
from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.records import record

Policy = Literal["keep", "retrain"]


def source(run: RunConfig, results: Path, policy: Policy, today: Today) -> str:
    """The fingerprint that trains a run, or that trained it, if it needs no training; behind it a mark of its data set,
    if that is another one than the run was first trained with.

    A parameter of the job: it changes exactly when there is something to train, so that neither another policy nor
    source that was confirmed starts a job.
    """
    found = record.fingerprint_of(results, run.id)
    if found is None:
        return fingerprint(run)
    if policy == "retrain":
        now = today.sums(run)
        if found != fingerprint(run) or today.changed(run, record.data_of(results, run.id)):
            return trains(run, results, now)
    return _trained(results, run.id, found)


def trains(run: RunConfig, results: Path, data: Sums | None) -> str:
    """What `source` says of a run that is trained now, and from then on. To be asked before its record is written."""
    was = record.data_of(results, run.id)
    if was is None:
        return fingerprint(run)
    if data is not None and dict(data) != was:
        return f"{fingerprint(run)}+{digest(data)}"
    mark = _trained(results, run.id, "").partition("+")[2]
    return f"{fingerprint(run)}+{mark}" if mark else fingerprint(run)


def _trained(results: Path, run_id: str, otherwise: str) -> str:
    return str(record.runtime(results, run_id).get("source", otherwise))
