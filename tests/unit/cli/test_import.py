"""Records from elsewhere: whole ones are taken, others refused with their reason, and none that is there goes."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dst_repro import cli
from dst_repro.records import record
from dst_repro.training.parents import lock
from tests.unit.cli.conftest import BLOCKS
from tests.unit.cli.test_standing import suite_of


def bring(capsys: pytest.CaptureFixture[str], config: Path, *arguments: Path | str) -> tuple[int, list[str]]:
    """(exit code, lines)"""
    code = cli.main(["import", "--suite", str(config), *map(str, arguments)])
    said = capsys.readouterr()
    assert said.err == ""
    return code, said.out.splitlines()


def ids(results: Path) -> list[str]:
    return sorted(path.name for path in (results / "runs").iterdir())


def content(results: Path) -> dict[str, bytes]:
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in (results / "runs").glob("*/*")}


def reseal(results: Path, run: str, **fields: object) -> None:
    path = record.folder(results, run) / "record.json"
    changed = json.loads(path.read_bytes()) | fields
    path.write_text(json.dumps(changed | {"sha256": record.seal(changed)}))


def test_whole_records_are_taken_and_taken_once(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    code, lines = bring(capsys, config, elsewhere)
    assert (code, lines) == (0, [
        f"{results}: 4 taken, 0 there already, 0 refused",
        "of those taken: 0 stale (trained by other source than today's), 0 not of this suite",
    ])  # fmt: skip
    assert content(results) == content(elsewhere)
    assert bring(capsys, config, elsewhere / "runs") == (0, [f"{results}: 0 taken, 4 there already, 0 refused"])
    assert cli.main(["status", "--strict", "--suite", str(config)]) == 0
    assert not list((results / ".checkpoints").rglob("*.json"))
    assert not list((results / ".checkpoints").glob("*.lock"))


def test_what_is_not_whole_is_refused_with_its_reason(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited, moved, unwhole, other = ids(elsewhere)
    path = elsewhere / "runs" / edited / "record.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    (elsewhere / "runs" / moved).rename(elsewhere / "runs/somewhere")
    (elsewhere / "runs" / unwhole / "history.parquet").unlink()
    changed = json.loads((elsewhere / "runs" / other / "record.json").read_bytes())["config"] | {"epochs": 2}
    reseal(elsewhere, other, config=changed)
    (elsewhere / "runs/empty").mkdir()
    code, lines = bring(capsys, config, elsewhere)
    assert code == 1
    said = dict(line.split("  refused: ") for line in lines[:-1])
    assert said[edited] == f"{path}: was changed since it was written"
    assert said["somewhere"].endswith("somewhere/record.json: is the record of another run than its folder's")
    assert said[unwhole] == f"{unwhole}: its history is missing or damaged"
    assert said[other].startswith(f"{other}: its configuration is that of digits-lenet-300-100-set-d0.1-s1-")
    assert said["empty"] == f"{elsewhere}/runs/empty: has no record.json"
    assert lines[-1] == f"{tmp_path}/results: 0 taken, 0 there already, 5 refused"
    assert not (tmp_path / "results/runs").exists()


def test_what_was_sealed_with_something_else_than_a_history_is_refused(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    garbage, columns, *_ = ids(elsewhere)
    (elsewhere / "runs" / garbage / "history.parquet").write_bytes(b"x")
    pq.write_table(pa.table({"step": [1]}), elsewhere / "runs" / columns / "history.parquet")
    for run in (garbage, columns):
        data = (elsewhere / "runs" / run / "history.parquet").read_bytes()
        reseal(elsewhere, run, history_sha256=hashlib.sha256(data).hexdigest())
    code, lines = bring(capsys, config, elsewhere)
    assert code == 1
    assert lines[0].startswith(f"{garbage}  refused: {elsewhere}/runs/{garbage}/history.parquet: not a history (")
    assert lines[1].startswith(f"{columns}  refused: {elsewhere}/runs/{columns}/history.parquet: not a history (")
    assert lines[2] == f"{tmp_path}/results: 2 taken, 0 there already, 2 refused"
    assert cli.main(["diff", str(elsewhere), str(elsewhere)]) == 1
    assert f"{garbage}  its history can't be read (" in capsys.readouterr().out


def test_a_record_that_is_there_stays_unless_that_is_asked_for(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    bring(capsys, config, elsewhere)
    run = ids(elsewhere)[0]
    reseal(elsewhere, run, fingerprint="0" * 16)
    before = content(results)
    code, lines = bring(capsys, config, elsewhere)
    assert code == 1
    assert lines[0] == (
        f"{run}  refused: {results}/runs/{run}: there is another record of this run, which stays; --replace takes the "
        "new one instead"
    )
    assert content(results) == before
    kept = ids(elsewhere)[1]
    written = (results / "runs" / kept / "record.json").stat().st_mtime_ns
    code, lines = bring(capsys, config, elsewhere, "--replace")
    assert (code, lines[0]) == (0, f"{results}: 1 taken, 3 there already, 0 refused")
    assert (results / "runs" / kept / "record.json").stat().st_mtime_ns == written
    assert lines[1] == "of those taken: 1 stale (trained by other source than today's), 0 not of this suite"
    assert content(results) == content(elsewhere)


def test_a_damaged_record_that_is_there_stays_too_and_one_without_history_does_not(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    bring(capsys, config, elsewhere)
    damaged, without, *_ = ids(elsewhere)
    (results / "runs" / damaged / "record.json").write_text("{}")
    (results / "runs" / without / "history.parquet").unlink()
    code, lines = bring(capsys, config, elsewhere)
    assert code == 1
    assert lines[0].startswith(f"{damaged}  refused: {results}/runs/{damaged}/record.json: ")
    assert lines[0].endswith("; or --replace")
    assert lines[1] == f"{results}: 1 taken, 2 there already, 1 refused"
    assert bring(capsys, config, elsewhere, "--replace")[1][0] == f"{results}: 1 taken, 3 there already, 0 refused"
    assert content(results) == content(elsewhere)


def test_a_call_that_was_killed_while_it_replaced_a_record_loses_none(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the new one had its name, of a run that the next call has nothing of; and after, of another."""
    results = tmp_path / "results"
    bring(capsys, config, elsewhere)
    before, after, *_ = ids(elsewhere)
    whole = content(results)
    aside = results / ".checkpoints/import"
    (results / "runs" / before).rename(aside / f"{before}.old")
    shutil.copytree(results / "runs" / after, aside / f"{after}.old")
    shutil.rmtree(elsewhere / "runs" / before)
    with lock(results, before):  # a process that is at work on it may be the one that replaces it
        assert bring(capsys, config, elsewhere)[0] == 0
    assert [path.name for path in aside.iterdir()] == [f"{before}.old"]
    assert bring(capsys, config, elsewhere) == (0, [f"{results}: 0 taken, 3 there already, 0 refused"])
    assert content(results) == whole
    assert not list(aside.iterdir())


