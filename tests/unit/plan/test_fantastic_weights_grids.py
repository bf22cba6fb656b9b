"""Fantastic Weights: its networks have the published sizes, its grids the published number of runs."""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn

from dst_repro.files import read_yaml
from dst_repro.methods.base import maskable
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import Suite, load_experiment, plan
from dst_repro.registry import models

CONFIG = Path(__file__).parents[3] / "config"
FASHION, CIFAR, TINY, IMAGENET = (1, 28, 28), (3, 32, 32), (3, 64, 64), (3, 224, 224)
C5 = {"magnitude", "each-sign-equal", "mest", "snip", "reciprocal-sensitivity"}
C6 = C5 | {"random"}
D11 = {0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5}
REDUCED = {"small", "part"}


def network(slug: str, shape: tuple[int, ...], classes: int, **params: float) -> nn.Module:
    entry = models[slug]
    built: nn.Module = entry.object(shape, classes, entry.params(**params))
    return built


@pytest.mark.parametrize(
    ("slug", "shape", "classes", "parameters", "weights"),
    [
        ("mlp-1024-512", CIFAR, 10, 3_676_682, 3_675_136),
        ("small-conv", CIFAR, 10, 94_538, 94_304),
        ("lenet-5-caffe", FASHION, 10, 431_080, 430_500),
        ("mlp-256-256", (24,), 2, 72_449, 71_936),
        ("resnet-56", CIFAR, 10, 855_770, 851_504),
        ("resnet-56", CIFAR, 100, 861_620, 857_264),
        ("vgg16-linear", CIFAR, 100, 14_770_212, 14_761_664),
        ("efficientnet-b0", TINY, 200, 4_263_748, 4_212_192),
        ("resnet-50", IMAGENET, 1000, 25_557_032, 25_502_912),
        ("lenet-300-100", FASHION, 10, 266_610, 266_200),
    ],
)
def test_networks_have_the_published_sizes(
    slug: str, shape: tuple[int, ...], classes: int, parameters: int, weights: int
) -> None:
    with torch.device("meta"):
        model = network(slug, shape, classes)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert sum(m.weight.numel() for m in maskable(model).values()) == weights


def test_weights_scaled_for_a_density_are_larger_by_its_root() -> None:
    starts = []
    for density in (1.0, 0.25):
        torch.manual_seed(0)
        starts.append(maskable(network("resnet-56", CIFAR, 10, scaled_for=density)))
    for usual, larger in zip(*(start.values() for start in starts), strict=True):
        assert torch.equal(larger.weight, 2 * usual.weight)


@functools.cache
def grid(slug: str) -> list[RunConfig]:
    return load_experiment(slug, CONFIG)[1]


def methods(slug: str) -> dict[str, int]:
    return dict(Counter(run.method for run in grid(slug)))


def values(runs: list[RunConfig], parameter: str) -> set[object]:
    return {run.full()["method_params"].get(parameter) for run in runs if run.method == "drop-and-grow"}


FIGURE_1 = {  # dense, static, drop and grow; the paper's 583 static runs are 55 more of fw-higgs and of fw-conv
    "fw-fashion": (5, 55, 550),
    "fw-higgs": (5, 55, 550),
    "fw-mlp": (5, 55, 550),
    "fw-conv": (5, 55, 550),
    "fw-resnet-56": (5, 110, 550),
    "fw-resnet-56-cifar100": (5, 33, 550),
    "fw-vgg-16": (5, 55, 550),
    "fw-tiny-imagenet": (5, 55, 550),
}


def test_figures_1_and_10_take_as_many_runs_as_the_paper_planned() -> None:
    found = {slug: methods(slug) for slug in FIGURE_1}
    assert {slug: (n["dense"], n["static"], n["drop-and-grow"]) for slug, n in found.items()} == FIGURE_1
    totals = [sum(column) for column in zip(*FIGURE_1.values(), strict=True)]
    assert totals == [40, 583 - 2 * 55, 4400]


