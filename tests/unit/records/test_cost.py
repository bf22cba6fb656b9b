"""What runs will take: operations by hand, times of like runs from records that were really written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from dst_repro.files import write_json
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import plan
from dst_repro.records import cost
from dst_repro.records.record import folder
from dst_repro.training.run import train

BASE = {"dataset": "digits", "dataset_params": {"size": 8}, "model": "lenet-300-100", "method": "dense",
        "learning_rate": 0.05, "epochs": 1, "seed": 0}  # fmt: skip


def run(**fields: Any) -> RunConfig:
    return RunConfig.parse(BASE | fields)


@pytest.mark.parametrize(
    ("model", "shape", "count"),
    [
        ("lenet-300-100", (1, 28, 28), 266_200),  # 784 * 300 + 300 * 100 + 100 * 10
        # 25 * 20 on 24x24, 500 * 50 on 8x8, 800 * 500, 500 * 10
        ("lenet-5-caffe", (1, 28, 28), 500 * 576 + 25_000 * 64 + 400_000 + 5_000),
        ("lstm-a", (1, 28, 28), 28 * (210_944 + 1_280)),  # each row meets every matrix
    ],
)
def test_multiplications_of_one_image(model: str, shape: tuple[int, ...], count: int) -> None:
    assert cost.multiplications(model, "{}", shape, 10) == count


def test_operations_of_a_run() -> None:
    # 784-300-100-10: 266,200 products; 60,000 images three times and 10,000 once an epoch; two operations each
    mnist = RunConfig.parse(
        {k: v for k, v in BASE.items() if k != "dataset_params"} | {"dataset": "mnist", "epochs": 20}
    )
    assert cost.operations(mnist) == 2 * 20 * 190_000 * 266_200
    # a tenth held out: 54,000 three times, 6,000 and 10,000 once
    held_out = RunConfig.parse(mnist.nondefault | {"validation": 0.1})
    assert cost.operations(held_out) == pytest.approx(2 * 20 * 178_000 * 266_200)
    fewer = {"dataset": "cifar10", "dataset_params": {"train": 500, "test": 100}}
    assert cost.operations(run(**fewer)) == 2 * 1_600 * (3_072 * 300 + 30_000 + 1_000)
    # 8x8 digits: 64 * 300 + 30,000 + 1,000
    assert cost.operations(run()) == 2 * (3 * 1_437 + 360) * 50_200


def test_a_data_set_of_unknown_size_costs_an_unknown_time(tmp_path: Path) -> None:
    higgs = run(dataset="higgs", dataset_params={}, model="mlp-256-256")
    assert math.isnan(cost.Costs(tmp_path).hours([higgs]).cpu)


def test_a_gpu_needs_a_while_for_each_step(tmp_path: Path) -> None:
    # 1,437 images are 22.45 batches of 64, 2 ms each: far more than 2 * 4,671 * 50,200 operations at 20 TFLOP/s take
    found = cost.Costs(tmp_path).hours([run(), run(seed=1)])
    assert found.gpu * 3600 == pytest.approx(2 * 0.002 * 1_437 / 64)
    assert found.cpu * 3600 == pytest.approx(2 * 2 * 4_671 * 50_200 / 86e9)
    assert (found.cpu_measured, found.gpu_measured) == (0, 0)


def test_records_of_like_runs_are_believed(tmp_path: Path) -> None:
    def trained(config: RunConfig, seconds: float, **runtime: Any) -> None:
        train(config, tmp_path)
        path = folder(tmp_path, config.id) / "runtime.json"
        times = {"wall_seconds": seconds if "device" in runtime else 50.0, "cpu_seconds": seconds}
        write_json(path, json.loads(path.read_text()) | times | runtime)

    for seed, seconds in enumerate((1.0, 3.0, 2.0)):
        trained(run(seed=seed), seconds)
    trained(run(seed=3), 100.0, resumed_at_epoch=1)  # only the time since then
    trained(run(seed=4), 0.5, device="NVIDIA H100")
    costs = cost.Costs(tmp_path)
    found = costs.hours([run(seed=9, epochs=6)])
    assert found.cpu * 3600 == pytest.approx(6 * 2.0)  # the median of 1, 3 and 2
    assert found.gpu * 3600 == pytest.approx(6 * 0.5)
    assert (found.cpu_measured, found.gpu_measured) == (1, 1)
    # another method of the same network: the best that is known; another network: nothing is
    assert costs.hours([run(method="static", density=0.1, epochs=6)]).cpu * 3600 == pytest.approx(12)
    assert costs.hours([run(batch_size=32)]).cpu_measured == 0
    trained(run(method="static", density=0.1, seed=1), 4.0)
    assert cost.Costs(tmp_path).hours([run(method="static", density=0.2)]).cpu * 3600 == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("name", "content"),
    [("record.json", b"\0" * 9), ("record.json", b"{}"), ("history.parquet", b""), ("runtime.json", b"[]"),
     ("runtime.json", b'{"device": "cpu", "wall_seconds": "long"}'),
     ("runtime.json", b'{"device": "cpu", "cpu_seconds": "long"}'), ("runtime.json", b'{"wall_seconds": NaN}')],
)  # fmt: skip
def test_damaged_files_of_a_run_are_left_out(tmp_path: Path, name: str, content: bytes) -> None:
    for seed, seconds in enumerate((1.0, 3.0)):
        train(run(seed=seed), tmp_path)
        path = folder(tmp_path, run(seed=seed).id) / "runtime.json"
        write_json(path, json.loads(path.read_text()) | {"cpu_seconds": seconds})
    (folder(tmp_path, run(seed=1).id) / name).write_bytes(content)
    assert cost.Costs(tmp_path).hours([run(seed=9)]).cpu * 3600 == pytest.approx(1.0)


def test_the_wall_clock_counts_only_where_nobody_knows_better(tmp_path: Path) -> None:
    """A run on a busy machine waits; older records say no more."""
    for seed, times in enumerate(
        ({"wall_seconds": 9.0}, {"wall_seconds": 7.0, "cpu_seconds": 2.0}, {"wall_seconds": 8.0})
    ):
        train(run(seed=seed), tmp_path)
        path = folder(tmp_path, run(seed=seed).id) / "runtime.json"
        told = {key: value for key, value in json.loads(path.read_text()).items() if not key.endswith("_seconds")}
        write_json(path, told | times)
        expected = 9.0 if seed == 0 else 2.0
        assert cost.Costs(tmp_path).hours([run(seed=9)]).cpu * 3600 == pytest.approx(expected)


def test_the_table_counts_shared_runs_once(tmp_path: Path) -> None:
    config = tmp_path / "config"
    (config / "experiments").mkdir(parents=True)
    (config / "papers").mkdir()
    block = {"set": {k: v for k, v in BASE.items() if k != "seed"}}
    for name, seeds in (("a", [0, 1]), ("b", [1, 2])):
        grid = {"experiment": name, "title": name, "sweep": {"seed": seeds}, "blocks": [block]}
        (config / f"experiments/{name}.yaml").write_text(json.dumps(grid))
    item = {"kind": "table", "builder": "pivot", "title": "T", "caption": "C"}
    items = {"one": item | {"experiments": ["a"]}, "two": item | {"experiments": ["b"]}}
    (config / "papers/p.yaml").write_text(json.dumps({"paper": "p", "title": "P", "citation": "C", "items": items}))
    train(run(seed=1), tmp_path / "results")
    suite = plan({"suite": "s", "title": "S", "items": ["p/*"], "config_dir": str(config),
                  "results_dir": str(tmp_path / "results")})  # fmt: skip
    lines = {line.split()[0]: line.split()[1:] for line in cost.table(suite)}
    assert [lines[key][:2] for key in ("p/one", "p/two", "all")] == [["2", "1"], ["2", "1"], ["3", "2"]]
    assert lines["all"][3] == "100%"
    assert lines["all"][5] == "0%"
