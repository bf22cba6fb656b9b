"""Which source a record is of, as Snakemake goes by it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.records import record

Policy = Literal["keep", "retrain"]


def source(run: RunConfig, results: Path, policy: Policy) -> str:
    """The fingerprint that trains a run, or that trained it, if it needs no training.

    A parameter of the job: it changes exactly when there is something to train, so that neither another policy nor
    source that was confirmed starts a job.
    """
    found = record.fingerprint_of(results, run.id)
    if found is None or (policy == "retrain" and found != fingerprint(run)):
        return fingerprint(run)
    trained: str = record.runtime(results, run.id).get("source", found)
    return trained
