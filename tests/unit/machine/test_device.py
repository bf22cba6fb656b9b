"""Which device a run gets, as far as that can be told without a GPU; tests/gpu has the rest."""

from __future__ import annotations

import pytest
import torch

from dst_repro.errors import UserError
from dst_repro.machine.device import pick, settle


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "mps", "meta"])
def test_a_device_that_there_is_not(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("DST_DEVICE", name)
    with pytest.raises(UserError, match=f"^DST_DEVICE is '{name}'; it must be cpu, cuda or cuda:N$"):
        pick()


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a GPU")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_that_there_is_not(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("DST_DEVICE", name)
    with pytest.raises(UserError, match=f"^DST_DEVICE is '{name}', but torch sees no GPU$"):
        pick()


@pytest.mark.parametrize("name", ["cpu", ""])
def test_a_run_settles(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("DST_DEVICE", name)
    if not name and torch.cuda.is_available():
        pytest.skip("torch sees a GPU")
    try:
        assert settle(2) == torch.device("cpu")
        assert torch.get_num_threads() == 2
        assert float(torch.tensor(1e-40) * 1) == 0.0  # denormal numbers are zero
    finally:
        torch.set_num_threads(1)


def test_a_precision_that_the_device_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DST_DEVICE", "cpu")
    with pytest.raises(UserError, match="tf32"):
        settle(1, "tf32")
