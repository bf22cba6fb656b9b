"""ToST: its grids have the settings of the released code, share runs as meant, and answer its Table 2."""

from __future__ import annotations

import functools
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from dst_repro.compare import comparison
from dst_repro.compare.plans import PLANNED
from dst_repro.files import read_yaml
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import Suite, load_experiment, plan
from dst_repro.plan.sizes import steps_per_epoch
from dst_repro.records.frames import Frames, aggregate
from dst_repro.registry import models
from dst_repro.tables.gains import GainsParams, gains

CONFIG = Path(__file__).parents[3] / "config"
NETS = ("resnet-32-double", "resnet-32", "resnet-50-cifar")
TABLE_2 = [f"tost-{part}{net}" for net in NETS for part in ("", "tickets-")]
ALL = {"ghost-skips", "label-smoothing", "rescaled-init", "soft-neurons"}
MASKS = {"static", "snip", "grasp", "synflow", "imp"}
PRINTED = {0.1, 0.05, 0.02}


@functools.cache
def suite(name: str) -> Suite:
    return plan(read_yaml(CONFIG / f"{name}.yaml") | {"config_dir": str(CONFIG)}, name)


@functools.cache
def grid(slug: str) -> list[RunConfig]:
    return load_experiment(slug, CONFIG)[1]


@functools.cache
def frames(name: str) -> Frames:
    """Of the suite without a record."""
    return aggregate(suite(name), Path("nowhere"))


PROTOCOL: dict[str, Any] = {
    "dataset_params": {"normalise": "per-image-std", "train": None, "test": None},
    "validation": 0.1,
    "augmentation": "crop-flip",
    "optimizer": "sgd",
    "optimizer_params": {"momentum": 0.9, "nesterov": False},
    "learning_rate": 0.1,
    "weight_decay": 2e-4,
    "schedule": "multi-step",
    "schedule_params": {"milestones": [90, 135], "gamma": 0.1, "unit": "epoch"},
    "epochs": 182,
    "batch_size": 128,
    "fidelity": "paper",
    "initialisation": "original",
    "weights_from": None,
}
"""Of ToST's released code (VITA-Group/ToST at 2b5bac2), but for the fidelity."""


@pytest.mark.parametrize("slug", [*TABLE_2, "gpu-queue-tost"])
def test_runs_that_follow_the_paper_have_its_settings(slug: str) -> None:
    experiment = load_experiment(slug, CONFIG)[0]
    assert (experiment.protocol, experiment.reduced) == ("tost", None)
    for run in grid(slug):
        full = run.full()
        assert {key: full[key] for key in PROTOCOL} == PROTOCOL, run.id
        assert steps_per_epoch(run) == 352  # 45,000 images
        assert set(run.tricks) in (set(), ALL)
        assert not any(run.tricks.values())
        assert full["method_params"].get("distribution", full["method_params"].get("scope", "global")) == "global"


def test_table_2_has_five_masks_at_three_densities_with_and_without_tricks() -> None:
    found = Counter[tuple[Any, ...]]()
    for slug in TABLE_2:
        for run in grid(slug):
            if run.density in PRINTED or run.method == "dense":
                found[run.dataset, run.model, run.method, run.density, bool(run.tricks)] += 1
    cells = {(d, m, method, density, tricks)
             for d in ("cifar10", "cifar100") for m in NETS for tricks in (False, True)
             for method, density in [("dense", None), *((mask, p) for mask in MASKS for p in PRINTED)]}  # fmt: skip
    assert found == dict.fromkeys(cells, 3)


@pytest.mark.parametrize("slug", [*TABLE_2[1::2], "tost-parts", "tost-schedules", "tost-levels", "tost-small",
                                  "tost-small-parts"])  # fmt: skip
def test_a_ticket_with_tricks_has_the_mask_of_rounds_without(slug: str) -> None:
    """It is the same run as its control, but for the tricks."""
    tickets = [run for run in grid(slug) if run.method == "imp"]
    without = {plainly(run) for run in tickets if not run.tricks}
    assert any(run.tricks for run in tickets)
    for run in tickets:
        assert plainly(run) in without, run.id
        assert not any(ancestor.tricks for ancestor in run.ancestors)


def plainly(run: RunConfig) -> str:
    return json.dumps({key: value for key, value in run.nondefault.items() if key != "tricks"}, sort_keys=True)


def test_a_fifth_goes_in_every_round() -> None:
    for slug in TABLE_2[1::2]:
        last = next(run for run in grid(slug) if run.density == 0.02)
        kept = [1.0, *(run.density or 1.0 for run in last.ancestors[1:]), 0.02]
        assert len(kept) == 18
        assert all(0.785 < after / before < 0.805 for before, after in itertools.pairwise(kept))
    levels = [run.density for run in grid("tost-levels") if not run.tricks and run.seed == 0]
    assert levels == pytest.approx([0.8**k for k in range(1, 17)], rel=4e-3)  # three digits


def test_every_number_of_table_2_has_its_runs() -> None:
    """124: of two networks on two data sets a dense one, and five masks at three densities, with and without."""
    frame = comparison(frames("tost"))
    rows = frame[frame["paper"] == "tost"]
    assert (len(rows), set(rows["not_run"])) == (124, {PLANNED})
    waiting = comparison(frames("gpu-queue"))
    waiting = waiting[(waiting["paper"] == "tost") & (waiting["not_run"] == PLANNED)]
    assert sorted(waiting["method"]) == ["random", "random+tost", "snip", "snip+tost", "synflow", "synflow+tost"]
    assert set(waiting["density_percent"]) == {2}
    reduced = comparison(frames("tost-small"))
    assert PLANNED not in set(reduced["not_run"])


