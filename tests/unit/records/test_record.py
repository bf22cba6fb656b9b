"""Records are read back as they were written, or refused in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from dst_repro.errors import UserError
from dst_repro.records.record import (
    DataUsed,
    LayerCount,
    Metrics,
    Record,
    RecordError,
    Selection,
    accept,
    folder,
    read,
    runtime,
    write,
)
from dst_repro.training.history import History
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
    stored(written, results)
    found = read(results, written.id)
    assert found is not None
    assert found.model_copy(update={"sha256": None, "history_sha256": None}) == written
    assert written.run == tiny("rigl", density=0.1)
    assert (results / "runs" / written.id / "record.json").is_file()


def stored(written: Record, results: Path) -> Path:
    """Its file, with a history beside it."""
    History().write(folder(results, written.id) / "history.parquet")
    write(written, results)
    return folder(results, written.id) / "record.json"


def test_a_record_that_was_changed_is_told_and_taken_if_that_is_asked_for(tiny: RunFactory, results: Path) -> None:
    path = stored(record(tiny), results)
    content = json.loads(path.read_text())
    content["metrics"]["last"]["test_accuracy"] = 0.99
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match=r"was changed since it was written; `python -m dst_repro accept RUN` takes"):
        read(results, content["id"])
    accept(results, content["id"])
    found = read(results, content["id"])
    assert found is not None
    assert found.metrics is not None
    assert found.metrics.last.test_accuracy == 0.99


def test_every_value_of_a_record_is_sealed(tiny: RunFactory, results: Path) -> None:
    path = stored(record(tiny), results)
    content = json.loads(path.read_text())
    for key, value in content.items():
        changed = {"status": "failed", "schema_version": 2, "parameters": 11, "compiled": True}.get(key, "other")
        path.write_text(json.dumps(content | {key: changed if value != changed else None}))
        with pytest.raises(UserError):
            read(results, content["id"])


def test_an_older_record_gets_its_seal_and_nothing_else(tiny: RunFactory, results: Path) -> None:
    path = stored(record(tiny), results)
    content = json.loads(path.read_text())
    older = {k: v for k, v in content.items() if k not in ("sha256", "history_sha256", "network_sha256")}
    path.write_text(json.dumps(older))
    with pytest.raises(RecordError, match="has no seal; `python -m dst_repro accept RUN`"):
        read(results, content["id"])
    accept(results, content["id"])
    assert json.loads(path.read_text()) == content


def test_the_record_of_another_run_is_refused(tiny: RunFactory, results: Path) -> None:
    first, other = record(tiny), tiny("rigl", density=0.1, seed=1)
    stored(first, results)
    shutil.copytree(folder(results, first.id), folder(results, other.id))
    for act in (read, accept):
        with pytest.raises(RecordError, match="is the record of another run than its folder's; remove its folder"):
            act(results, other.id)


def test_a_config_that_is_not_the_ids_is_refused(tiny: RunFactory, results: Path) -> None:
    stored(record(tiny, config=tiny("rigl", density=0.1, seed=5).full()), results)
    with pytest.raises(RecordError, match="is the record of another run"):
        accept(results, tiny("rigl", density=0.1).id)


@pytest.mark.parametrize("damage", ["missing", "truncated", "other"])
def test_a_record_without_its_history_is_as_good_as_none(
    tiny: RunFactory, results: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    path = stored(record(tiny), results).with_name("history.parquet")
    match damage:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(path.read_bytes()[:-50])
        case "other":
            History([(1, 1, "", "loss", 0.5)]).write(path)
    assert read(results, record(tiny).id) is None
    assert "its history is missing or damaged; it is trained again" in capsys.readouterr().err


@pytest.mark.parametrize(
    "fields",
    [
        {"metrics": None},
        {"status": "failed"},
        {"layers": (LayerCount(name="fc1", shape=(2, 5), numel=10, kept=11),)},
        {"layers": (LayerCount(name="fc1", shape=(2, 5), numel=11, kept=1),)},
        {"layers": (LayerCount(name="fc1", shape=(2, 5), numel=10, kept=-1),)},
        {"layers": (LayerCount(name="fc1", shape=(2, 5), numel=10, kept=2),)},  # the last density is 0.1
        {"reason": "none"},
        {"status": "diverged", "metrics": None},
    ],
)
def test_what_no_run_can_say_is_refused(tiny: RunFactory, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        record(tiny, **fields)


def test_accuracies_are_shares() -> None:
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        Metrics(**EPOCH | {"test_accuracy": 7.5})


def test_what_is_no_history_is_not_accepted(tiny: RunFactory, results: Path) -> None:
    path = stored(record(tiny), results)
    path.with_name("history.parquet").write_bytes(b"garbage")
    with pytest.raises(RecordError, match=r"history\.parquet: not a history"):
        accept(results, record(tiny).id)


def test_a_record_nested_without_end_is_one_line(results: Path) -> None:
    path = folder(results, "x") / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text("[" * 200_000)
    for act in (read, accept):
        with pytest.raises(UserError, match="not a record"):
            act(results, "x")


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
    assert str(caught.value).endswith("; remove its folder, and the run is trained again")
    assert "\n" not in str(caught.value)


def test_unknown_status_is_refused(tiny: RunFactory) -> None:
    with pytest.raises(ValidationError, match="status"):
        record(tiny, status="done")


@pytest.mark.parametrize(
    "values", [{"shape": (0,), "numel": 0, "kept": 0}, {"effective": 2}, {"effective": -1}, {"kept": 0, "effective": 1}]
)
def test_a_layer_that_can_not_be_is_refused(tiny: RunFactory, values: dict[str, Any]) -> None:
    layer = {"name": "fc1", "shape": (2, 5), "numel": 10, "kept": 1, "effective": 1}
    assert record(tiny, layers=(layer,)).effective == 1
    with pytest.raises(ValidationError):
        record(tiny, layers=(layer | values,))
