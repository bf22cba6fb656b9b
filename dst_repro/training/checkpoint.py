"""A checkpoint every few seconds, at a path that no rule declares: it outlives a killed job, and ends with the run."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dst_repro.errors import UserError
from dst_repro.files import write_with

SECONDS = 10.0
"""Between two checkpoints at least: what a killed run loses is at most this and the epoch it was in."""

DIGEST = 32  # bytes of SHA-256 before what torch wrote


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


class CheckpointError(Exception):
    """A checkpoint that is no checkpoint of this run."""


class OfAnother(Exception):  # noqa: N818 - no error
    """A checkpoint that another source, data set, version of torch or kind of device made."""


class Checkpoint:
    """The state of one run between two epochs. `stamp` says what must be unchanged for it to be used.

    `say` gets a line for a file that can't be used, which is set aside: beside it, with `.unusable` behind its name.
    """

    def __init__(self, results: Path, run_id: str, stamp: dict[str, str], say: Callable[[str], None] = print) -> None:
        self.path = results / ".checkpoints" / f"{run_id}.pt"
        self.stamp, self._say = stamp, say
        self._every = seconds_between()
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether the last one, or the start, is long enough ago."""
        return time.monotonic() - self._last >= self._every

    def save(self, state: dict[str, Any]) -> None:
        """Write a state in the place of the one before, which stays if this fails (OSError)."""
        written = io.BytesIO()
        torch.save({"stamp": self.stamp, "state": state}, written)
        content = written.getvalue()
        write_with(self.path, lambda stream: stream.writelines([hashlib.sha256(content).digest(), content]))
        self._last = time.monotonic()

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The saved state, or None where there is none, or none that can be used."""
        try:
            return self._load(device)
        except FileNotFoundError:
            return None
        except CheckpointError as error:
            self.set_aside(str(error))
            return None
        except OfAnother:
            self.remove()
            self._say("starts anew, as its checkpoint is of other source, data, version of torch or device")
            return None

    def _load(self, device: torch.device) -> dict[str, Any]:
        if not self.path.exists():
            raise FileNotFoundError
        if not self.path.is_file():
            raise CheckpointError("it is no file")
        content = self.path.read_bytes()
        if hashlib.sha256(content[DIGEST:]).digest() != content[:DIGEST]:
            raise CheckpointError("its bytes are not those that were written")
        try:
            saved = torch.load(io.BytesIO(content[DIGEST:]), map_location=device, weights_only=True)
        except Exception:
            raise CheckpointError("torch can't read it") from None
        if not isinstance(saved, dict) or saved.keys() != {"stamp", "state"} or not isinstance(saved["state"], dict):
            raise CheckpointError("it has another form")
        if saved["stamp"] != self.stamp:
            raise OfAnother
        state: dict[str, Any] = saved["state"]
        return state

    def set_aside(self, why: str) -> None:
        """Out of the way, to be looked at: the run starts anew."""
        aside = self.path.with_name(f"{self.path.name}.unusable")
        if aside.is_dir():
            shutil.rmtree(aside)
        aside.unlink(missing_ok=True)
        self.path.replace(aside)
        self._say(f"starts anew, as its checkpoint can't be used: {why}; set aside as {aside.name}")

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