def sets_of_tricks(slug: str, method: str = "static") -> Counter[frozenset[str]]:
    return Counter(frozenset(run.tricks) for run in grid(slug) if run.method == method and run.density == 0.02)


@pytest.mark.parametrize(("slug", "runs"), [("tost-parts", 6), ("tost-small-parts", 5)])
def test_each_trick_alone_all_but_one_and_all(slug: str, runs: int) -> None:
    sets = [frozenset(), *(frozenset({t}) for t in ALL), *(frozenset(ALL - {t}) for t in ALL), frozenset(ALL)]
    for method in ("static", "imp"):
        assert sets_of_tricks(slug, method) == dict.fromkeys(sets, runs)


@pytest.mark.parametrize(("slug", "iterations"), [("tost-schedules", 180), ("tost-small-schedules", 60)])
def test_both_ghosts_end_together(slug: str, iterations: int) -> None:
    ends = []
    for run in grid(slug):
        if run.tricks and run.seed == 0 and run.dataset == "cifar10" and run.method == "static":
            tricks = run.full()["tricks"]
            assert tricks["soft-neurons"]["until"] == tricks["ghost-skips"]["until"]
            assert tricks["rescaled-init"]["iterations"] == iterations
            ends.append(tricks["ghost-skips"]["until"])
    assert ends == [0.25, 0.5, 0.75, 1.0, None]


def shared(one: str, other: str) -> int:
    return len({run.id for run in grid(one)} & {run.id for run in grid(other)})


def test_grids_share_what_is_alike() -> None:
    narrow, tickets = "tost-resnet-32", "tost-tickets-resnet-32"
    assert shared("tost-parts", narrow) == shared("tost-schedules", narrow) == 2 * 2 * 3  # with and without
    assert shared("tost-parts", tickets) == shared("tost-schedules", tickets) == (17 + 1) * 2 * 3
    assert shared("tost-fidelity", narrow) == (2 + 2 * 2) * 2 * 3  # SynFlow at two densities
    assert shared("tost-all-images", narrow) == 2 * 2 * 3
    assert shared("tost-dense", narrow) == shared("tost-dense", "tost-resnet-32-double") == 2 * 2 * 3
    assert shared("tost-general", narrow) == 2 * 2 * 2
    assert shared("gpu-queue-tost", "tost-resnet-32-double") == len(grid("gpu-queue-tost")) == 3 * 2 * 3
    assert shared("tost-small-parts", "tost-small") == 2 * 2 * 3  # of five seeds three
    assert shared("tost-small-schedules", "tost-small") == 2 * 3
    assert (shared("tost-small-all-images", "tost-small"), len(grid("tost-small-all-images"))) == (0, 2 * 3)
    assert shared("tost-small-fidelity", "tost-small") == 2 * 2 * 3
    assert len(suite("tost").runs) == 1_273
    assert len(suite("tost-small").runs) == 257


def test_reduced_runs_say_so() -> None:
    assert all(experiment.reduced for experiment in suite("tost-small").experiments.values())
    for run in suite("tost-small").runs.values():
        assert (run.model, run.model_params, run.epochs) == ("resnet-8", {"width": 0.5}, 20)
        assert run.precision == "float32"


def rows(name: str, item: str) -> Any:
    found = suite(name).items[item]
    return gains(frames(name).of(list(found.experiments)), GainsParams(**found.params))


@pytest.mark.parametrize(("name", "item", "number"), [
    ("tost", "tost/table-2-gains", (5 * 3 + 1) * 2 * 3),
    ("tost", "tost/parts", 9 * 2 * 2),
    ("tost", "tost/parts-table", 9 * 2 * 2),
    ("tost", "tost/schedules", 5 * 2 * 2),
    ("tost", "tost/fidelity", (6 + 2 * 2) * 2),
    ("tost", "tost/all-images", 2 * 2),
    ("tost", "tost/dense", 5 * 2 * 2),
    ("tost", "tost/general", 5 * 2 * 3),
    ("tost", "tost/levels", 16),
    ("tost-small", "tost-small/gains", 5 * 3 + 1),
    ("tost-small", "tost-small/parts", 9 * 2),
    ("tost-small", "tost-small/schedules", 5),
    ("tost-small", "tost-small/fidelity", 6 + 2),
    ("tost-small", "tost-small/all-images", 2),
])  # fmt: skip
def test_every_row_of_an_item_has_its_control_and_a_name_of_its_own(name: str, item: str, number: int) -> None:
    found = rows(name, item)
    assert len(found) == number
    assert not found.duplicated(["dataset", "model", "method", "setting", "tricks"]).any()


def test_the_networks_of_the_abstract_can_be_built() -> None:
    sizes = {"cifar10": ((3, 32, 32), 10), "cifar100": ((3, 32, 32), 100), "tiny-imagenet": ((3, 64, 64), 200)}
    kinds = {(run.dataset, run.model) for run in grid("tost-general")}
    assert len(kinds) == 5 * 3
    for dataset, model in kinds:
        shape, classes = sizes[dataset]
        with torch.device("meta"):
            network = models[model].object(shape, classes, models[model].params())
            assert network.eval()(torch.zeros(2, *shape)).shape == (2, classes)
    assert {run.augmentation for run in grid("tost-general") if run.dataset == "tiny-imagenet"} == {"flip"}
