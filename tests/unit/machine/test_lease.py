"""GPU slots, without a GPU: names of devices, lock files, and real processes that take, keep and lose them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dst_repro.errors import UserError
from dst_repro.machine import lease
from dst_repro.machine.lease import POLL, lock_folder, offered, runs_per_gpu, slots, take, visible

HOLD = """
import sys, time
from pathlib import Path
from dst_repro.machine.lease import take
position, lock = take(sys.argv[3:], int(sys.argv[2]), Path(sys.argv[1]))
print(position, flush=True)
if sys.stdin.readline() == "crash\\n":
    raise SystemExit(3)
"""


class Holder:
    """A process that takes a slot and keeps it until it is told to end, or is killed."""

    def __init__(self, folder: Path, share: int, *gpus: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(folder), str(share), *gpus],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def position(self) -> int:
        return int(self.process.stdout.readline())

    def complaint(self) -> str:
        return self.process.stderr.readline()

    def end(self) -> str:
        """What else it said to standard error."""
        return self.process.communicate("\n", timeout=60)[1]


@pytest.fixture
def hold(tmp_path: Path):
    holders: list[Holder] = []

    def start(share: int, *gpus: str) -> Holder:
        holders.append(Holder(tmp_path / "locks", share, *gpus))
        return holders[-1]

    yield start
    for holder in holders:
        holder.process.kill()
        holder.process.communicate()


def test_a_gpu_is_shared_only_when_none_is_free() -> None:
    assert slots(["a", "b"], 2) == [(0, "a.0"), (1, "b.0"), (0, "a.1"), (1, "b.1")]
    assert slots(["a", "b"], 1) == [(0, "a.0"), (1, "b.0")]


def test_processes_get_gpus_of_their_own(hold) -> None:
    first = hold(1, "a", "b")
    assert first.position() == 0
    second = hold(1, "a", "b")
    assert second.position() == 1
    assert (first.end(), second.end()) == ("", "")


def test_who_comes_too_late_says_so_once_and_waits(hold) -> None:
    first = hold(1, "a", "b")
    assert first.position() == 0
    second = hold(1, "a", "b")
    assert second.position() == 1
    third = hold(1, "a", "b")
    assert third.complaint() == "all 2 GPU slots are taken (DST_GPU_SLOTS: 1 a GPU): waiting\n"
    time.sleep(3 * POLL)  # it looks again, and says no more
    assert third.process.poll() is None
    second.end()
    assert third.position() == 1
    assert third.end() == ""


def test_a_killed_process_frees_its_slot(hold) -> None:
    first = hold(1, "a")
    assert first.position() == 0
    second = hold(1, "a")
    assert "waiting" in second.complaint()
    first.process.kill()
    assert second.position() == 0


def test_several_runs_share_a_gpu_if_asked_to(hold) -> None:
    holders = [hold(2, "a", "b") for _ in range(4)]
    assert sorted(holder.position() for holder in holders) == [0, 0, 1, 1]
    fifth = hold(2, "a", "b")
    assert fifth.complaint() == "all 4 GPU slots are taken (DST_GPU_SLOTS: 2 a GPU): waiting\n"


def test_a_pinned_gpu_is_the_same_slot_as_the_one_among_others(hold) -> None:
    """DST_DEVICE=cuda:1 is a list of one name."""
    first = hold(1, "b")
    assert first.position() == 0
    assert hold(1, "a", "b").position() == 0
    assert "waiting" in hold(1, "b").complaint()


def test_a_slot_is_held_as_long_as_its_lock(tmp_path: Path) -> None:
    position, lock = take(["a"], 1, tmp_path)
    assert position == 0
    lock.release()
    assert take(["a"], 1, tmp_path)[0] == 0


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [(None, 4), ("", 0), ("0", 1), ("0,2", 2), ("GPU-8f2e, GPU-11aa", 2), ("1,-1,2", 1), ("-1", 0), ("0,1,2,3,4", 4)],
)
def test_cuda_visible_devices(chosen: str | None, expected: int) -> None:
    assert visible(4, chosen) == expected
    assert visible(0, chosen) == 0


def test_runs_per_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DST_GPU_SLOTS", raising=False)
    assert runs_per_gpu() == 1
    monkeypatch.setenv("DST_GPU_SLOTS", "3")
    assert runs_per_gpu() == 3


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5"])
def test_a_bad_number_of_slots_is_one_line(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DST_GPU_SLOTS", text)
    with pytest.raises(UserError, match=f"^DST_GPU_SLOTS is '{text}'; it must be a whole number from 1 on$"):
        runs_per_gpu()


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that lists two GPUs, and a torch that is built for them."""
    program = tmp_path / "nvidia-smi"
    program.write_text('#!/bin/sh\necho "GPU 0: Some (UUID: GPU-a)"\necho "GPU 1: Some (UUID: GPU-b)"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(lease, "_torch_has_cuda", lambda: True)
    for name in ("DST_DEVICE", "DST_GPU_SLOTS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 2),
        ({"DST_GPU_SLOTS": "3"}, 6),
        ({"DST_DEVICE": "cuda"}, 2),
        ({"DST_DEVICE": "cuda:1", "DST_GPU_SLOTS": "2"}, 2),
        ({"DST_DEVICE": "cpu"}, 0),
        ({"CUDA_VISIBLE_DEVICES": "1"}, 1),
        ({"CUDA_VISIBLE_DEVICES": ""}, 0),
    ],
)
def test_the_runs_that_a_machine_takes(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], expected: int
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert offered() == expected


