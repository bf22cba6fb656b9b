"""What a run is judged by: accuracy and loss over a part of the data, the epochs to report, and the density reached."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from dst_repro.data.base import Data, Part
from dst_repro.machine.precision import Precision, autocast
from dst_repro.methods.base import Method
from dst_repro.records.record import Metrics, Selection

EVALUATION_BATCH = 1000
EVALUATION_VALUES = 16_000_000  # in the images of a batch at most: fewer of large ones
MANY = 200  # classes from which on top-5 accuracy is told, as papers do of Tiny-ImageNet and ImageNet


class MissedTarget(Exception):  # noqa: N818 - an outcome of a run, not an error
    """The network has not the density that was asked for."""


class Score(NamedTuple):
    """Over all images of a part: accuracy, mean cross-entropy, and top-5 accuracy where there are many classes."""

    accuracy: float
    loss: float
    top5: float | None


@torch.no_grad()
def evaluate(model: nn.Module, data: Data, part: Part, device: torch.device, precision: Precision) -> Score:
    """The network in evaluation mode, over all images of a part.

    It ends with the first batch whose loss is not finite, as methods may act in evaluation, too: the numbers
    say nothing then but that.
    """
    model.eval()
    correct, near = torch.zeros(2, dtype=torch.int64, device=device)
    loss = torch.zeros((), dtype=torch.float64, device=device)
    size = max(1, min(EVALUATION_BATCH, EVALUATION_VALUES // math.prod(data.shape)))
    for images, labels in data.batches(part, size):
        with autocast(device, precision):
            logits = model(images)
        correct += (logits.argmax(1) == labels).sum()
        if data.classes >= MANY:
            near += (logits.topk(5).indices == labels[:, None]).sum()
        loss += functional.cross_entropy(logits.float(), labels, reduction="sum")
        if not math.isfinite(float(loss)):
            break
    top5 = int(near) / len(part) if data.classes >= MANY else None
    return Score(int(correct) / len(part), float(loss) / len(part), top5)


def select(epochs: list[tuple[Metrics, bool]]) -> Selection:
    """Last epoch, best on validation, best on test: the earliest best of the epochs that are as sparse as asked.

    `epochs` has the metrics of each and whether the network was so sparse then.
    """
    at_target = [metrics for metrics, eligible in epochs if eligible]
    held_out = [m for m in at_target if m.validation_accuracy is not None]
    return Selection(
        last=epochs[-1][0],
        best_on_validation=max(held_out, key=lambda m: m.validation_accuracy or 0.0, default=None),
        best_on_test=max(at_target, key=lambda m: m.test_accuracy, default=None),
    )


def density(method: Method) -> float:
    """Share of the maskable weights that are kept."""
    layers = method.layers().values()
    return sum(layer.kept for layer in layers) / sum(layer.numel for layer in layers)


def check_target(method: Method) -> None:
    """Raises `MissedTarget` if the network has another density than asked for."""
    layers, wanted = method.layers().values(), method.wanted()
    kept, numel = sum(layer.kept for layer in layers), sum(layer.numel for layer in layers)
    if wanted is not None and kept not in wanted:
        asked = f"{wanted[0]}" if len(wanted) == 1 else f"{wanted[0]} to {wanted[-1]}"
        raise MissedTarget(f"it ends with {kept} of {numel} weights; asked for were {asked}")
