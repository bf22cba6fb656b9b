"""Signals: a write is finished first, a training ends with one line, a queue ends its children."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dst_repro.ending import Ended, end_if_asked, raising_on_sigterm
from dst_repro.files import write_with
from tests.conftest import RunFactory, first_of

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def test_a_write_is_finished_before_a_signal_is_heard(tmp_path: Path) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:

        def write(stream) -> None:  # type: ignore[no-untyped-def]
            stream.write(b"whole")
            signal.raise_signal(signal.SIGTERM)
            assert not heard

        write_with(tmp_path / "file", write)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_an_interrupted_write_is_whole_and_then_interrupts(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process may ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            write_with(tmp_path / "file", lambda stream: (stream.write(b"x"), signal.raise_signal(signal.SIGINT)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert os.listdir(tmp_path) == ["file"]


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dst_repro", *arguments]
    environment = os.environ | {"DST_CHECKPOINT_SECONDS": "0"}
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # the child's, too, wherever this process was started
    try:
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 100
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", CODES)
def test_a_training_that_is_ended_says_so_and_keeps_its_checkpoint(
    tiny: RunFactory, results: Path, number: signal.Signals
) -> None:
    run = tiny(epochs=100_000)
    process = start("train", run.json_text(), "--results", str(results))
    checkpoint = results / ".checkpoints" / f"{run.id}.pt"
    wait_for(checkpoint, process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == CODES[number]
    last = said.strip().splitlines()[-1]
    assert last.startswith("dst_repro: ")
    assert last.endswith("; what is finished is kept, and the next call goes on from there")
    assert "Traceback" not in said
    assert checkpoint.is_file()
    assert not [path for path in results.rglob(".*") if path.is_file()]


HIT = """
import importlib.abc, signal, sys
from dst_repro.cli import main

class Hit(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            print("hit", file=sys.stderr)
            signal.raise_signal(int(sys.argv[2]))

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Hit())
sys.exit(main(sys.argv[3:]))
"""


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("module", ["numpy", "numpy._core.numerictypes", "torch.nn", "pyarrow.parquet"])
def test_a_signal_in_the_midst_of_an_import_ends_the_training(
    tiny: RunFactory, results: Path, number: signal.Signals, module: str
) -> None:
    """torch, written in C, imports numpy and goes on without it, whatever was raised there."""
    command = [sys.executable, "-c", HIT, module, str(number), "train", tiny().json_text(), "--results", str(results)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("hit")
    assert done.returncode == CODES[number]
    assert done.stderr.strip().splitlines()[-1].startswith("dst_repro: ")
    assert "Traceback" not in done.stderr
    assert not list(results.glob("runs/*/record.json"))


def test_a_signal_that_got_lost_is_raised_when_an_error_comes_of_it() -> None:
    with pytest.raises(Ended), raising_on_sigterm():  # noqa: PT012
        with contextlib.suppress(Ended):
            signal.raise_signal(signal.SIGTERM)
        raise AttributeError("half a module")
    end_if_asked()  # and is then forgotten


@pytest.mark.parametrize("number", first_of(CODES))
def test_a_queue_that_is_ended_ends_its_children(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "e.yaml").write_text(
        "experiment: e\ntitle: e\nbase: {dataset: digits, dataset_params: {size: 8}, model: lenet-300-100, seed: 0,\n"
        "       learning_rate: 0.05, epochs: 100000}\nblocks: [{set: {method: dense}}]\n"
    )
    suite = tmp_path / "s.yaml"
    suite.write_text(f"suite: s\ntitle: s\nexperiments: [e]\nconfig_dir: {tmp_path}\nresults_dir: {tmp_path}/results\n")
    process = start("queue", str(suite), "--hours", "1")
    deadline = time.monotonic() + 100
    while not list(tmp_path.glob("results/.checkpoints/*.pt")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False).stdout
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == CODES[number]
    assert "Traceback" not in said
    assert children.split()
    for child in children.split():
        assert not Path(f"/proc/{child}").exists()
