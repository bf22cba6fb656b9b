"""Runs on a GPU allow deterministic operations only; an operation that has no such form says so on a CPU, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dst_repro.data.base import load
from dst_repro.training.loop import Trainer
from dst_repro.training.parents import provide_states
from dst_repro.training.state import begin
from tests.conftest import RunFactory
from tests.contract.test_methods import one_each


@pytest.fixture
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("_deterministic")
@pytest.mark.parametrize("fields", one_each())
def test_every_method_is_deterministic(tiny: RunFactory, results: Path, fields: dict[str, Any]) -> None:
    """Six steps on the convolutional net, whose weights are channels-last."""
    run = tiny(**fields, model="lenet-5-caffe", dataset_params={"size": 28}, batch_size=256, step_history=2)
    provide_states(run, results)
    trainer = Trainer(run, load(run), torch.device("cpu"), *begin(run, results))
    assert trainer.steps_per_epoch == 6
    trainer.run_epoch()
    trainer.load_state_dict(trainer.state_dict())
