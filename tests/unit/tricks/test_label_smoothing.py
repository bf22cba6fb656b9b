"""Label smoothing against the sum over classes in float64."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.tricks.label_smoothing import LabelSmoothing, LabelSmoothingParams
from tests.conftest import RunFactory

STEPS, CLASSES = 100, 10
LOGITS = torch.randn(7, CLASSES, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
LABELS = torch.tensor([0, 9, 3, 3, 5, 1, 7])


def by_hand(true: float, other: float) -> float:
    """The mean of -sum over classes of weight times log of softmax."""
    total = 0.0
    for row, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        whole = math.log(math.fsum(math.exp(v) for v in row))
        total -= math.fsum((true if c == label else other) * (v - whole) for c, v in enumerate(row))
    return total / len(LABELS)


def gradient(true: float, other: float) -> list[list[float]]:
    """softmax minus the labels, over the number of images: the weights of both forms sum to 1."""
    found = []
    for row, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        whole = math.fsum(math.exp(v) for v in row)
        found.append([(math.exp(v) / whole - (true if c == label else other)) / 7 for c, v in enumerate(row)])
    return found


def smoothing(tiny: RunFactory, digits: Data, run: str = "paper", **params: Any) -> LabelSmoothing:
    return LabelSmoothing(LabelSmoothingParams(**params), Context(tiny(epochs=4, fidelity=run), STEPS // 4, digits))


@pytest.mark.parametrize(
    ("run", "params", "true", "other"),
    [("paper", {}, 0.91, 0.01), ("released", {}, 0.9, 0.1 / 9), ("paper", {"fidelity": "released"}, 0.9, 0.1 / 9),
     ("released", {"form": "all-classes", "value": 0.3}, 0.73, 0.03),
     ("paper", {"form": "other-classes", "value": 0.3}, 0.7, 0.3 / 9)],
)  # fmt: skip
def test_loss_and_gradient_of_both_forms(
    tiny: RunFactory, digits: Data, run: str, params: dict[str, Any], true: float, other: float
) -> None:
    trick = smoothing(tiny, digits, run, **params)
    trick.at(0)
    logits = LOGITS.clone().requires_grad_()
    assert trick.loss is not None
    loss = trick.loss(logits, LABELS)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(by_hand(true, other), rel=1e-12)
    assert logits.grad is not None
    assert torch.allclose(logits.grad, torch.tensor(gradient(true, other), dtype=torch.float64), rtol=1e-10)


def test_labels_are_plain_after_its_end(tiny: RunFactory, digits: Data) -> None:
    trick = smoothing(tiny, digits, until=0.4)
    assert trick.loss is not None
    for step, true in ((0, 0.91), (39, 0.91), (40, 1.0), (100, 1.0), (10, 0.91)):
        trick.at(step)
        assert float(trick.loss(LOGITS, LABELS)) == pytest.approx(by_hand(true, (1 - true) / 9), rel=1e-12)
        assert trick.values() == {"label_smoothing": pytest.approx((1 - true) / 0.9)}


def test_released_labels_never_become_plain(tiny: RunFactory, digits: Data) -> None:
    trick = smoothing(tiny, digits, "released", until=0.4)
    trick.at(STEPS)
    assert trick.values() == {"label_smoothing": pytest.approx(0.1 * 10 / 9)}


def test_more_than_all_is_refused(tiny: RunFactory, digits: Data) -> None:
    with pytest.raises(ConfigError, match=r"^tricks.label-smoothing.value: must be below 0.9 for 10 classes$"):
        smoothing(tiny, digits, value=0.95, form="other-classes")
