"""Files are written whole or not at all, and read as UTF-8 or refused in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from dst_repro.errors import ConfigError
from dst_repro.files import LARGEST, read_text, read_yaml, write_json, write_text, write_with


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


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_file_of_text_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    assert refused(path) == f"{path}: no such file"
    assert refused(tmp_path) == f"{tmp_path}: a file is expected, not a folder"
    assert refused(tmp_path / ("a" * 300)).endswith("File name too long")
    assert refused(tmp_path / "a\0b").endswith(": embedded null byte")
    os.mkfifo(path)  # to open it would wait for a writer
    assert refused(path) == f"{path}: a file is expected, not a device"
    path.unlink()
    path.write_bytes("title: caf\u00e9".encode("latin-1"))
    assert refused(path) == f"{path}: not UTF-8 text (byte 10)"
    path.write_bytes(b"a" * (LARGEST + 1))
    assert refused(path) == f"{path}: larger than 10,000,000 bytes"
    path.write_text("- a")
    assert refused(path) == f"{path}: a mapping (key: value lines) is expected"
    (tmp_path / "file").write_text("")
    assert refused(tmp_path / "file" / "a.yaml").startswith(f"{tmp_path}/file/a.yaml: ")


def test_text_is_utf_8_whatever_the_locale_is(tmp_path: Path) -> None:
    write_text(tmp_path / "a.yaml", "title: caf\u00e9 ± 😀")
    code = "import sys, pathlib, dst_repro.files as f; print(ascii(f.read_yaml(pathlib.Path(sys.argv[1]))))"
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", code, str(tmp_path / "a.yaml")]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said == "{'title': 'caf\\xe9 \\xb1 \\U0001f600'}\n"
    assert read_text(tmp_path / "a.yaml") == "title: caf\u00e9 ± 😀"
