"""Runs that share a machine share its GPUs: each leases a slot, a file lock that ends with the process at the latest.

Nothing here imports torch: the workflow asks it how many runs the GPUs take before any run has started.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from dst_repro.errors import UserError

POLL = 0.5
"""Seconds between two looks at slots that were all taken."""


def runs_per_gpu() -> int:
    """`DST_GPU_SLOTS`: how many runs may use one GPU at the same time; 1 if it is not set."""
    text = os.environ.get("DST_GPU_SLOTS") or "1"
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"DST_GPU_SLOTS is '{text}'; it must be a whole number from 1 on")
    return int(text)


def lock_folder() -> Path:
    """Where the slots of this user on this machine lie."""
    return Path(tempfile.gettempdir(), f"dst_repro-{os.getuid()}-gpus")


def slots(gpus: Sequence[str], share: int) -> list[tuple[int, str]]:
    """(position in `gpus`, name of the slot), in the order of trial: no GPU is shared while another is free."""
    return [(i, f"{gpu}.{n}") for n, (i, gpu) in itertools.product(range(share), enumerate(gpus))]


def take(gpus: Sequence[str], share: int, folder: Path) -> tuple[int, FileLock]:
    """Lease a slot, waiting until one is free: (position in `gpus`, the lock, held until it is released or collected).

    `gpus` are names that mean the same GPU in every process; `share` is the number of runs that a GPU takes.
    """
    _own(folder)
    told = False
    while True:
        for position, name in slots(gpus, share):
            lock = FileLock(folder / f"{name}.lock")
            try:
                lock.acquire(blocking=False)
                return position, lock
            except Timeout:
                continue
        if not told:
            total = len(gpus) * share
            print(
                f"all {total} GPU slots are taken (DST_GPU_SLOTS: {share} a GPU): waiting", file=sys.stderr, flush=True
            )
            told = True
        time.sleep(POLL)


def _own(folder: Path) -> None:
    """Make the folder. Raises `UserError` where something else has its name: anybody may write where it lies."""
    remedy = "remove it, or set TMPDIR to a folder of yours"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except FileExistsError:
        raise UserError(f"{folder}: is no folder, where the locks of GPUs should lie; {remedy}") from None
    except OSError as error:
        raise UserError(f"{folder}: no locks of GPUs can be made there ({error.strerror}); {remedy}") from None
    if stat.S_ISLNK(found.st_mode):
        raise UserError(f"{folder}: is a link, where the locks of GPUs should lie; {remedy}")
    if found.st_uid != os.getuid():
        raise UserError(f"{folder}: another user made it, where the locks of GPUs should lie; {remedy}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UserError(f"{folder}: no locks of GPUs can be made there (Permission denied); {remedy}")


def visible(listed: int, chosen: str | None) -> int:
    """How many of `listed` GPUs are seen where CUDA_VISIBLE_DEVICES is `chosen`: those before its first bad name."""
    if chosen is None:
        return listed
    valid = itertools.takewhile(lambda name: name and not name.startswith("-"), map(str.strip, chosen.split(",")))
    return min(listed, len(list(valid)))


def offered() -> int:
    """How many runs the GPUs of this machine take at the same time; 0 where runs are computed on the CPU."""
    device = os.environ.get("DST_DEVICE") or "cuda"
    if not device.startswith("cuda") or not _torch_has_cuda():
        return 0
    gpus = visible(_listed(), os.environ.get("CUDA_VISIBLE_DEVICES"))
    return runs_per_gpu() * (min(gpus, 1) if ":" in device else gpus)


def _torch_has_cuda() -> bool:
    """Whether the installed torch is a CUDA build, as its files tell."""
    spec = importlib.util.find_spec("torch")
    folders = spec.submodule_search_locations if spec else None
    return any(Path(folder, "lib", "libtorch_cuda.so").is_file() for folder in folders or ())


def _listed() -> int:
    """GPUs that the driver lists."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "-L"], check=True, capture_output=True, encoding="utf-8", errors="replace", timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines())
