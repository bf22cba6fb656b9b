"""MNIST at the length printed: the runs have the published settings, and answer the numbers that they should."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dst_repro.compare import comparison
from dst_repro.compare.plans import PLANNED
from dst_repro.files import read_yaml
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import Suite, load_experiment, plan
from dst_repro.plan.sizes import steps_per_epoch
from dst_repro.records.frames import aggregate

CONFIG = Path(__file__).parents[3] / "config"
FC, CONV = "lenet-300-100", "lenet-5-caffe"


def grid(slug: str) -> list[RunConfig]:
    return load_experiment(slug, CONFIG)[1]


def suite() -> Suite:
    return plan(read_yaml(CONFIG / "mnist-protocol.yaml") | {"config_dir": str(CONFIG)}, "mnist-protocol")


SETTINGS: dict[str, Any] = {
    "dataset": "mnist",
    "dataset_params": {"normalise": True},
    "validation": 0.1,
    "optimizer": "sgd",
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "schedule": "step",
    "schedule_params": {"step_size": 25_000, "gamma": 0.1, "unit": "step"},
    "batch_size": 100,
    "augmentation": "none",
    "initialisation": "original",
}


@pytest.mark.parametrize(
    ("slug", "protocol", "epochs", "nesterov"),
    [
        ("mnist-methods-100", "sparse-momentum", 100, True),
        ("mnist-dsr-100", "sparse-momentum", 100, True),
        ("mnist-dsr-100-other", None, 100, True),
        ("mnist-conv-100", "sparse-momentum", 100, True),
        ("snip-fc", "snip", 250, False),
        ("snip-conv", "snip", 250, False),
    ],
)
def test_settings_are_the_published_ones(slug: str, protocol: str | None, epochs: int, nesterov: bool) -> None:
    experiment, runs = load_experiment(slug, CONFIG)
    assert (experiment.protocol, experiment.reduced) == (protocol, None)
    for run in runs:
        if run.method == "gmp":  # from dense in 10 more epochs
            assert (run.epochs, run.learning_rate) == (10, 0.01)
            run = run.parents["weights_from"]
        full = run.full()
        expected = SETTINGS | ({"weight_decay": 0.0} if run.method == "deep-r" else {})
        assert {key: full[key] for key in SETTINGS} == expected, run.id
        assert full["optimizer_params"] == {"momentum": 0.9, "nesterov": nesterov}
        assert run.epochs == epochs
        assert steps_per_epoch(run) == 540  # 54,000 images


RUNS = {  # (network, method) -> densities in percent, seeds
    "mnist-dsr-100": {(FC, "dsr"): ([1, 2, 3, 4, 5, 10], 3), (FC, "deep-r"): ([1, 2, 3, 4, 5, 10], 3)},
    "mnist-conv-100": {(CONV, "sparse-momentum"): ([0.5, 1, 2, 5], 2), (CONV, "dense"): ([], 2)},
    "snip-fc": {(FC, "snip"): ([2, 5], 5), (FC, "dense"): ([], 5)},
    "snip-conv": {(CONV, "snip"): ([1, 2], 2), (CONV, "dense"): ([], 2)},
}


@pytest.mark.parametrize("slug", RUNS)
def test_densities_and_seeds(slug: str) -> None:
    found: dict[tuple[str, str], tuple[list[float], int]] = {}
    runs = grid(slug)
    for net, method in dict.fromkeys((run.model, run.method) for run in runs):
        same = [run for run in runs if (run.model, run.method) == (net, method)]
        percent = sorted({round(100 * run.density, 9) for run in same if run.density is not None})
        found[net, method] = (percent, len({run.seed for run in same}))
        assert len(same) == max(len(percent), 1) * found[net, method][1]
    assert found == RUNS[slug]


def test_methods_are_those_of_the_authors_code() -> None:
    for slug in ("mnist-dsr-100", "mnist-dsr-100-other"):
        for run in grid(slug):
            params = run.full()["method_params"]
            assert params["update_end"] == 0.95
            assert run.fidelity == ("released" if run.method == "deep-r" else "paper")
    assert all(run.fidelity == "released" for slug in ("snip-fc", "snip-conv") for run in grid(slug) if run.density)


def test_controls_of_dsr_and_deep_r() -> None:
    """The network of their authors, and more weights in the last layer; as published it is neither."""
    kinds = Counter[tuple[str, str, bool]]()
    for slug in ("mnist-dsr-100", "mnist-dsr-100-other"):
        for run in grid(slug):
            full = run.full()
            kinds[run.method, full["method_params"]["distribution"], full["model_params"]["batch_norm"]] += 1
    variants = [("uniform", False), ("uniform", True), ("er", False)]
    assert kinds == {(method, *variant): 18 for method in ("dsr", "deep-r") for variant in variants}


def test_every_number_of_their_tables_that_is_planned_has_its_runs(tmp_path: Path) -> None:
    """Of 54 on MNIST sparse momentum's authors print eight of LeNet-5-Caffe, four of which are left out; SNIP's Table 1
    has a dense number and two of SNIP for either network."""
    frame = comparison(aggregate(suite(), tmp_path))
    rows = frame[(frame["dataset"] == "mnist") & frame["paper"].isin(["sparse-momentum", "snip"])]
    waiting = rows[rows["not_run"] == PLANNED]
    assert waiting["paper"].value_counts().to_dict() == {"sparse-momentum": 54 - 4, "snip": 6}
    left = rows[(rows["paper"] == "sparse-momentum") & (rows["not_run"] != PLANNED)]
    assert set(zip(left["model"], left["density_percent"], strict=True)) == {(CONV, d) for d in (0.4, 0.9, 8, 9.3)}
    assert set(left["not_run"]) == {"no run at this density"}


def test_runs_come_in_the_order_of_numbers_for_the_time() -> None:
    slugs = ["mnist-methods-100", "mnist-dsr-100", "snip-fc", "mnist-dsr-100-other", "mnist-conv-100", "snip-conv"]
    assert list(suite().experiments) == slugs
    assert len(suite().runs) == 90 + 36 + 15 + 72 + 10 + 6
