"""Records are read back as they were written, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dst_repro.errors import UserError
from dst_repro.records.record import DataUsed, LayerCount, Metrics, Record, Selection, folder, read, runtime, write
from tests.conftest import RunFactory

EPOCH = {
    "epoch": 2,
    "density": 0.1,
    "test_accuracy": 0.9,
    "validation_accuracy": None,
    "train_loss": 0.3,
    "test_loss": 1.0,
}


def record(tiny: RunFactory, **fields: Any) -> Record:
    run = tiny("rigl", density=0.1)
    metrics = Metrics(**EPOCH)
    base = {
        "id": run.id,
        "cell": run.cell,
        "status": "finished",
        "reason": None,
        "config": run.full(),
        "fingerprint": "0" * 16,
        "data": DataUsed(name="digits", note="", sha256={"train": "a", "test": "b"}),
        "parameters": 10,
        "metrics": Selection(last=metrics, best_on_validation=None, best_on_test=metrics),
        "layers": (LayerCount(name="fc1", shape=(2, 5), numel=10, kept=1),),
        "mask_sha256": "c",
        "events": {"resets": {"fc1": 2.0}},
    }
    return Record(**base | fields)


def test_round_trip(tiny: RunFactory, results: Path) -> None:
    written = record(tiny)
    write(written, results)
    assert read(results, written.id) == written
    assert written.run == tiny("rigl", density=0.1)
    assert (results / "runs" / written.id / "record.json").is_file()


def test_absent_record_is_none(results: Path) -> None:
    assert read(results, "nothing") is None
    assert runtime(results, "nothing") == {}


@pytest.mark.parametrize("key", ["test_accuracy", "train_loss", "test_loss", "density"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_metrics_are_finite(key: str, value: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        Metrics(**EPOCH | {key: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": "x"', "not a record"),
        ("", "not a record"),
        ('{"id": "x"}', "this key is missing"),
    ],
)
def test_damaged_record_names_its_file(results: Path, text: str, message: str) -> None:
    path = folder(results, "x") / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read(results, "x")
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_status_is_refused(tiny: RunFactory) -> None:
    with pytest.raises(ValidationError, match="status"):
        record(tiny, status="done")
