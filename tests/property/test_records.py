"""Whatever stands in a record or in a row of published numbers: it is taken as it should be, or refused in one line.

Ten seconds of examples here; `pytest -m soak` tries many more.
"""

from __future__ import annotations

import contextlib
import csv
import functools
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from dst_repro import cli
from dst_repro.plan.config import RunConfig
from dst_repro.published import loader
from dst_repro.records import record
from tests.property.searching import search
from tests.property.test_inputs import (
    CSV_PIECES,
    EXPERIMENT,
    ITEM,
    NUMBERS,
    PAPER,
    RUN,
    SOAK,
    STRINGS,
    SUITE,
    one_line,
    project,
    spoilt,
    taken_or_refused,
)

TRAINED = RUN | {"dataset_params": {"size": 8}, "epochs": 1, "validation": 0.1}
GRID = EXPERIMENT | {
    "base": {key: value for key, value in TRAINED.items() if key not in ("method", "seed")},
    "sweep": {"seed": [0]},
    "blocks": [{"set": {"method": "dense"}}],
}
ONE_TABLE = PAPER | {"items": {"table-1": ITEM | {"params": {"rows": ["model", "method"]}}}}
NAMES = ("record.json", "history.parquet", "runtime.json")


@functools.cache
def trained() -> tuple[str, dict[str, bytes]]:
    """Id and files of a run of real digits."""
    run = RunConfig.parse(TRAINED)
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "dst_repro", "train", run.json_text(), "--results", name]
        subprocess.run(command, check=True, capture_output=True)  # training flushes denormals, which hypothesis draws
        return run.id, {file: (record.folder(Path(name), run.id) / file).read_bytes() for file in NAMES}


def resealed(content: Any) -> Any:
    """As a program would write it that knows of seals, not of what they seal."""
    content = json.loads(as_json(content))  # where every key is a word
    return content | {"sha256": record.seal(content)} if isinstance(content, dict) else content


def as_json(content: Any) -> bytes:
    return json.dumps(content).encode()


@st.composite
def records(draw: st.DrawFn) -> tuple[str, bytes]:
    """(how it was spoilt, the bytes of a record)"""
    whole = json.loads(trained()[1]["record.json"])
    kind = draw(st.sampled_from(["values", "sealed", "sealed", "bytes", "nested"]))
    match kind:
        case "values":
            return kind, as_json(draw(spoilt(whole)))
        case "sealed":
            return kind, as_json(resealed(draw(spoilt(whole))))
        case "nested":
            part = draw(st.sampled_from(["config", "metrics", "layers", "events", "note"]))
            depth = draw(st.sampled_from([60, 900, 5_000, 200_000]))
            opening, closing = draw(st.sampled_from([("[", "]"), ('{"a":', "}")]))
            inner = f"{opening * depth}1{closing * depth}"
            return kind, as_json(whole | {part: "HERE"}).replace(b'"HERE"', inner.encode())
    content = bytearray(as_json(whole))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        new = draw(
            st.sampled_from([b"", b"\0", b"\xff", b"NaN", b"-Infinity", b"1e999", b'"', b"{", b"}", b",", b"9" * 5000])
        )
        content[start : start + draw(st.integers(0, 3))] = new
    return kind, bytes(content)


COMMANDS = (["status"], ["aggregate"], ["explain"], ["table", "article/table-1"], ["summary"], ["list", "--cost"],
            ["accept"])  # fmt: skip


def check_record(spoilt_: tuple[str, bytes]) -> None:
    kind, content = spoilt_
    run, files = trained()
    with project(SUITE, ONE_TABLE, GRID):
        folder = record.folder(Path("results"), run)
        folder.mkdir(parents=True)
        for name, whole in files.items():
            (folder / name).write_bytes(content if name == "record.json" else whole)
        codes = {command[0]: called([*command, *([run] if command[0] in ("explain", "accept") else [])])
                 for command in COMMANDS}  # fmt: skip
        if kind != "sealed" and codes["aggregate"] == 0:  # then nothing was changed
            assert record.seal(json.loads(content)) == record.seal(json.loads(files["record.json"]))
        if codes["accept"] == 0:
            assert called(["aggregate"]) == 0


