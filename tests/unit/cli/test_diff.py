"""Two folders of results beside each other, of real records, some of which are made to differ."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dst_repro import cli
from dst_repro.records import record
from dst_repro.records.pairs import changes, pairs


def diff(capsys: pytest.CaptureFixture[str], *arguments: Path | str) -> tuple[int, list[str]]:
    """(exit code, lines)"""
    code = cli.main(["diff", *map(str, arguments)])
    said = capsys.readouterr()
    assert said.err == ""
    return code, said.out.splitlines()


def ids(results: Path) -> list[str]:
    return sorted(path.name for path in (results / "runs").iterdir())


def change_history(results: Path, run: str, name: str, by: float) -> int:
    """Add to all values of that name, of one more row than there was; returns how many values differ by that."""
    path = record.folder(results, run) / "history.parquet"
    rows = pq.read_table(path).to_pylist()
    changed = [row for row in rows if row["name"] == name]
    for row in changed:
        row["value"] += by
    rows.append(rows[0] | {"step": 10_000})
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    return len(changed) + 1


def change_record(results: Path, run: str, accuracy: float) -> None:
    found = record.Record.model_validate_json((record.folder(results, run) / "record.json").read_bytes())
    assert found.metrics is not None
    last = found.metrics.last.model_copy(update={"test_accuracy": accuracy})
    metrics = found.metrics.model_copy(update={"last": last})
    record.write(found.model_copy(update={"metrics": metrics}), results)


def test_a_copy_is_equal_whatever_source_it_says_it_is_of(
    elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(elsewhere, tmp_path / "b"))
    found = record.read(other, ids(other)[0])
    assert found is not None
    older = {"fingerprint": "0" * 16, "network_sha256": None}  # a field that older records do not have
    record.write(found.model_copy(update=older), other)
    assert diff(capsys, elsewhere, other) == (0, ["in both: 4 runs, 4 of them equal to the bit"])


def test_what_differs_is_told(elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = Path(shutil.copytree(elsewhere, tmp_path / "b"))
    alone, changed, *_ = ids(other)
    there = record.read(other, changed)
    assert there is not None
    assert there.metrics is not None
    was = there.metrics.last.test_accuracy
    number = change_history(other, changed, "train_loss", 1e-16 + 0.5)
    change_record(other, changed, was - 0.02)
    shutil.rmtree(other / "runs" / alone)
    total = pq.read_metadata(record.folder(other, changed) / "history.parquet").num_rows
    code, lines = diff(capsys, elsewhere, other, "--csv", tmp_path / "rows.csv")
    assert code == 1
    assert lines[:2] == [
        "in both: 3 runs, 2 of them equal to the bit",
        f"in {elsewhere} and not in {other}: {alone}",
    ]
    accuracies = f"test accuracy {100 * was:.2f} % / {100 * (was - 0.02):.2f} %"
    assert lines[2] == f"{changed}  {accuracies}; {number} of {total} values of the history"
    assert lines[4] == f"{there.cell}  -2.00, +0.00 points (1)"
    assert len(lines) == 5
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO((tmp_path / "rows.csv").read_text()))}
    assert sorted(rows) == ids(elsewhere)
    assert (rows[alone]["in"], rows[alone]["equal"], rows[alone]["status_b"]) == ("a", "no", "")
    assert float(rows[changed]["test_accuracy_b"]) == pytest.approx(100 * (was - 0.02))
    assert (rows[changed]["fields"], rows[changed]["values"], rows[changed]["of"]) == (
        "metrics",
        str(number),
        str(total),
    )
    assert diff(capsys, other, elsewhere)[1][1] == f"in {elsewhere} and not in {other}: {alone}"


def test_one_bit_of_a_history_is_a_difference(
    elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(elsewhere, tmp_path / "b"))
    run = ids(other)[0]
    path = record.folder(other, run) / "history.parquet"
    rows = pq.read_table(path).to_pylist()
    zero = next(row for row in rows if row["value"] != 0)
    zero["value"] *= 1 + 2**-52
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    record.accept(other, run)
    code, lines = diff(capsys, elsewhere, other)
    assert code == 1
    assert lines[1].startswith(f"{run}  1 of {len(rows)} values of the history")


def test_a_metric_that_is_not_shown_is_named(
    elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(elsewhere, tmp_path / "b"))
    run = ids(other)[0]
    found = record.read(other, run)
    assert found is not None
    assert found.metrics is not None
    last = found.metrics.last.model_copy(update={"test_loss": found.metrics.last.test_loss + 1})
    metrics = found.metrics.model_copy(update={"last": last, "best_on_test": None})
    record.write(found.model_copy(update={"metrics": metrics}), other)
    code, lines = diff(capsys, elsewhere, other)
    assert code == 1
    assert lines[1] == f"{run}  other metrics.best_on_test, metrics.last.test_loss"


def test_a_damaged_record_is_told_and_is_not_equal(
    elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(elsewhere, tmp_path / "b"))
    (other / "runs" / ids(other)[0] / "history.parquet").write_bytes(b"x")
    code, lines = diff(capsys, elsewhere, other)
    assert code == 1
    assert lines[0] == "in both: 3 runs, 3 of them equal to the bit"
    assert lines[1].startswith(f"{ids(other)[0]}  {ids(other)[0]}: its history is missing or damaged")


def test_means_are_those_of_the_seeds(elsewhere: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(elsewhere, tmp_path / "b"))
    steps = (0.01, 0.03)
    for run, step in zip(ids(other)[:2], steps, strict=True):
        found = record.read(other, run)
        assert found is not None
        assert found.metrics is not None
        change_record(other, run, found.metrics.last.test_accuracy - step)
    changed = changes(pairs(elsewhere, other))
    assert [(c.seeds, round(c.accuracy, 9), c.density) for c in changed.values()] == [(2, -2, 0), (2, 0, 0)]


def test_a_suite_stands_for_its_runs(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(elsewhere, tmp_path / "results")
    assert cli.main(["aggregate", "--suite", str(config)]) == 0
    stranger = Path(shutil.copytree(tmp_path / "results/runs" / ids(elsewhere)[0], tmp_path / "results/runs/stranger"))
    assert diff(capsys, tmp_path / "results/s", elsewhere)[0] == 0
    assert diff(capsys, tmp_path / "results", elsewhere)[0] == 1
    shutil.rmtree(stranger)


def test_the_folder_that_one_is_in_and_that_of_runs(
    elsewhere: Path,
    config: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(elsewhere, tmp_path / "results")
    assert cli.main(["aggregate", "--suite", str(config)]) == 0
    for folder in ("results", "results/s", "results/runs"):
        monkeypatch.chdir(tmp_path / folder)
        for a, b in ((Path("."), elsewhere), (elsewhere, tmp_path / folder), (elsewhere / "runs", Path("."))):
            assert diff(capsys, a, b) == (0, ["in both: 4 runs, 4 of them equal to the bit"])


def test_folders_without_any_record_are_not_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        (tmp_path / name / "runs").mkdir(parents=True)
    a, b = tmp_path / "a", tmp_path / "b"
    assert cli.main(["diff", str(a), str(b), "--csv", str(tmp_path / "rows.csv")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"dst_repro: {a} and {b}: no run has a record in either; there is nothing to compare\n"
    assert not (tmp_path / "rows.csv").exists()


def test_a_folder_that_has_no_results(elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert cli.main(["diff", str(elsewhere), str(folder)]) == 2
        said = capsys.readouterr()
        assert said.err.startswith(f"dst_repro: {folder}: no results; a folder with `runs` in it is meant")
