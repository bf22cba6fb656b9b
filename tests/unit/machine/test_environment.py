"""What is said about the machine is said of this process."""

from __future__ import annotations

import subprocess
import sys

from dst_repro.machine import environment

CHILD = """
from dst_repro.machine.environment import peak_memory_mib
before = peak_memory_mib()
block = bytes(range(256)) * (200 * 2**12)  # 200 MiB
with_block = peak_memory_mib()
del block
print(before, with_block, peak_memory_mib())
"""


def test_peak_memory_is_of_this_process_and_stays() -> None:
    """ru_maxrss of the child would start at the parent's peak."""
    parents = bytes(range(256)) * (300 * 2**12)  # 300 MiB
    assert environment.peak_memory_mib() >= 300
    done = subprocess.run([sys.executable, "-c", CHILD], capture_output=True, text=True, check=True)
    before, with_block, after = map(int, done.stdout.split())
    assert 0 < before < 100
    assert 195 <= with_block - before <= 210
    assert after == with_block
    assert len(parents) == 300 * 2**20


def test_description_names_neither_host_nor_path() -> None:
    described = environment.describe()
    assert set(described) == {"processor", "cores", "system", "versions", "commit"}
    assert described["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "/" not in "".join(map(str, described["versions"].values()))
