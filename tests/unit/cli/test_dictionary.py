"""`docs/data.md` has every column that is written, and says what it is."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dst_repro import cli
from dst_repro.claims import answering
from dst_repro.cli import dictionary
from dst_repro.compare import frame as comparison
from dst_repro.plan.grid import load_suite
from dst_repro.records.frames import HISTORY, aggregate, write
from dst_repro.registry import tables
from dst_repro.report import scorecard
from dst_repro.tables import long
from tests.workflow.conftest import ROOT


def test_the_committed_page_is_what_the_command_writes(tmp_path: Path) -> None:
    assert cli.main(["dictionary", "--out", str(tmp_path / "data.md")]) == 0
    assert (tmp_path / "data.md").read_text() == (ROOT / "docs/data.md").read_text(), "run `make dictionary`"


def test_every_column_has_a_type_and_a_meaning() -> None:
    rows = [line.split(" | ") for line in dictionary.page().splitlines() if line.startswith("| `")]
    assert len(rows) > 250
    for row in rows:
        *_, last = row
        assert all(word.strip(" |") for word in (row[0], row[1], last)), row


@pytest.mark.parametrize("name", ["config", "cifar10", "tost"])
def test_every_column_of_runs_is_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is planned, with the fields of the runs that others begin with."""
    monkeypatch.chdir(ROOT)
    frames = aggregate(load_suite(ROOT / f"config/{name}.yaml"), tmp_path)
    write(frames, tmp_path)
    told = set(re.findall(r"(?m)^\| `([^`]+)`", dictionary.page()))
    written = pq.read_schema(tmp_path / "runs.parquet").names
    own = {re.sub(r"^((weights_from|mask_from)\.)+", "", column) for column in written}
    assert {re.sub(r"^(weights_at|begin_at)\..*", r"\1", column) for column in own} - told == set()
    assert set(HISTORY.names) == set(pq.read_schema(tmp_path / "history.parquet").names)


def test_every_column_of_tables_is_there() -> None:
    written: set[str] = set()
    for entry in tables.discover().values():
        written |= set(importlib.import_module(entry.module).LONG)
    assert written == set(long.COLUMNS)


def test_columns_of_the_comparison_of_claims_and_of_the_scorecard() -> None:
    assert list(comparison.MEANINGS) == list(comparison.COLUMNS)
    kinds = {"str": "text", "float64": "number", "Int64": "integer"}
    assert {n: kinds[kind] for n, kind in comparison.COLUMNS.items()} == {
        n: column.type for n, column in comparison.MEANINGS.items()
    }
    for name, columns in (("claims", answering.MEANINGS), ("comparison", comparison.MEANINGS),
                          ("scorecard", scorecard.MEANINGS)):  # fmt: skip
        head = (ROOT / f"results/all/{name}.csv").read_text().partition("\n")[0]
        assert set(head.split(",")) == set(columns), name
