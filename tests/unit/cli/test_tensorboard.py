"""Histories as event files: every value of every run, once."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dst_repro import cli
from dst_repro.cli.commands.tensorboard import _history
from dst_repro.errors import UserError
from dst_repro.records import record


def test_every_value_is_there_once_also_when_it_is_written_again(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    elsewhere.rename(tmp_path / "results")
    run = sorted(path.name for path in (tmp_path / "results/runs").iterdir())[-1]
    out = tmp_path / "results/logs/tensorboard/s"
    for _ in range(2):
        assert cli.main(["tensorboard", "--suite", str(config)]) == 0
        assert capsys.readouterr().out == f"4 of 4 runs; `tensorboard --logdir {out}` shows them\n"
    assert len(list((out / run).iterdir())) == 1
    events = accumulator.EventAccumulator(str(out / run), size_guidance={"scalars": 0}).Reload()
    told = {(tag, e.step): e.value for tag in events.Tags()["scalars"] for e in events.Scalars(tag)}
    rows = pq.read_table(record.folder(tmp_path / "results", run) / "history.parquet").to_pylist()
    kept = {(f"{row['name']}/{row['layer'] or 'network'}", row["step"]): row["value"] for row in rows}
    assert len(kept) == len(rows)
    assert told == pytest.approx(kept)  # event files have 32 bits a number


def test_runs_without_a_record_are_left_out(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorboard")
    assert cli.main(["tensorboard", "--suite", str(config), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.startswith("0 of 4 runs; ")


def test_what_is_damaged_is_told_and_the_others_are_written(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    results = elsewhere.rename(tmp_path / "results")
    damaged, without, garbage, whole = sorted(path.name for path in (results / "runs").iterdir())
    (results / "runs" / damaged / "record.json").write_text("{}")
    (results / "runs" / without / "history.parquet").unlink()
    (results / "runs" / garbage / "history.parquet").write_bytes(b"x")
    sealed = record.Record.model_validate_json((results / "runs" / garbage / "record.json").read_bytes())
    record.write(sealed, results)
    out = tmp_path / "out"
    assert cli.main(["tensorboard", "--suite", str(config), "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert said.err == ""
    *lines, last = said.out.splitlines()
    told = dict(line.split("  refused: ") for line in lines)
    assert sorted(told) == [damaged, without, garbage]
    assert told[damaged].startswith(f"{results}/runs/{damaged}/record.json: ")
    assert told[without].startswith(f"{without}: its history is missing or damaged")
    assert told[garbage].startswith(f"{results}/runs/{garbage}/history.parquet: not a history (")
    assert last == f"1 of 4 runs; `tensorboard --logdir {out}` shows them"
    assert [path.name for path in out.iterdir()] == [whole]


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"step": [1], "layer": [""], "name": ["x"]}),
        pa.table({"step": [1], "layer": [""], "name": ["x"], "value": ["much"]}),
        pa.table({"step": [None], "layer": [""], "name": ["x"], "value": [1.0]}),
    ],
    ids=["a column is missing", "words", "no step"],
)
def test_a_table_that_is_no_history(table: pa.Table, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "history.parquet")
    with pytest.raises(UserError, match="not a history"):
        _history(tmp_path / "history.parquet")


def test_without_tensorboard_one_line_says_how_to_get_it(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # what importing it does without the package
    assert cli.main(["tensorboard", "--suite", str(config)]) == 2
    assert capsys.readouterr().err == "dst_repro: this needs the package tensorboard: `pip install tensorboard`\n"
