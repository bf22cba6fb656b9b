"""A checkpoint after every epoch, at a path that no rule declares: it outlives a killed job, and ends with the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dst_repro.files import write_with


class Checkpoint:
    """The state of one run between two epochs. `stamp` says what must be unchanged for it to be used."""

    def __init__(self, results: Path, run_id: str, stamp: dict[str, str]) -> None:
        self.path = results / ".checkpoints" / f"{run_id}.pt"
        self.stamp = stamp

    def save(self, state: dict[str, Any]) -> None:
        write_with(self.path, lambda stream: torch.save({"stamp": self.stamp, "state": state}, stream))

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
