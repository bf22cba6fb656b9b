"""What a run was computed on. Goes into `runtime.json` and the report, never into a record."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "scipy", "scikit-learn", "snakemake", "matplotlib", "seaborn")


@functools.cache
def processor() -> str:
    """The processor's model name, as the operating system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def peak_memory_mib() -> int:
    """The largest resident set of this process so far, in MiB.

    From /proc where there is one: on Linux, `ru_maxrss` of a new process starts at its parent's peak.
    """
    try:
        for line in Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 2**20 if sys.platform == "darwin" else peak // 1024


@functools.cache
def commit() -> str | None:
    """The commit of the source, `-dirty` if the package differs from it; None outside a git checkout."""
    package = Path(__file__).parents[1]
    try:
        head = _git(package, "rev-parse", "--short=12", "HEAD")
        return head + ("-dirty" if _git(package, "status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8", errors="replace", timeout=30)
    return done.stdout.strip()


@functools.cache
def versions() -> dict[str, str]:
    """Package -> installed version, Python first."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def describe() -> dict[str, object]:
    """The machine and the software: no host name, no user, no path."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(),
        "commit": commit(),
    }
