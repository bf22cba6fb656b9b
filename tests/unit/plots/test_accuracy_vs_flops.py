"""Accuracy against operations: chains are counted whole, and each run once."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from dst_repro.errors import UserError
from dst_repro.plan.config import RunConfig
from dst_repro.plots.accuracy_vs_flops import AccuracyVsFlops, FlopsParams
from dst_repro.records.frames import Frames
from tests import small

FC = 784 * 300 + 300 * 100 + 100 * 10
SIZES = {"fc1": 235200, "fc2": 30000, "fc3": 1000}
DENSE: dict[str, Any] = {"dataset": "mnist", "model": "lenet-300-100", "epochs": 2, "seed": 0, "method": "dense",
                         "learning_rate": 0.1}  # fmt: skip
STATIC = DENSE | {"method": "static", "density": 0.5}
PRUNED = DENSE | {"method": "one-shot", "density": 0.5, "epochs": 1, "weights_from": {"method": "dense", "epochs": 2}}


def frames(*configs: dict[str, Any]) -> Frames:
    """Whatever is not dense keeps half of each layer throughout."""
    rows, history = [], []
    for config in configs:
        run = RunConfig.parse(config)
        share = 1.0 if run.method == "dense" else 0.5
        kept = {name: int(share * n) for name, n in SIZES.items()}
        layers = [{"name": name, "shape": [n], "numel": n, "kept": kept[name]} for name, n in SIZES.items()]
        rows.append(small.run(run.method, 0, 0.9, **({"density": run.density} if run.density else {}))
                    | {"id": run.id, "cell": run.cell, "config": run.json_text(), "layers": json.dumps(layers),
                       "dataset": run.dataset, "model": run.model})  # fmt: skip
        history += [(run.id, e, e, name, "kept", n) for e in range(run.epochs + 1) for name, n in kept.items()]
    return Frames(small.frames(*rows).runs, pd.DataFrame(history, columns=small.HISTORY))


def test_runs_that_a_run_starts_from_count_too() -> None:
    rows = AccuracyVsFlops.frame(frames(DENSE, STATIC, PRUNED), FlopsParams()).set_index("method")
    epoch = 60000 * 3 * 2 * FC  # of the dense network
    assert rows["training"].to_dict() == {"dense": 2 * epoch, "static": epoch, "one-shot": 2.5 * epoch}
    assert rows["inference"].to_dict() == {"dense": 2 * FC, "static": FC, "one-shot": FC}


def test_a_parent_that_is_not_here_is_named() -> None:
    with pytest.raises(UserError, match=r"one-shot.* starts from mnist-lenet-300-100-dense.*: name that one's exp"):
        AccuracyVsFlops.frame(frames(PRUNED), FlopsParams())


def test_dense_is_a_point_and_errors_are_what_is_missing_to_100() -> None:
    params = FlopsParams(scale="error")
    figure = AccuracyVsFlops.figure(AccuracyVsFlops.frame(frames(DENSE, STATIC), params), params)
    assert [axes.get_xlabel() for axes in figure.axes] == ["training FLOPs", "inference FLOPs per image"]
    for axes in figure.axes:
        drawn = {line.get_marker(): list(line.get_ydata()) for line in axes.lines if line.get_marker() in "8v"}
        assert drawn == {"8": pytest.approx([10]), "v": pytest.approx([10])}
        assert axes.get_yscale() == "log"
