"""The suite that is put through it: dense and sparse runs, chains of networks and masks, two seeds of each."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from dst_repro.ending import uninterrupted
from tests.workflow.conftest import Project

BASE = {"dataset": "digits", "dataset_params": {"size": 8}, "model": "lenet-300-100", "learning_rate": 0.05,
        "epochs": 60, "validation": 0.1}  # fmt: skip
DST = {"method": "dst", "method_params": {"alpha": 0.001}}
BLOCKS = [
    {"set": {"method": "dense"}},
    {"set": DST},
    {"set": {"method": "rigl", "density": 0.1, "method_params.update_period": 7}},
    {"set": {"method": "sparse-momentum", "density": 0.1}},
    {"set": {"method": "one-shot", "density": 0.1, "epochs": 20, "weights_from": {"method": "dense", "epochs": 60}}},
    {"set": {"method": "one-shot", "density": 0.3, "weights_from": {"method": "dense"}, "weights_at": {"epoch": 7}}},
    {"set": {"method": "given-mask", "mask_from": DST}},
]
CHILDREN = ("-one-shot-", "-given-mask-")
"""In the names of runs that begin with the network or the mask of another."""
EXPERIMENT = {"experiment": "tiny", "title": "Soak", "base": BASE, "sweep": {"seed": [0, 1]}, "blocks": BLOCKS}

MADE = ("results/runs/*/record.json", "results/runs/*/history.parquet", "results/tiny/*.csv", "results/tiny/*.md",
        "results/tiny/*.tex", "results/tiny/tiny-*.html", "figures/tiny/*")  # fmt: skip
"""What an undisturbed suite and a disturbed one have to agree on, to the bit."""


class SoakProject(Project):
    """A copy of the project with this suite, and checkpoints after every epoch."""

    def __init__(self, folder: Path, cache: Path) -> None:
        super().__init__(folder)
        self.write_experiment(EXPERIMENT)
        self.environment_extra = {"DST_CHECKPOINT_SECONDS": "0", "DST_DEVICE": "cpu", "XDG_CACHE_HOME": str(cache)}

    def made(self) -> dict[str, bytes]:
        """Path -> content of all that counts."""
        found = (path for pattern in MADE for path in self.folder.glob(pattern) if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


class Disk:
    """A folder with a disk of its own where this may be had (Linux, root), to be filled; elsewhere a plain folder."""

    SIZE = 400_000_000

    def __init__(self, folder: Path) -> None:
        self.folder, self.mounted = folder, False

    def __enter__(self) -> Disk:
        self.folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={self.SIZE}", "tmpfs", str(self.folder)]
        with uninterrupted():
            try:
                self.mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
            except OSError:  # no such program
                self.mounted = False
        return self

    def __exit__(self, *_: object) -> None:
        with uninterrupted():
            if self.mounted:
                subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    def fill(self, room: int) -> None:
        """Leave about so many bytes."""
        left = os.statvfs(self.folder)
        with self._ballast.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(1, left.f_bavail * left.f_frsize - room))

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"
