"""What a run leaves behind: `record.json` and `history.parquet` (deterministic), `runtime.json` (everything else)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dst_repro.errors import UserError
from dst_repro.files import write_json
from dst_repro.plan.config import RunConfig, first_finding

SCHEMA = 1
"""Raised when a reader of old records has to know the difference."""

Status = Literal["finished", "diverged", "failed"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataUsed(_Part):
    """Which copy of which data set. `note` is empty for the canonical copy."""

    name: str
    note: str
    sha256: dict[str, str]


class LayerCount(_Part):
    """Weights of one layer at the end of the run."""

    name: str
    shape: tuple[int, ...]
    numel: int
    kept: int
    effective: int | None = None
    """Kept weights on some path from the input to the output; null in records older than this field."""


class Metrics(_Part):
    """One epoch of a run. Accuracies and density are shares in [0, 1]."""

    epoch: int
    density: float
    test_accuracy: float
    validation_accuracy: float | None
    train_loss: float
    test_loss: float


class Selection(_Part):
    """The epochs that a run may be judged by. The test set chooses only the one that says so.

    A best epoch is one where the network is as sparse as asked. Without a validation split `best_on_validation` is
    null.
    """

    last: Metrics
    best_on_validation: Metrics | None
    best_on_test: Metrics | None


class Record(_Part):
    """The outcome of one run. `reason` says why a run is not finished; it then has no metrics."""

    schema_version: int = SCHEMA
    id: str
    cell: str
    status: Status
    reason: str | None
    config: dict[str, Any]
    fingerprint: str
    data: DataUsed | None
    compiled: bool = False
    """Whether what the run computes at each step was compiled, which can change the last bits."""
    parameters: int | None
    metrics: Selection | None
    layers: tuple[LayerCount, ...]
    mask_sha256: str | None
    events: dict[str, dict[str, float]]

    @property
    def run(self) -> RunConfig:
        return RunConfig.parse(self.config)

    @property
    def effective(self) -> int | None:
        """Kept weights on a path in the whole network; None where they were not counted."""
        counts = [layer.effective for layer in self.layers if layer.effective is not None]
        return sum(counts) if counts and len(counts) == len(self.layers) else None

    @property
    def collapsed(self) -> list[str] | None:
        """Layers none of whose kept weights lies on a path; None where they were not counted."""
        return None if self.effective is None else [layer.name for layer in self.layers if layer.effective == 0]


def folder(results: Path, run_id: str) -> Path:
    """Where a run keeps its files."""
    return results / "runs" / run_id


def forget(results: Path, run_id: str) -> None:
    """Remove all files of a run, the record first: what has none is trained."""
    (folder(results, run_id) / "record.json").unlink(missing_ok=True)
    shutil.rmtree(folder(results, run_id), ignore_errors=True)


def write(record: Record, results: Path) -> None:
    """Write `record.json`, the last file of a run: where it stands, the run is complete."""
    write_json(folder(results, record.id) / "record.json", record.model_dump(mode="json"))


def read(results: Path, run_id: str) -> Record | None:
    """The record of a run, or None. `UserError` names a file that is no record."""
    path = folder(results, run_id) / "record.json"
    try:
        return Record.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise first_finding(error, Record).within(str(path)) from None
    except ValueError as error:
        raise UserError(f"{path}: not a record ({error}); delete it and the run is trained again") from None


def fingerprint_of(results: Path, run_id: str) -> str | None:
    """The source that a record is of, without a look at the rest; None where there is no record to be read."""
    try:
        found = json.loads((folder(results, run_id) / "record.json").read_bytes())["fingerprint"]
        return str(found)
    except (OSError, ValueError, LookupError, TypeError):
        return None


def runtime(results: Path, run_id: str) -> dict[str, Any]:
    """What `runtime.json` of a run says; empty where there is none."""
    try:
        loaded: dict[str, Any] = json.loads((folder(results, run_id) / "runtime.json").read_bytes())
        return loaded
    except (OSError, ValueError):
        return {}