@pytest.mark.parametrize("slug", FIGURE_1)
def test_every_setting_of_figure_1_has_the_whole_product(slug: str) -> None:
    runs = [run for run in grid(slug) if run.method == "drop-and-grow"]
    assert {run.density for run in runs} == D11
    assert {run.seed for run in runs} == {1, 2, 3, 4, 5}
    assert values(runs, "drop") == C5
    assert values(runs, "grow") == {"random", "gradient"}
    assert values(runs, "update_period") == {100 if slug == "fw-tiny-imagenet" else 800}
    assert values(runs, "prune_rate") == {0.5}
    assert values(runs, "decay") == {"cosine-floor"}
    assert values(runs, "update_end") == {1.0}
    assert values(runs, "distribution") == {"erk"}
    assert values(runs, "scope") == {"layer"}
    assert len({run.id for run in runs}) == 550


@pytest.mark.parametrize(
    ("slug", "lr", "l2", "epochs", "nesterov", "milestones"),
    [
        ("fw-fashion", 0.01, 5e-4, 100, True, [50, 75]),
        ("fw-higgs", 0.01, 5e-4, 100, True, [50, 75]),
        ("fw-mlp", 0.01, 5e-4, 100, True, [50, 75]),
        ("fw-conv", 0.01, 5e-4, 100, True, [50, 75]),
        ("fw-resnet-56", 0.1, 1e-4, 200, True, [100, 150]),
        ("fw-resnet-56-cifar100", 0.1, 1e-4, 200, True, [100, 150]),
        ("fw-vgg-16", 0.01, 1e-4, 200, True, [100, 150]),
        ("fw-tiny-imagenet", 0.01, 1e-3, 100, False, [50, 75]),
    ],
)
def test_optimisation_of_figure_1(
    slug: str, lr: float, l2: float, epochs: int, nesterov: bool, milestones: list[int]
) -> None:
    for run in grid(slug):
        assert (run.learning_rate, run.weight_decay, run.epochs) == (lr, l2, epochs)
        assert run.full()["optimizer_params"] == {"momentum": 0.9, "nesterov": nesterov}
        assert run.full()["schedule_params"] == {"milestones": milestones, "gamma": 0.1, "unit": "epoch"}
        large = slug == "fw-resnet-56-cifar100" and run.method == "dense"
        assert run.batch_size == (256 if large else 128)


OTHERS = {
    "fw-imagenet": {"dense": 3, "static": 3, "drop-and-grow": 18},
    "fw-period-mlp": {"drop-and-grow": 900},
    "fw-period-resnet-56": {"drop-and-grow": 1000},
    "fw-period-conv": {"drop-and-grow": 1000},
    "fw-regulariser": {"drop-and-grow": 25, "dense": 5},
    "fw-first-mlp": {"drop-and-grow": 240},
    "fw-first-resnet-56": {"drop-and-grow": 240},
    "fw-first-conv": {"drop-and-grow": 240},
    "fw-along-mlp": {"drop-and-grow": 30},
    "fw-along-resnet-56": {"drop-and-grow": 30},
    "fw-along-conv": {"drop-and-grow": 30},
    "fw-gamma": {"drop-and-grow": 385},
    "fw-sensitivity": {"drop-and-grow": 55},
    "fw-large-batch": {"dense": 5, "static": 55, "drop-and-grow": 330},
    "fw-global": {"drop-and-grow": 60},
    # reduced
    "fw-small": {"dense": 6, "static": 12, "drop-and-grow": 144},
    "fw-small-zero": {"drop-and-grow": 48},
    "fw-small-gamma": {"drop-and-grow": 12},
    "fw-small-sensitivity": {"drop-and-grow": 2},
    "fw-small-batch": {"drop-and-grow": 4},
    "fw-small-global": {"drop-and-grow": 8},
    "fw-small-first": {"drop-and-grow": 8},
    "fw-small-along": {"drop-and-grow": 12},
    "fw-small-along-released": {"drop-and-grow": 6},
    "fw-small-full": {"drop-and-grow": 30},
    "fw-small-period": {"drop-and-grow": 60},
    "fw-part-fashion": {"dense": 3, "static": 6, "drop-and-grow": 72},
    "fw-part-mlp": {"dense": 2, "static": 2, "drop-and-grow": 24},
    # not reduced, but a part of another grid
    "fw-part-mlp-100": {"dense": 2, "static": 4, "drop-and-grow": 20},
}


