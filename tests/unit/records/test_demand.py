"""What a job asks for, worked out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from dst_repro.files import write_json
from dst_repro.plan.config import RunConfig
from dst_repro.records.demand import Demands
from dst_repro.records.record import folder
from dst_repro.training.run import train

BASE = {"dataset": "digits", "dataset_params": {"size": 8}, "model": "lenet-300-100", "method": "dense",
        "learning_rate": 0.05, "epochs": 1, "seed": 0}  # fmt: skip


def run(**fields: Any) -> RunConfig:
    return RunConfig.parse(BASE | fields)


def trained(results: Path, seed: int, **runtime: Any) -> None:
    train(run(seed=seed), results)
    path = folder(results, run(seed=seed).id) / "runtime.json"
    write_json(path, json.loads(path.read_text()) | runtime)


def test_a_job_asks_for_what_like_runs_took_and_for_more_at_the_next_attempt(tmp_path: Path) -> None:
    trained(tmp_path, 0, cpu_seconds=30.0, peak_memory_mib=400)
    trained(tmp_path, 1, cpu_seconds=30.0, peak_memory_mib=800)
    demands, like = Demands(tmp_path, "cpu"), [run(seed=7, epochs=4), run(seed=8, method="static", density=0.1)]
    # five minutes, and twice 4 * 30 and 30 seconds
    assert demands.minutes(like) == math.ceil(5 + 2 * 150 / 60)
    assert demands.minutes(like, attempt=3) == 3 * 10
    assert demands.mebibytes(like) == 1000 + 500
    assert demands.mebibytes(like, attempt=2) == 3000


def test_a_job_like_none_asks_for_four_times_an_estimate_and_one_of_unknown_size_for_a_day(tmp_path: Path) -> None:
    # 60,000 epochs of 2 * 4,671 * 50,200 operations at 86 GFLOP/s
    seconds = 60_000 * 2 * 4_671 * 50_200 / 86e9
    assert Demands(tmp_path, "cpu").minutes([run(epochs=60_000)]) == math.ceil(5 + 4 * seconds / 60)
    # on a GPU, of 22.45 steps of 2 ms an epoch
    assert Demands(tmp_path, "gpu").minutes([run(epochs=60_000)]) == math.ceil(5 + 4 * 60_000 * 0.002 * 1_437 / 64 / 60)
    unknown = run(dataset="higgs", dataset_params={}, model="mlp-256-256")
    assert Demands(tmp_path, "cpu").minutes([unknown]) == 24 * 60 + 5
    assert Demands(tmp_path, "cpu").mebibytes([unknown]) == 4_500
    assert Demands(tmp_path, "gpu").mebibytes([unknown]) == 8_500
