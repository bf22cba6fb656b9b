"""Where a run is computed, and how torch is set so that the same run gives the same bits."""

from __future__ import annotations

import os

import torch

from dst_repro.errors import UserError


def pick() -> torch.device:
    """`DST_DEVICE` if it is set, else the first GPU, else the CPU."""
    wanted = os.environ.get("DST_DEVICE")
    if wanted:
        try:
            device = torch.device(wanted)
        except RuntimeError:
            raise UserError(f"DST_DEVICE is '{wanted}'; it must be cpu, cuda or cuda:N") from None
        if device.type == "cuda" and not torch.cuda.is_available():
            raise UserError(f"DST_DEVICE is '{wanted}', but torch sees no GPU")
        return device
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def settle(threads: int) -> torch.device:
    """Set threads and determinism, and return the device."""
    device = pick()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # momentum that fades to denormal numbers would slow every step
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True)
    return device


def describe(device: torch.device) -> str:
    """The GPU's name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