@pytest.mark.parametrize("slug", OTHERS)
def test_the_other_figures_take_as_many_runs_as_the_paper_planned(slug: str) -> None:
    assert methods(slug) == OTHERS[slug]
    assert len({run.id for run in grid(slug)}) == sum(OTHERS[slug].values())


def test_no_grid_goes_uncounted() -> None:
    found = {path.stem for path in CONFIG.glob("experiments/fw-*.yaml")}
    assert found == {*FIGURE_1, *OTHERS}


@pytest.mark.parametrize("slug", ["fw-first-mlp", "fw-first-resnet-56", "fw-first-conv", "fw-small-first"])
def test_a_run_until_the_first_update_has_just_one(slug: str) -> None:
    per_epoch = 422 if "small" in slug else 352  # 54,000 or 45,000 images in batches of 128
    runs = grid(slug)
    for run in runs:
        assert 800 < run.epochs * per_epoch < 1600
        assert run.schedule == "constant"  # the paper's first step comes later
        assert set(run.method_params["compare"]) == C6
    assert values(runs, "update_period") == {800}
    assert values(runs, "prune_rate") == {0.5, 0.25, 0.125, 0.0625}
    assert values(runs, "decay") == {"constant"}


@pytest.mark.parametrize(
    ("slug", "images", "updates"),
    [
        ("fw-small", 54_000, 52),
        ("fw-small-batch", 54_000, 52),
        ("fw-part-fashion", 54_000, 52),
        ("fw-part-mlp", 45_000, 43),
    ],
)
def test_reduced_runs_have_as_many_updates_as_the_papers(slug: str, images: int, updates: int) -> None:
    """But for the one after the last step, which the paper's 35,200 steps on CIFAR-10 have."""
    for run in grid(slug):
        if run.method == "drop-and-grow":
            steps = run.epochs * -(-images // run.batch_size)
            assert (steps - 1) // run.method_params["update_period"] == updates


def test_weights_that_are_dropped_and_grown_go_on_but_in_their_ablation() -> None:
    for slug in (*FIGURE_1, *OTHERS):
        assert values(grid(slug), "regrown") <= ({"zero"} if slug == "fw-small-zero" else {"keep"}), slug
    ablated, same = (
        {(r.dataset, r.density, *sorted(r.method_params.items())) for r in grid(s) if r.seed == 0}
        for s in ("fw-small-zero", "fw-small")
    )
    assert {tuple(x for x in run if x != ("regrown", "zero")) for run in ablated} <= same


def test_a_part_at_full_length_has_runs_of_the_whole_grid() -> None:
    runs = grid("fw-part-mlp-100")
    assert {run.id for run in runs} < {run.id for run in grid("fw-mlp")}
    assert values(runs, "drop") == C5
    assert values(runs, "grow") == {"gradient"}
    assert {run.density for run in runs} == {None, 0.05, 0.2}
    assert {run.seed for run in runs} == {1, 2}
    assert suite("cifar10-mlp-100").runs.keys() == {run.id for run in runs}


def suite(name: str) -> Suite:
    return plan(read_yaml(CONFIG / f"{name}.yaml") | {"config_dir": str(CONFIG)}, name)


@pytest.mark.parametrize(
    ("name", "runs"), [("fashion-small", 256), ("fashion-next", 258), ("fashion", 81), ("cifar10-mlp", 28)]
)
def test_reduced_suites_are_planned(name: str, runs: int) -> None:
    found = suite(name)
    assert len(found.runs) == runs
    assert all(experiment.reduced for experiment in found.experiments.values())


def test_the_whole_paper_is_planned() -> None:
    found = suite("fantastic-weights")
    assert set(found.experiments) == {*FIGURE_1, *OTHERS} - {slug for slug in OTHERS if slug.split("-")[1] in REDUCED}
    assert not any(experiment.reduced for experiment in found.experiments.values())
    grids = 40 + 473 + 4400 + 24 + 2900 + 30 + 3 * 240 + 3 * 30 + 385 + 55 + (5 + 55 + 330) + 60
    assert sum(map(len, found.members.values())) == grids == 9567
    # Figure 4 at a period of 800 are 300 runs of Figure 1; at 100, MEST with random growth are 10 of Figure 7
    assert len(found.runs) == grids - 300 - 10 == 9257
