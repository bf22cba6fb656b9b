"""Faults of the machine, which are never outcomes of a run: no space, no memory, a worker or a GPU that is gone."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

import torch

from dst_repro.errors import UserError

TRY_AGAIN = 75
"""Exit code of a call that may succeed later (EX_TEMPFAIL of BSD's sysexits)."""

KINDS = (OSError, MemoryError, BrokenExecutor, torch.OutOfMemoryError)

SIGNS = ("CUDA error", "CUDA out of memory", "cuDNN error", "CUBLAS_STATUS", "NCCL error", "DataLoader worker",
         "can't allocate memory", "not enough memory", "PytorchStreamWriter failed")  # fmt: skip
"""What torch says of such faults where it has no exception of its own for them."""


class MachineError(UserError):
    """The machine failed, not the run: it leaves no record, and goes on from its last checkpoint when called again."""

    exit_code = TRY_AGAIN


def of_the_machine(error: BaseException) -> bool:
    """Whether an exception, or what caused it, tells of the machine and not of what the run computes."""
    if isinstance(error, KINDS) or (isinstance(error, RuntimeError) and any(sign in str(error) for sign in SIGNS)):
        return True
    return error.__cause__ is not None and of_the_machine(error.__cause__)


def machine_error(run_id: str, error: BaseException) -> MachineError:
    """One line of what happened, and what to do."""
    what = " ".join(str(error).split())[:300] or type(error).__name__
    return MachineError(f"{run_id}: {what}; it has no record, and goes on from its last checkpoint when called again")