def test_a_call_that_ends_between_the_two_names_is_made_good_by_the_next(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = tmp_path / "results"
    bring(capsys, config, elsewhere)
    whole, run = content(results), ids(elsewhere)[0]
    reseal(elsewhere, run, fingerprint="0" * 16)
    rename = Path.rename

    def ended(path: Path, target: Path) -> Path:
        if target == record.folder(results, run):
            raise OSError(28, "No space left on device", str(target))
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", ended)
        assert cli.main(["import", "--suite", str(config), str(elsewhere), "--replace"]) == 2
    assert capsys.readouterr().err == f"dst_repro: {results}/runs/{run}: No space left on device\n"
    assert run not in ids(results)
    assert bring(capsys, config, elsewhere)[0] == 1  # refused again, as it is there again
    assert content(results) == whole
    assert bring(capsys, config, elsewhere, "--replace")[0] == 0
    assert content(results) == content(elsewhere)


def test_the_folder_of_runs_may_be_the_one_that_one_is_in(
    elsewhere: Path, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(elsewhere / "runs")
    assert bring(capsys, config, ".")[1][0].endswith(": 4 taken, 0 there already, 0 refused")


def test_a_run_that_a_process_is_at_work_on_is_left_alone(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ids(elsewhere)[0]
    with lock(tmp_path / "results", run):
        code, lines = bring(capsys, config, elsewhere)
    assert code == 1
    assert lines[0] == f"{run}  refused: {run}: a process is at work on it; call again when it is done"
    assert bring(capsys, config, elsewhere)[0] == 0


def test_records_of_another_suite_are_counted(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    suite_of(tmp_path, BLOCKS, seeds=1)
    assert bring(capsys, config, elsewhere)[1][-1].endswith(", 2 not of this suite")


def test_folders_that_have_no_records(
    elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bring(capsys, config, elsewhere)
    for folder, said in ((tmp_path / "nowhere", "no runs; a folder of results is meant, with runs/RUN/record.json"),
                         (tmp_path / "results", "is the folder that records are to be taken to")):  # fmt: skip
        assert cli.main(["import", "--suite", str(config), str(folder)]) == 2
        assert capsys.readouterr().err.startswith(f"dst_repro: {folder}: {said}")
