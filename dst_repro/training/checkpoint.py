"""A checkpoint every few seconds, at a path that no rule declares: it outlives a killed job, and ends with the run."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import torch

from dst_repro.errors import UserError
from dst_repro.files import write_with

SECONDS = 10.0
"""Between two checkpoints at least: what a killed run loses is at most this and the epoch it was in."""


def seconds_between() -> float:
    """`DST_CHECKPOINT_SECONDS`, by default `SECONDS`; 0 saves after every epoch."""
    text = os.environ.get("DST_CHECKPOINT_SECONDS") or SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise UserError(f"DST_CHECKPOINT_SECONDS is '{text}'; it must be a number of seconds, 0 or more")
    return seconds


class Checkpoint:
    """The state of one run between two epochs. `stamp` says what must be unchanged for it to be used."""

    def __init__(self, results: Path, run_id: str, stamp: dict[str, str]) -> None:
        self.path = results / ".checkpoints" / f"{run_id}.pt"
        self.stamp = stamp
        self._every = seconds_between()
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether the last one, or the start, is long enough ago."""
        return time.monotonic() - self._last >= self._every

    def save(self, state: dict[str, Any]) -> None:
        write_with(self.path, lambda stream: torch.save({"stamp": self.stamp, "state": state}, stream))
        self._last = time.monotonic()

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The saved state, or None where there is none, or it is of other source, another torch, or damaged."""
        try:
            saved = torch.load(self.path, map_location=device, weights_only=True)
        except FileNotFoundError:
            return None
        except Exception:  # a file that torch can't read is as good as none
            self.remove()
            return None
        if saved["stamp"] != self.stamp:
            self.remove()
            return None
        state: dict[str, Any] = saved["state"]
        return state

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
