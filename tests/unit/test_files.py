"""Files are written whole or not at all."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from dst_repro.files import write_json, write_text, write_with


def test_file_and_its_folder_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.txt"
    write_text(path, "né")
    assert path.read_bytes() == "né".encode()
    write_text(path, "again")
    assert path.read_text() == "again"
    assert [p.name for p in path.parent.iterdir()] == ["c.txt"]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("")
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "record.json"
    write_text(path, "old")

    def fail(stream: BinaryIO) -> None:
        stream.write(b"half of the n")
        stream.flush()
        assert path.read_text() == "old"
        raise error

    with pytest.raises(type(error)):
        write_with(path, fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["record.json"]


def test_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path, wrong, stop = tmp_path / "file", [], threading.Event()
    whole = {b"a" * 100_000, b"b" * 100_000}
    write_with(path, lambda stream: stream.write(b"a" * 100_000))

    def read() -> None:
        while not stop.is_set():
            if path.read_bytes() not in whole:
                wrong.append(path.stat().st_size)

    reader = threading.Thread(target=read)
    reader.start()
    for i in range(60):
        letter = b"ab"[i % 2 : i % 2 + 1]
        write_with(path, lambda stream, letter=letter: [stream.write(letter * 1000) for _ in range(100)])
    stop.set()
    reader.join()
    assert wrong == []


def test_equal_values_are_equal_files(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"x": 1, "y": [0.1, None]})
    write_json(tmp_path / "b", {"y": [0.1, None], "x": 1})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert json.loads((tmp_path / "a").read_text()) == {"x": 1, "y": [0.1, None]}


def test_nan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a", {"x": float("nan")})
    assert os.listdir(tmp_path) == []
