"""The command line: one line for what can't be done, exit code 2, no traceback, whatever the locale and the pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dst_repro import cli

ROOT = Path(__file__).parents[3]
SUITE = """
suite: tiny
title: "Tiny: café ± 1"
experiments: [tiny]
config_dir: "{config}"
results_dir: "{results}"
figures_dir: "{results}"
"""
EXPERIMENT = """
experiment: tiny
title: Tiny
base: {dataset: digits, model: lenet-300-100, method: dense, learning_rate: 1e-1, epochs: 2}
sweep: {seed: [0, 1]}
blocks: [{}]
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "config/experiments").mkdir(parents=True)
    (tmp_path / "config/experiments/tiny.yaml").write_text(EXPERIMENT)
    path = tmp_path / "config/tiny.yaml"
    text = SUITE.format(config=tmp_path / "config", results=tmp_path / "results")
    path.write_text(text, encoding="utf-8")
    return path


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that ends with 2 said: one line, on stderr."""
    try:
        status = cli.main(arguments)
    except SystemExit as error:
        status = error.code  # argparse's
    said = capsys.readouterr()
    assert status == 2, said
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert said.err.startswith("dst_repro")
    assert len(said.err) < 1100
    return said.err.removesuffix("\n")


WRONG = [
    ([], "dst_repro: the following arguments are required: COMMAND; see `dst_repro --help`"),
    (["trian"], "dst_repro: argument COMMAND: invalid choice: 'trian'"),
    (["x" * 10_000], "dst_repro: argument COMMAND: invalid choice: 'xxx"),
    (["train"], "dst_repro train: the following arguments are required: run; see `dst_repro train --help`"),
    (["train", "{"], "dst_repro: not valid JSON: "),
    (["train", "{}"], "dst_repro: dataset: this key is missing"),
    (["train", '{"seed": 0, "seed": 1}'], "dst_repro: seed: the key stands twice"),
    (["status", "--suite", ""], "dst_repro: .: a file is expected, not a folder"),
    (["status", "--suite", "nowhere.yaml"], "dst_repro: nowhere.yaml: no such file"),
    (["status", "--suite", "/dev/zero"], "dst_repro: /dev/zero: a file is expected, not a device"),
    (["status", "--suite", "{"], "dst_repro: --suite: not valid JSON: "),
    (["status", "--suite", '{"suite": "x"}'], "dst_repro: --suite: title: this key is missing"),
    (["status", "--suite", "{", "--source", "a.yaml"], "dst_repro: a.yaml: not valid JSON: "),
    (["data", "digit", "out.json"], "dst_repro: dataset: unknown dataset 'digit'; did you mean 'digits'?"),
    (
        ["queue", "a.yaml", "--jobs", "0"],
        "dst_repro queue: argument --jobs: must be a whole number from 1 to 256, not '0'",
    ),
    (
        ["queue", "a.yaml", "--jobs", "1_0"],
        "dst_repro queue: argument --jobs: must be a whole number from 1 to 256, not",
    ),
    (
        ["queue", "a.yaml", "--jobs", "9" * 5000],
        "dst_repro queue: argument --jobs: must be a whole number from 1 to 256",
    ),
    (["queue", "a.yaml", "--hours", "-1"], "dst_repro queue: argument --hours: must be a number above 0, not '-1'"),
    (["queue", "a.yaml", "--hours", "nan"], "dst_repro queue: argument --hours: must be a number above 0, not 'nan'"),
    (["queue", "a.yaml", "--hours", "1_0"], "dst_repro queue: argument --hours: must be a number above 0, not '1_0'"),
    (
        ["queue", "a.yaml", "--until", "noon"],
        "dst_repro queue: argument --until: must be a time such as 2026-01-31T18:00",
    ),
    (["queue", "{"], "dst_repro: SUITE: not valid JSON: "),
    (["confirm", "--epochs", "0"], "dst_repro confirm: argument --epochs: must be a whole number from 1 to "),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=lambda value: " ".join(value)[:40])
def test_wrong_arguments(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, *arguments).startswith(message)


def test_folders_and_files_in_each_others_place(
    suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refused(capsys, "status", "--suite", str(tmp_path)).endswith(f"{tmp_path}: a file is expected, not a folder")
    assert refused(capsys, "data", "digits", str(tmp_path)).startswith(f"dst_repro: {tmp_path}: is a folder, where")
    assert refused(capsys, "data", "digits", f"{suite}/x.json").startswith(f"dst_repro: {suite}: ")
    assert refused(capsys, "schema", "--out", str(suite)).startswith(f"dst_repro: {suite}: ")


def test_a_suite_that_is_not_utf_8(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    suite.write_bytes(suite.read_text(encoding="utf-8").encode("latin-1"))
    assert refused(capsys, "status", "--suite", str(suite)) == f"dst_repro: {suite}: not UTF-8 text (byte 30)"


@pytest.mark.parametrize("command", ["summary", "report", "compare"])
def test_what_needs_frames_says_where_they_come_from(
    suite: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tmp_path / "results/tiny"
    said = refused(capsys, command, "--suite", str(suite))
    assert said == f"dst_repro: {frames}/runs.parquet: no such file; run `python -m dst_repro aggregate` first"
    assert cli.main(["aggregate", "--suite", str(suite)]) == 0
    (frames / "history.parquet").write_bytes(b"no parquet")
    assert refused(capsys, command, "--suite", str(suite)).startswith(f"dst_repro: {frames}: damaged (")


def test_names_that_there_are_not(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "table", "x/y", "--suite", str(suite)).startswith("dst_repro: tiny: no item 'x/y'")
    run = "digits-lenet-300-100-dense-s0"
    said = refused(capsys, "explain", run, "--suite", str(suite))
    assert said.startswith(
        f"dst_repro: tiny: no run '{run}' in this suite; did you mean 'digits-lenet-300-100-dense-s0-"
    )
    assert len(refused(capsys, "explain", "x" * 100_000, "--suite", str(suite))) < 1100


def called(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dst_repro", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, encoding="utf-8", check=False
    )


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def test_a_terminal_without_our_letters(suite: Path, tmp_path: Path) -> None:
    done = called("list", "--cost", "--suite", str(suite), **ASCII)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("suite tiny: Tiny: caf\\xe9 \\xb1 1\n  2 runs in 1 cells\n")
    done = called("status", "--suite", str(tmp_path / "café.yaml"), **ASCII)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith(": no such file\n")


@pytest.mark.parametrize("command", [["list", "--cost"], ["status"]], ids=" ".join)
def test_a_reader_that_leaves_is_no_error(suite: Path, command: list[str]) -> None:
    """A pipe that nobody reads: little is written, so that it is noticed when it is flushed, at the end."""
    reader, writer = os.pipe()
    os.close(reader)
    arguments = [sys.executable, "-m", "dst_repro", *command, "--suite", str(suite)]
    done = subprocess.run(arguments, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_one_line(suite: Path) -> None:
    arguments = [sys.executable, "-m", "dst_repro", "status", "--suite", str(suite)]
    with open("/dev/full", "w") as full:
        done = subprocess.run(arguments, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "dst_repro: No space left on device\n")
