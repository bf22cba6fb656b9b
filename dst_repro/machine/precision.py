"""How exact matrix products and convolutions are: float32, tf32 or bf16, and where each of them makes sense."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

import torch

from dst_repro.errors import UserError

Precision = Literal["float32", "tf32", "bf16"]

CPU_FLAGS = frozenset({"amx_bf16", "avx512_bf16"})
"""Of /proc/cpuinfo. Without one of them bf16 is emulated: 0.3 GFLOP/s where float32 has 86."""
AMPERE = (8, 0)
"""The first compute capability with tf32 and bf16. Older GPUs ignore the one and emulate the other."""


def refusal(precision: Precision, capability: tuple[int, int] | None, cpuinfo: str) -> str | None:
    """Why a run can't have this precision on a GPU of this compute capability (None: on a CPU), and what to do."""
    if precision == "float32":
        return None
    if capability is not None:
        if capability >= AMPERE:
            return None
        found = f"this GPU has compute capability {capability[0]}.{capability[1]}, and {precision} needs 8.0 or newer"
        return f"{found}; use precision: float32"
    if precision == "tf32":
        return "tf32 is a number format of GPUs; use precision: float32 on a CPU"
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    flags = {flag for key, _, value in lines if key.strip() == "flags" for flag in value.split()}
    if flags & CPU_FLAGS:
        return None
    return "this CPU has neither AMX-BF16 nor AVX512-BF16, so that bf16 would be emulated; use precision: float32"


def set_precision(device: torch.device, precision: Precision) -> None:
    """Set torch's global switches for `device`. `UserError` where the device can't compute so."""
    capability = torch.cuda.get_device_capability(device) if device.type == "cuda" else None
    reason = refusal(precision, capability, _cpuinfo())
    if reason:
        raise UserError(f"precision: {reason}")
    # Not the newer `fp32_precision`: once that is set, code in torch.compile that still reads these switches raises.
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"  # torch's default is True


def autocast(device: torch.device, precision: Precision) -> contextlib.AbstractContextManager[object]:
    """What the forward pass and the loss run under: bf16 for what torch deems safe in it, else nothing special."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()


def _cpuinfo() -> str:
    try:
        return Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
