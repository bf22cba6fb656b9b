"""What a run leaves behind: `record.json` and `history.parquet` (deterministic), `runtime.json` (everything else)."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dst_repro.errors import ConfigError, UserError
from dst_repro.files import write_json
from dst_repro.plan.config import RunConfig, first_finding

SCHEMA = 1
"""Raised when a reader of old records has to know the difference."""

Status = Literal["finished", "diverged", "failed"]
Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class DataUsed(_Part):
    """Which copy of which data set. `note` is empty for the canonical copy."""

    name: str
    note: str
    sha256: dict[str, str]


class LayerCount(_Part):
    """Weights of one layer at the end of the run."""

    name: str
    """Name of the module, as `fc1`."""
    shape: tuple[int, ...]
    """Of its weight."""
    numel: Annotated[int, Field(ge=1)]
    """Its weights."""
    kept: int
    """Those that the final mask keeps."""
    effective: int | None = None
    """Kept weights on some path from the input to the output; null in records older than this field."""


class Metrics(_Part):
    """One epoch of a run. Accuracies and density are shares in [0, 1]."""

    epoch: int
    density: Share
    test_accuracy: Share
    validation_accuracy: Share | None
    train_loss: float
    test_loss: float
    test_top5: Share | None = None
    """Where there are 200 classes or more; null in older records."""


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
    unmasked: dict[str, tuple[int, ...]] | None = None
    """Shapes of the parameters of two or more dimensions that no method masks; null in older records."""
    mask_sha256: str | None
    network_sha256: str | None = None
    """Of all tensors of the final network, as runs that begin with it read them; null in older records."""
    events: dict[str, dict[str, float]]
    history_sha256: str | None = None
    """Of the file `history.parquet`."""
    sha256: str | None = None
    """Of everything else that stands here."""

    @model_validator(mode="after")
    def _whole(self) -> Record:
        if (self.status == "finished") != (self.metrics is not None):
            raise ValueError("a finished run has metrics, and no other")
        if any(not 0 <= layer.kept <= layer.numel == math.prod(layer.shape) for layer in self.layers):
            raise ValueError("a layer keeps at most the weights of its shape")
        if any(layer.effective is not None and not 0 <= layer.effective <= layer.kept for layer in self.layers):
            raise ValueError("of the kept weights of a layer some are effective")
        if (self.status == "finished") != (self.reason is None):
            raise ValueError("a run that is not finished says why")
        if self.metrics is not None and self.layers:
            kept, numel = sum(layer.kept for layer in self.layers), sum(layer.numel for layer in self.layers)
            if self.metrics.last.density != kept / numel:
                raise ValueError("the last density is that of the layers")
        return self

    @property
    def run(self) -> RunConfig:
        return RunConfig.parse(self.config)

    @property
    def sums(self) -> dict[str, str] | None:
        """Of its data set; None where the run ended before it had any."""
        return None if self.data is None else self.data.sha256

    @property
    def effective(self) -> int | None:
        """Kept weights on a path in the whole network; None where they were not counted."""
        counts = [layer.effective for layer in self.layers if layer.effective is not None]
        return sum(counts) if counts and len(counts) == len(self.layers) else None

    @property
    def density_of_all(self) -> float | None:
        """Share of all weights that is kept, those of `unmasked` too; None where there are none or nobody knows."""
        if not self.unmasked or not self.layers:
            return None
        kept, numel = sum(layer.kept for layer in self.layers), sum(layer.numel for layer in self.layers)
        return density_of_all(kept, numel, self.unmasked)

    @property
    def collapsed(self) -> list[str] | None:
        """Layers none of whose kept weights lies on a path; None where they were not counted."""
        return None if self.effective is None else [layer.name for layer in self.layers if layer.effective == 0]


def density_of_all(kept: int, numel: int, unmasked: Mapping[str, Sequence[int]]) -> float:
    """Share of all weights that is kept, if `kept` of `numel` masked ones are and `unmasked`, by their shapes, are."""
    dense = sum(map(math.prod, unmasked.values()))
    return (kept + dense) / (numel + dense)


def folder(results: Path, run_id: str) -> Path:
    """Where a run keeps its files."""
    return results / "runs" / run_id


def results_of(folder: Path) -> Path:
    """The folder of results where its `runs` may be named instead."""
    whole = Path(os.path.abspath(folder))  # "." has no name
    return whole.parent if whole.name == "runs" and not (whole / "runs").is_dir() else folder


def forget(results: Path, run_id: str) -> None:
    """Remove all files of a run, the record first: what has none is trained."""
    (folder(results, run_id) / "record.json").unlink(missing_ok=True)
    shutil.rmtree(folder(results, run_id), ignore_errors=True)


def write(record: Record, results: Path) -> None:
    """Write `record.json`, the last file of a run, sealed: where it stands, the run is complete."""
    own = folder(results, record.id)
    history = hashlib.sha256((own / "history.parquet").read_bytes()).hexdigest()
    sealed = record.model_copy(update={"history_sha256": history, "sha256": None})
    content = sealed.model_dump(mode="json") | {"sha256": seal(sealed.model_dump(mode="json"))}
    write_json(own / "record.json", content)


def seal(content: Mapping[str, Any]) -> str:
    """SHA-256 of all that a record says but for this itself."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class RecordError(UserError):
    """A record that is not as it was written."""


