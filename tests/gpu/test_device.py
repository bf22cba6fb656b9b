"""Leasing a real GPU, and computing on it in the precision that was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from dst_repro.errors import UserError
from dst_repro.machine.device import pick, settle
from dst_repro.machine.precision import Precision
from dst_repro.training.run import train
from tests.conftest import RunFactory

pytestmark = pytest.mark.gpu

HOLD = "import sys; from dst_repro.machine.device import pick; print(pick(), flush=True); sys.stdin.read()"


def settled(precision: Precision) -> torch.device:
    try:
        return settle(1, precision)
    except UserError as refused:
        pytest.skip(str(refused))


def product(device: torch.device) -> float:
    """1 + 2^-12, which float32 holds and the ten bits of tf32 do not, times 1."""
    x = torch.full((256, 256), 1 + 2**-12, device=device)
    return float((x @ torch.eye(256, device=device))[0, 0])


def convolution(device: torch.device) -> float:
    x = torch.full((64, 64, 16, 16), 1 + 2**-12, device=device).contiguous(memory_format=torch.channels_last)
    weight = torch.zeros(64, 64, 3, 3, device=device)
    weight[:, 0, 1, 1] = 1
    return float(functional.conv2d(x, weight, padding=1)[0, 0, 8, 8])


def test_float32_is_float32_also_after_another_precision(device: torch.device) -> None:
    settle(1, "float32")
    assert (product(device), convolution(device)) == (1 + 2**-12, 1 + 2**-12)


def test_tf32_is_tf32(device: torch.device) -> None:
    settled("tf32")
    assert product(device) == pytest.approx(1, abs=2**-14)
    settle(1, "float32")
    assert product(device) == 1 + 2**-12


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_run_in_a_lower_precision(tiny: RunFactory, results: Path, precision: Precision) -> None:
    settled(precision)
    exact, lower = (
        train(tiny("dst", method_params={"alpha": 1e-3}, precision=p), results) for p in ("float32", precision)
    )
    assert lower.status == "finished"
    assert lower.metrics.last.train_loss != exact.metrics.last.train_loss
    assert lower.metrics.last.train_loss == pytest.approx(exact.metrics.last.train_loss, rel=0.1)


@pytest.fixture
def gpu_of_its_own(device: torch.device, tmp_path: Path) -> dict[str, str]:
    """The environment of processes that see one GPU, whose slots nobody else knows."""
    if device.type != "cuda":
        pytest.skip("slots are of GPUs")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    name = visible[device.index] if visible != [""] else str(device.index)
    return os.environ | {"TMPDIR": str(tmp_path), "CUDA_VISIBLE_DEVICES": name, "DST_DEVICE": "cuda"}


def hold(environment: dict[str, str]) -> subprocess.Popen[str]:
    """A process that takes a GPU and keeps it until it is ended."""
    command = [sys.executable, "-c", HOLD]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_gpu_is_leased_until_its_process_is_killed(gpu_of_its_own: dict[str, str]) -> None:
    with hold(gpu_of_its_own) as first:
        assert first.stdout.readline() == "cuda:0\n"
        with hold(gpu_of_its_own) as second:
            assert second.stderr.readline() == "all 1 GPU slots are taken (DST_GPU_SLOTS: 1 a GPU): waiting\n"
            first.kill()
            assert second.stdout.readline() == "cuda:0\n"
            second.kill()


def test_two_runs_share_a_gpu_if_asked_to(gpu_of_its_own: dict[str, str]) -> None:
    environment = gpu_of_its_own | {"DST_GPU_SLOTS": "2"}
    with hold(environment) as first, hold(environment) as second:
        assert first.stdout.readline() == second.stdout.readline() == "cuda:0\n"
        first.kill()
        second.kill()


def test_a_process_keeps_the_gpu_that_it_has() -> None:
    assert pick() == pick()


def test_a_gpu_that_there_is_not(device: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    if device.type != "cuda":
        pytest.skip("a CPU has no number")
    monkeypatch.setenv("DST_DEVICE", f"cuda:{torch.cuda.device_count()}")
    with pytest.raises(UserError, match="but the last GPU is cuda:"):
        pick()
