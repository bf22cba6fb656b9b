"""What is timed: trainings of registered methods on random images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from dst_repro.data.base import Data, Images
from dst_repro.machine.precision import Precision
from dst_repro.plan.config import RunConfig
from dst_repro.registry import methods
from dst_repro.training.loop import Trainer

MNIST, CIFAR = (1, 28, 28), (3, 32, 32)
DENSITY = 0.1
REQUIRED = 5.0e-4  # for a parameter without a default: alpha of DST's released code for the LeNets
TEST_IMAGES = 2
STEPS = 18_760  # of 20 epochs of MNIST in batches of 64, as DST trains the LeNets
ADAM: dict[str, Any] = {"optimizer": "adam", "learning_rate": 0.001}
TRAINING: dict[str, dict[str, Any]] = {"lstm-a": ADAM, "lstm-b": ADAM}


def random_images(shape: tuple[int, ...], n: int) -> Images:
    """Random pixels and labels, the same at each call."""
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (n, *shape), dtype=torch.uint8, generator=rng)
    return Images(pixels, torch.randint(10, (n,), generator=rng))


def random_data(shape: tuple[int, ...], n: int) -> Data:
    """Random images to train on, and hardly any to test with, as that is not timed."""
    return Data(
        name="random",
        train=random_images(shape, n),
        validation=None,
        test=random_images(shape, TEST_IMAGES),
        classes=10,
        divisor=255,
        note="",
        sha256={},
    )


def takes(method: str, parameter: str) -> bool:
    return parameter in methods[method].params.model_fields


def build(
    model: str,
    method: str,
    data: Data,
    batch: int,
    epochs: int | None = None,
    tricks: Mapping[str, Any] | None = None,
    on: torch.device | None = None,
    precision: Precision = "float32",
    **params: Any,
) -> Trainer:
    """A training with the settings of DST's released code, those of the LeNets for all other models but the LSTMs.

    It has so many epochs, however short, that it is as long as the papers' trainings, and so compiles what those
    compile. `on` is the device, by default the CPU; `params` are the method's.
    """
    entry = methods[method]
    required = {name: REQUIRED for name, field in entry.params.model_fields.items() if field.is_required()}
    fields = {
        "dataset": "mnist",  # a name that the configuration accepts; the images are those of `data`
        "model": model,
        "method": method,
        "method_params": required | params,
        "learning_rate": 0.01,
        "epochs": epochs or math.ceil(STEPS / math.ceil(len(data.train) / batch)),
        "batch_size": batch,
        "seed": 0,
        "tricks": dict(tricks or {}),
        "precision": precision,
        **TRAINING.get(model, {}),
    }
    if entry.facts.get("density"):
        fields["density"] = DENSITY
    return Trainer(RunConfig.parse(fields), data, on or torch.device("cpu"))


def epoch_timer(trainer: Trainer) -> Callable[[], float]:
    """A call trains one epoch and returns the seconds in its steps, evaluation left out."""

    def epoch() -> float:
        before = trainer.seconds_in_steps
        trainer.run_epoch()
        return trainer.seconds_in_steps - before

    return epoch