def called(arguments: list[str]) -> int:
    """The exit code of a command, which has said one line if it is not 0."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([*arguments, "--suite", "config/suite.yaml"])
    assert code in (0, 2), arguments
    assert (code == 2) == bool(err.getvalue()), arguments
    if code:
        one_line(err.getvalue().removesuffix("\n").removeprefix("dst_repro: "))
    return code


@functools.cache
def published() -> list[tuple[str, str]]:
    """(name, text) of every file of published numbers."""
    folder = resources.files("dst_repro") / "published"
    return sorted((f.name, f.read_text(encoding="utf-8")) for f in folder.iterdir() if f.name.endswith(".csv"))


@st.composite
def rows(draw: st.DrawFn) -> tuple[str, list[list[str]]]:
    """(name of a file, its rows, of which one is spoilt)"""
    name, text = draw(st.sampled_from(published()))
    found = list(csv.reader(io.StringIO(text, newline="")))
    number = draw(st.integers(0, len(found) - 1))
    row = list(found[number])
    odd = st.one_of(st.sampled_from([*STRINGS, *CSV_PIECES, *map(str, NUMBERS[:11]), "1e5", "-0", "100.1"]), st.text())
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, max(0, len(row) - 1)))
        match draw(st.sampled_from(["replace", "remove", "add", "of another"])):
            case "replace":
                row[place : place + 1] = [draw(odd)]
            case "remove":
                del row[place : place + 1]
            case "add":
                row.insert(place, draw(odd))
            case "of another":
                row[place : place + 1] = draw(st.sampled_from(found))[place : place + 1]
    return name, [*found[:number], row, *found[number + 1 :]]


def check_rows(spoilt_: tuple[str, list[list[str]]]) -> None:
    name, changed = spoilt_
    with tempfile.TemporaryDirectory() as folder:
        stream = io.StringIO(newline="")
        csv.writer(stream, lineterminator="\n").writerows(changed)
        Path(folder, name).write_bytes(stream.getvalue().encode("utf-8", "surrogatepass"))
        frame = taken_or_refused(lambda: loader.load(Path(folder)))
    if frame is not None:
        assert list(loader.Published.model_fields) == changed[0]
        assert len(frame) <= len(changed) - 1
        assert frame["value"].between(0, 100).all()
        assert frame["density_percent"].between(0, 100, inclusive="right").all()
        assert frame["spread"].dropna().ge(0).all()


CHECKS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None], int]] = {
    "records": (st.deferred(records), check_record, 40),
    "published": (st.deferred(rows), check_rows, 120),
}
"""What is tried, by what, and how many examples."""


@pytest.mark.parametrize("name", CHECKS)
def test_a_record_or_a_row_is_taken_or_refused_in_one_line(name: str) -> None:
    search(*CHECKS[name])


@pytest.mark.soak
@pytest.mark.parametrize("name", CHECKS)
def test_a_record_or_a_row_is_taken_or_refused_in_one_line_at_length(name: str) -> None:
    search(*CHECKS[name][:2], SOAK // 10, anew=True)  # each of a quarter of a second


def test_what_is_spoilt_was_right() -> None:
    """Else nothing would be found out."""
    run, files = trained()
    whole = json.loads(files["record.json"])
    assert whole == resealed(whole)
    with project(SUITE, ONE_TABLE, GRID):
        folder = record.folder(Path("results"), run)
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        for command in COMMANDS:
            assert called([*command, *([run] if command[0] in ("explain", "accept") else [])]) == 0
    for name, text in published():
        check_rows((name, list(csv.reader(io.StringIO(text, newline="")))))
