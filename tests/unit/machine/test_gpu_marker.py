"""Tests marked `gpu` are of a GPU, or skipped: never quietly of the CPU."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "1"])
def test_without_a_gpu_they_are_skipped_also_by_workers(workers: str) -> None:
    hidden = {"DST_DEVICE", "DST_GPU_TESTS_ON"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden and not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-m", "gpu", "-n", workers, "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "tests/gpu/test_device.py"],
        env=environment | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert "torch sees no GPU" in done.stdout
    assert "passed" not in done.stdout
