"""What a queue says before it begins: numbers of runs, and times that follow from the records that are there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dst_repro import cli
from dst_repro.cli.forecast import ends
from dst_repro.records import record
from tests.unit.cli.conftest import BLOCKS
from tests.unit.cli.test_standing import suite_of


def test_the_next_run_is_for_the_process_that_is_free_first() -> None:
    assert ends([3, 1, 1, 2], [0]) == [3, 4, 5, 7]
    assert ends([3, 1, 1, 2], [0, 0]) == [3, 1, 2, 4]
    assert ends([1, 1], [10, 2]) == [3, 4]
    assert ends([], [5]) == []


def queue(capsys: pytest.CaptureFixture[str], config: Path, *options: str) -> list[str]:
    assert cli.main(["queue", str(config), *options]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out.splitlines()


def test_a_dry_run_says_what_is_to_do_and_trains_nothing(
    elsewhere: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each cell two seeds are there, which say that a run takes an hour; eight are missing."""
    elsewhere.rename(tmp_path / "results")
    for path in (tmp_path / "results/runs").glob("*/runtime.json"):
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"cpu_seconds": 3600.0}))
    suite = suite_of(tmp_path, BLOCKS, seeds=6)
    said = queue(capsys, tmp_path / "suite.yaml", "--dry-run", "--jobs", "2", "--hours", "2.5")
    assert said == [
        "s: 8 runs to train, 2 at a time, each on a core: about 4 h 0 min by recorded costs",
        "s: in 2 h 30 min about 4 of them",
    ]
    assert queue(capsys, tmp_path / "suite.yaml", "--dry-run")[0].endswith("about 8 h 0 min by recorded costs")
    assert sum(record.read(tmp_path / "results", run) is None for run in suite.runs) == 8


def test_without_records_it_is_an_estimate_and_without_sizes_none(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert re.fullmatch(r"s: 4 runs to train, .*: about \d+ s by recorded costs", queue(capsys, config, "--dry-run")[0])
    suite_of(tmp_path, [{"set": {"method": "dense", "dataset": "folder", "dataset_params": {"path": "mine"}}}])
    assert queue(capsys, config, "--dry-run")[0].endswith("for an unknown time")


def test_nothing_to_train(elsewhere: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere.rename(tmp_path / "results")
    assert queue(capsys, config, "--dry-run") == queue(capsys, config) == ["s: nothing to train"]
