"""Operations worked out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from dst_repro.plan.config import RunConfig
from dst_repro.records import cost, flops

DENSE = {"dataset": "mnist", "model": "lenet-300-100", "method": "dense", "epochs": 2, "learning_rate": 0.1, "seed": 0}
FC = 784 * 300 + 300 * 100 + 100 * 10


def run(**fields: object) -> RunConfig:
    return RunConfig.parse(DENSE | fields)


def history(*kept: int) -> pd.DataFrame:
    """What the first layer keeps after each epoch, from before training on; the others keep all."""
    return pd.DataFrame([(epoch, "fc1", "kept", n) for epoch, n in enumerate(kept)],
                        columns=["epoch", "layer", "name", "value"])  # fmt: skip


def test_a_weight_of_a_convolution_is_used_at_every_position() -> None:
    used = flops.uses("lenet-5-caffe", "{}", (1, 28, 28), 10)
    assert used["conv1"] == (20 * 25, 24 * 24)
    assert used["conv2"] == (50 * 20 * 25, 8 * 8)
    assert used["fc1"] == (800 * 500, 1)


@pytest.mark.parametrize("model", ["lenet-5-caffe", "lstm-a", "small-conv"])
def test_dense_networks_need_what_torch_counts(model: str) -> None:
    macs = cost.multiplications(model, "{}", (1, 28, 28), 10)
    counted = sum(weights * often for weights, often in flops.uses(model, "{}", (1, 28, 28), 10).values())
    assert counted == pytest.approx(macs, rel=0.01)  # of LSTMs that counts the last matrix at each row


def test_inference_counts_kept_weights_alone() -> None:
    assert flops.inference(run(), {}) == 2 * FC
    assert flops.inference(run(), {"fc1": 1000}) == 2 * (FC - 235200 + 1000)


def test_training_is_three_passes_over_what_is_kept() -> None:
    assert flops.training(run(), history(235200, 235200, 235200)) == 60000 * 2 * 3 * 2 * FC
    sparse = run(method="static", density=0.5, validation=0.1)
    mean = 2 * (FC - 235200 + 1500)
    assert flops.training(sparse, history(2000, 1000)) == 54000 * 3 * mean


@pytest.mark.parametrize(
    ("fields", "share"),
    [
        ({"method": "dst", "method_params": {"alpha": 1e-4}}, 1),
        ({"method": "sparse-momentum", "density": 0.1}, 1),
        ({"method": "rigl", "density": 0.1, "method_params": {"update_period": 50}}, 1 / 50),
        ({"method": "set", "density": 0.1}, 0),
    ],
)
def test_gradients_of_pruned_weights_are_dense_where_they_are_read(fields: dict[str, object], share: float) -> None:
    one = run(**fields)
    sparse, dense = flops.inference(one, {"fc1": 0}), 2 * FC
    found = flops.training(one, history(0, 0))
    assert found == pytest.approx(60000 * (3 * sparse + share * (dense - sparse)))


def test_resnet_50_needs_what_rigl_prints() -> None:
    one = run(dataset="imagenet", model="resnet-50")
    assert flops.inference(one, {}) == pytest.approx(8.2e9, rel=0.02)  # Evci et al. 2020, figure 2


def test_data_of_unknown_size_have_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flops, "images", lambda run: None)
    assert math.isnan(flops.inference(run(), {}))
    assert math.isnan(flops.training(run(), history(1, 1)))