@pytest.mark.usefixtures("two_gpus")
def test_gpus_that_torch_is_not_built_for_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_torch_has_cuda", lambda: False)
    assert offered() == 0


@pytest.mark.usefixtures("two_gpus")
def test_no_driver_no_gpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert offered() == 0


def test_the_build_of_torch_is_told_without_importing_it() -> None:
    assert lease._torch_has_cuda() == (torch.version.cuda is not None)


NOBODY = 65534

AS_ANOTHER = """
import os, sys
from pathlib import Path
from dst_repro.errors import UserError
from dst_repro.machine.lease import take
os.setgid(int(sys.argv[2])), os.setuid(int(sys.argv[2]))
try:
    take(["a"], 1, Path(sys.argv[1]))
except UserError as error:
    sys.exit(f"{error}")
"""


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder in which everybody may write, as /tmp."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o1777)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)


def as_another(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", AS_ANOTHER, str(folder), str(NOBODY)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_a_folder_that_another_user_made_is_told_in_one_line(shared: Path) -> None:
    folder = lock_folder()
    assert folder.parent == shared
    made = as_another(folder)
    assert (made.returncode, made.stderr) == (0, "")
    assert folder.stat().st_uid == NOBODY
    with pytest.raises(UserError) as told:
        take(["a"], 1, folder)
    assert str(told.value) == (
        f"{folder}: another user made it, where the locks of GPUs should lie; "
        "remove it, or set TMPDIR to a folder of yours"
    )
    assert told.value.exit_code != 0

    mine = shared / "mine"
    take(["a"], 1, mine)[1].release()
    refused = as_another(mine)  # who can't even look into it
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{mine}: another user made it, ")
    assert len(refused.stderr.splitlines()) == 1


def test_users_have_folders_of_their_own(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = lock_folder()
    monkeypatch.setattr(os, "getuid", lambda: NOBODY)
    assert mine != lock_folder()
    assert mine.parent == lock_folder().parent == shared


def test_what_is_no_folder_of_locks_is_told(shared: Path) -> None:
    (shared / "file").touch()
    with pytest.raises(UserError, match=r"file: is no folder, where the locks of GPUs should lie; remove it"):
        take(["a"], 1, shared / "file")
    with pytest.raises(UserError, match=r"file/locks: no locks of GPUs can be made there \(Not a directory\)"):
        take(["a"], 1, shared / "file" / "locks")
    (shared / "folder").mkdir()
    (shared / "link").symlink_to(shared / "folder")
    with pytest.raises(UserError, match="link: is a link, where the locks of GPUs should lie"):
        take(["a"], 1, shared / "link")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_in_which_nothing_may_be_written_is_told(shared: Path) -> None:
    folder = shared / "locks"
    folder.mkdir(mode=0o500)
    with pytest.raises(UserError, match=r"locks: no locks of GPUs can be made there \(Permission denied\)"):
        take(["a"], 1, folder)