def _tell(line: str) -> None:
    print(f"{line}; it is trained again", file=sys.stderr, flush=True)


def refuse(line: str) -> None:
    """For those who read a record and train nothing. Raises `RecordError` with what to do."""
    raise RecordError(f"{line}; {REMEDY}")


def read(results: Path, run_id: str, say: Callable[[str], object] = _tell) -> Record | None:
    """The record of a run, or None, also where its history is missing or damaged: then there is no whole run.

    `say` gets what is said of the latter. Raises `UserError`, which names the file, for what is no record, and
    `RecordError` for one that was changed by hand or belongs elsewhere.
    """
    path = folder(results, run_id) / "record.json"
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (IsADirectoryError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a record ({getattr(error, 'strerror', None) or error}); {REMEDY}") from None
    found = _checked(content, path)
    if found.id != run_id:
        raise RecordError(f"{path}: is the record of another run than its folder's; {REMEDY}")
    if found.sha256 != seal(content):
        what = "has no seal" if found.sha256 is None else "was changed since it was written"
        raise RecordError(f"{path}: {what}; {ACCEPT}")
    if _has_history(found, path.with_name("history.parquet")):
        return found
    say(f"{found.id}: its history is missing or damaged")
    return None


REMEDY = "remove its folder, and the run is trained again"
ACCEPT = f"`python -m dst_repro accept RUN` takes it as it is, or {REMEDY}"


def _checked(content: Any, path: Path) -> Record:
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{first_finding(error, Record).within(str(path))}; {REMEDY}") from None


def _has_history(found: Record, path: Path) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == found.history_sha256
    except OSError:
        return False


def accept(results: Path, run_id: str) -> None:
    """Seal a record as it is, with the history that lies beside it: one changed by hand, or older than seals.

    Raises `UserError` where it is no record of this run.
    """
    import pyarrow.parquet as pq  # nothing else here reads one

    path = folder(results, run_id) / "record.json"
    try:
        found = _checked(json.loads(path.read_bytes()), path)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a record ({error}); {REMEDY}") from None
    try:
        run = found.run
    except ConfigError as error:
        raise error.within(str(path), "config") from None
    if found.id != run_id or (run.id, run.cell) != (found.id, found.cell):
        raise RecordError(f"{path}: is the record of another run than its folder's; {REMEDY}")
    history = path.with_name("history.parquet")
    try:
        pq.read_table(history)
    except (OSError, ValueError) as error:  # pyarrow's errors are of the latter kind
        raise RecordError(f"{history}: not a history ({' '.join(str(error).split())}); {REMEDY}") from None
    write(found, results)


def fingerprint_of(results: Path, run_id: str) -> str | None:
    """The source that a record is of, without a look at the rest; None where there is no record to be read."""
    try:
        found = json.loads((folder(results, run_id) / "record.json").read_bytes())["fingerprint"]
        return str(found)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def data_of(results: Path, run_id: str) -> dict[str, str] | None:
    """The sums of the data set that a record is of, likewise; None also where the run ended before it had any."""
    try:
        found = json.loads((folder(results, run_id) / "record.json").read_bytes())["data"]["sha256"]
        return {str(part): str(value) for part, value in found.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def runtime(results: Path, run_id: str) -> dict[str, Any]:
    """What `runtime.json` of a run says; empty where there is none."""
    try:
        loaded = json.loads((folder(results, run_id) / "runtime.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return loaded if isinstance(loaded, dict) else {}
