"""The device of these tests: a GPU, or what DST_DEVICE names.

`python -m pytest -m gpu` runs them where torch sees a GPU. `DST_DEVICE=cpu python -m pytest -m gpu tests/gpu` holds the
CPU against itself, which shows that the tests themselves are sound.
"""

from __future__ import annotations

import pytest
import torch

from dst_repro.machine.device import settle
from tests.conftest import GPU_TESTS_ON


@pytest.fixture(autouse=True)
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Settled for a float32 run; runs that are trained in a test are trained on it."""
    monkeypatch.setenv("DST_DEVICE", request.config.stash[GPU_TESTS_ON])
    return settle(1)
