"""Every method on both LeNets, on a CPU and on a GPU: the same run, but for the order of sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from dst_repro.data.base import load
from dst_repro.machine.device import describe
from dst_repro.plan.config import RunConfig
from dst_repro.records import record
from dst_repro.registry import methods
from dst_repro.training.loop import Trainer
from dst_repro.training.parents import provide_states
from dst_repro.training.run import train
from dst_repro.training.state import begin
from tests.conftest import RunFactory

# what they promise on a CPU they promise on a GPU, where `device` has runs trained
from tests.contract.test_methods import (
    one_each,
    test_same_run_same_bits_also_when_killed,  # noqa: F401
    test_same_seed_same_bits_other_seed_other_masks,  # noqa: F401
)

pytestmark = pytest.mark.gpu

MODELS = {
    "lenet-300-100": {},
    "lenet-5-caffe": {"dataset_params": {"size": 28}},
}
FIRST = 4
"""Steps to compare one by one: one-off differences of 1e-7 grow, and at the fifth step masks are updated."""


BY_GRADIENTS = {"snip", "taylor", "grasp"}
"""Of the initial weights: at the last place kept, two scores may lie closer than sums of another order agree."""


def both(run: RunConfig, device: torch.device, states: Path) -> tuple[Trainer, Trainer]:
    data = load(run)
    provide_states(run, states)
    start = begin(run, states)
    return Trainer(run, data, torch.device("cpu"), *start), Trainer(run, data, device, *start)


def losses(trainer: Trainer, steps: int) -> list[float]:
    """Of the first steps of the first epoch."""
    trainer.model.train()
    batches = trainer.data.train_batches(trainer.config.batch_size, trainer.config.seed, 0)
    return [float(trainer._step(step, *batch)) for step, batch in zip(range(steps), batches, strict=False)]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fields", one_each())
def test_the_first_steps_are_those_of_a_cpu(
    tiny: RunFactory, device: torch.device, results: Path, fields: dict[str, Any], model: str
) -> None:
    cpu, gpu = both(tiny(**fields, model=model, **MODELS[model], learning_rate=0.01), device, results)
    assert all(mask.device.type == device.type for mask in gpu.method.masks().values())
    if fields["method"] in BY_GRADIENTS:
        for name, mask in gpu.method.masks().items():
            assert (mask.cpu() == cpu.method.masks()[name]).float().mean() > 0.999
        return
    assert gpu.method.layers() == cpu.method.layers()
    for name, mask in gpu.method.masks().items():
        assert torch.equal(mask.cpu(), cpu.method.masks()[name])
    for mine, theirs in zip(gpu.model.state_dict().values(), cpu.model.state_dict().values(), strict=True):
        assert torch.equal(mine.cpu(), theirs)
    assert losses(gpu, FIRST) == pytest.approx(losses(cpu, FIRST), rel=1e-3)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("fields", one_each())
def test_the_outcome_is_that_of_a_cpu(
    tiny: RunFactory, device: torch.device, results: Path, fields: dict[str, Any], model: str
) -> None:
    """Exactly as many weights where a density is asked for; accuracies of 360 images that differ by few of them."""
    cpu, gpu = both(tiny(**fields, model=model, **MODELS[model], learning_rate=0.01, epochs=2), device, results)
    for trainer in (cpu, gpu):
        for _ in range(2):
            trainer.run_epoch()
    (expected, _), (found, _) = cpu.epochs[-1], gpu.epochs[-1]
    if methods[fields["method"]].facts.get("density"):
        assert found.density == expected.density
    assert found.density == pytest.approx(expected.density, abs=0.05)
    assert found.train_loss == pytest.approx(expected.train_loss, rel=0.1)
    assert found.test_accuracy == pytest.approx(expected.test_accuracy, abs=0.1)


@pytest.mark.parametrize("method", ["dense", "dst"])
def test_compiled_trains_as_eager_does(tiny: RunFactory, device: torch.device, method: str) -> None:
    """A hundred epochs are enough to compile."""
    fields = {"epochs": 100, "method_params": {"alpha": 1e-3} if method == "dst" else {}}
    runs = tiny(method, **fields), tiny(method, **fields, compile="off")
    compiled, eager = (Trainer(run, load(run), device) for run in runs)
    for _ in range(2):
        found, expected = compiled.run_epoch(), eager.run_epoch()
        assert found.train_loss == pytest.approx(expected.train_loss, rel=1e-3)
        assert found.test_accuracy == pytest.approx(expected.test_accuracy, abs=0.02)
    assert compiled.method.context.compiled == (device.type == "cuda" or method == "dst")
    assert not eager.method.context.compiled


def test_runtime_names_the_device(tiny: RunFactory, results: Any, device: torch.device) -> None:
    done = train(tiny(epochs=1), results)
    assert record.runtime(results, done.id)["device"] == describe(device)
    assert (describe(device) == "cpu") == (device.type == "cpu")
