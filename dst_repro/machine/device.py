"""Where a run is computed, and how torch is set so that the same run gives the same bits."""

from __future__ import annotations

import functools
import os

import torch
from filelock import FileLock

from dst_repro.errors import UserError
from dst_repro.machine import lease
from dst_repro.machine.precision import Precision, set_precision


def pick() -> torch.device:
    """`DST_DEVICE` if it is set, else a GPU if torch sees one, else the CPU.

    Of several GPUs it is one that no other run uses, waited for if need be, and leased until the process ends.
    """
    wanted = os.environ.get("DST_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UserError(f"DST_DEVICE is '{wanted}'; it must be cpu, cuda or cuda:N")
    if device.type == "cpu":
        return device
    if not torch.cuda.is_available():
        raise UserError(f"DST_DEVICE is '{wanted}', but torch sees no GPU")
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise UserError(f"DST_DEVICE is '{wanted}', but the last GPU is cuda:{torch.cuda.device_count() - 1}")
    return torch.device("cuda", _leased(device.index)[0])


@functools.cache
def _leased(pinned: int | None) -> tuple[int, FileLock]:
    """(index of a GPU, its lock); what is in the cache stays held."""
    indices = range(torch.cuda.device_count()) if pinned is None else [pinned]
    names = [str(torch.cuda.get_device_properties(index).uuid) for index in indices]
    position, lock = lease.take(names, lease.runs_per_gpu(), lease.lock_folder())
    return indices[position], lock


def settle(threads: int, precision: Precision = "float32") -> torch.device:
    """Set threads, precision and determinism, and return the device."""
    device = pick()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # momentum that fades to denormal numbers would slow every step
    set_precision(device, precision)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # only finds bugs
    return device


def describe(device: torch.device) -> str:
    """The GPU's name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
