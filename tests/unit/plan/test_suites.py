"""The suites that need a GPU: every run can be built, and one of each kind trains on the CPU at full width."""

from __future__ import annotations

import hashlib
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dst_repro.data.base import load
from dst_repro.files import read_yaml
from dst_repro.machine.vision import torchvision_datasets
from dst_repro.methods.base import Context, Method
from dst_repro.plan.config import SHARED, RunConfig
from dst_repro.plan.grid import Suite, plan
from dst_repro.published import loader as published
from dst_repro.records import record
from dst_repro.registry import methods, models
from dst_repro.training.loop import Trainer
from dst_repro.training.run import train
from dst_repro.training.state import read_state
from tests.conftest import thinned

CONFIG = Path(__file__).parents[3] / "config"
SHAPES = {"cifar10": ((3, 32, 32), 10), "imagenet": ((3, 224, 224), 1000)}
CLASSES = {"cifar10": 10, "imagenet": 3}  # of the images made here
SMALL = {"cifar10": {"train": 4, "test": 2}, "imagenet": {"size": 64}}  # 4 images of 3 classes are made


@dataclass(frozen=True)
class Size:
    """Maskable weights, all other parameters of the dense network, and thresholds, one an output channel or neuron."""

    weights: int
    others: int
    thresholds: int


CIFAR = {  # convolutions and linear layers; biases and normalisation
    "vgg-16": Size(14_977_728, 522 + 9_472, 4_746),
    "wrn-16-8": Size(10_954_160, 10 + 7_200, 4_506),
    "wrn-16-10": Size(17_107_632, 10 + 8_992, 5_626),
    "wrn-28-8": Size(23_340_464, 10 + 14_368, 8_090),
}


def size(model: str, classes: int) -> Size:
    """ResNet-50 has 23,454,912 weights and 26,560 channels, each with normalisation, before its last layer."""
    if model == "resnet-50":
        return Size(23_454_912 + 2048 * classes, 2 * 26_560 + classes, 26_560 + classes)
    return CIFAR[model]


def suite(name: str) -> Suite:
    return plan(read_yaml(CONFIG / f"{name}.yaml") | {"config_dir": str(CONFIG)}, name)


SUITES = {name: suite(name) for name in SHAPES}


def kinds() -> list[Any]:
    """The first run of each (model, method, optimiser, fidelity); all but one of a model are for `make test-all`."""
    found: dict[str, RunConfig] = {}
    for runs in SUITES.values():
        for run in runs.runs.values():
            found.setdefault("-".join((run.model, run.method, run.optimizer, run.fidelity)), run)
    quick = {run.model: kind for kind, run in reversed(found.items())}
    return [thinned(run, id=kind, quick=kind in quick.values()) for kind, run in found.items()]


def small(run: RunConfig) -> RunConfig:
    """Two epochs of two steps, updates at each. tf32 and bf16 are formats that this machine may not have."""
    fields = run.model_dump() | {"batch_size": 2, "epochs": 2, "precision": "float32"}
    fields["dataset_params"] = run.dataset_params | SMALL[run.dataset]
    known = methods[run.method].params.model_fields
    often = {name: value for name, value in {"update_period": 1, "doublings": []}.items() if name in known}
    fields["method_params"] = run.method_params | often
    for key, parent in run.parents.items():
        fields[key] = {k: v for k, v in small(parent).model_dump().items() if k not in SHARED}
    return RunConfig.parse(fields)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with `imagenet`, real JPEG files, and `cifar10`, two images in each of its files."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for part, labels in (("train", (0, 1, 2, 0)), ("val", (0, 1, 2))):
        for i, label in enumerate(labels):
            folder = root / "imagenet" / part / f"n0000000{label}"
            folder.mkdir(parents=True, exist_ok=True)
            coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            coarse.resize((80, 64 + 8 * i), Image.Resampling.BICUBIC).save(folder / f"{i}.JPEG")
    kind = torchvision_datasets().CIFAR10
    folder = root / kind.base_folder
    folder.mkdir()
    for i, (file, _) in enumerate(kind.train_list + kind.test_list):
        rows = rng.integers(0, 256, (2, 3072), dtype=np.uint8)
        (folder / file).write_bytes(pickle.dumps({"data": rows, "labels": [i, 9 - i]}))
    (folder / kind.meta["filename"]).write_bytes(pickle.dumps({kind.meta["key"]: list("abcdefghij")}))
    return root


@pytest.fixture
def made(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`images` is where data are sought, and torchvision takes its CIFAR-10 for the original."""
    kind = torchvision_datasets().CIFAR10

    def md5(file: str) -> str:
        return hashlib.md5((images / kind.base_folder / file).read_bytes()).hexdigest()

    for part in ("train_list", "test_list"):
        monkeypatch.setattr(kind, part, [[file, md5(file)] for file, _ in getattr(kind, part)])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(kind.meta["filename"])})
    monkeypatch.setenv("DST_DATA", str(images))
    monkeypatch.setenv("DST_WORKERS", "0")


def built(run: RunConfig, shape: tuple[int, ...], classes: int, device: str) -> tuple[nn.Module, Method]:
    """The network of a run as its method has prepared it."""
    model, method = models[run.model], methods[run.method]
    with torch.device(device):
        network = model.object(shape, classes, model.params(**run.model_params))
        prepared: Method = method.object(method.params(**run.method_params), Context(run, 782))
        prepared.prepare(network)
    return network, prepared


@pytest.mark.parametrize("name", SUITES)
def test_every_run_can_be_built(name: str) -> None:
    """Without memory for its weights, except where a method chooses among their positions."""
    shape, classes = SHAPES[name]
    for cell in SUITES[name].cells.values():
        run = cell[0]
        expected = size(run.model, classes)
        try:
            network, method = built(run, shape, classes, "meta")
        except RuntimeError:  # of which one says that meta tensors hold no numbers; any other comes again on the CPU
            network, method = built(run, shape, classes, "cpu")
        assert sum(mask.numel() for mask in method.masks().values()) == expected.weights, run.id
        found = sum(p.numel() for p in network.parameters())
        thresholds = expected.thresholds if run.method == "dst" else 0
        assert found == expected.weights + expected.others + thresholds, run.id


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("run", kinds())
def test_one_of_each_kind_trains(run: RunConfig, results: Path) -> None:
    run = small(run)
    for ancestor in run.ancestors:
        train(ancestor, results, keep_state=True)
    done = train(run, results, keep_state=True)
    assert done.status == "finished", done.reason
    assert done.metrics is not None
    last = done.metrics.last
    assert last.epoch == 2
    assert math.isfinite(last.train_loss)
    assert math.isfinite(last.test_loss)

    expected = size(run.model, CLASSES[run.dataset])
    kept = sum(layer.kept for layer in done.layers)
    assert done.parameters == expected.weights + expected.others
    assert sum(layer.numel for layer in done.layers) == expected.weights
    assert last.density == kept / expected.weights
    if run.method == "dst":  # what its alpha leaves shows after many more steps
        assert 0 < kept <= expected.weights
        assert set(done.events["resets"]) == {layer.name for layer in done.layers}
    else:
        assert kept == round((run.density or 1.0) * expected.weights)

    given = {key: read_state(results, parent).given for key, parent in run.parents.items()}
    weights = given["weights_from"].network if "weights_from" in given else None
    start = Trainer(run, load(run), torch.device("cpu"), weights, given.get("mask_from"))
    before, after = start.method.network(start.model), read_state(results, run).given.network
    assert before.keys() == after.keys()
    for layer in filter(lambda layer: layer.kept > 0, done.layers):
        assert not torch.equal(before[f"{layer.name}.weight"], after[f"{layer.name}.weight"]), layer.name
    assert record.read(results, run.id) == done


PAPER = {
    "dataset": "cifar10",
    "validation": 0.0,
    "augmentation": "crop-flip",
    "optimizer": "sgd",
    "optimizer_params": {"momentum": 0.9, "nesterov": False},
    "weight_decay": 1e-4,
    "schedule": "multi-step",
    "schedule_params": {"milestones": [80, 120], "gamma": 0.1, "unit": "epoch"},
    "epochs": 160,
    "batch_size": 64,
    "weights_from": None,
}
"""Of the released code of Liu et al. (2020) on CIFAR-10."""


def followers() -> list[RunConfig]:
    """The runs of the suite that say that they follow the paper."""
    found = SUITES["cifar10"]
    slugs = [slug for slug, experiment in found.experiments.items() if experiment.protocol == "dst"]
    return [found.runs[run] for run in dict.fromkeys(run for slug in slugs for run in found.members[slug])]


def test_runs_that_follow_the_paper_have_its_settings() -> None:
    assert followers()
    for run in followers():
        full = run.full()
        assert {key: full[key] for key in PAPER} == PAPER, run.id
        assert full["dataset_params"] == {"normalise": "per-image-std", "train": None, "test": None}
        assert full["learning_rate"] in (0.1, 0.01)  # of Fig. 6
        assert full["model_params"].get("width", 1.0) == 1.0
        if run.method == "dst":
            assert run.fidelity == "released"
            assert set(run.method_params) == {"alpha"}
        else:
            assert run.method == "dense"


def test_every_published_alpha_has_a_run() -> None:
    """And every network of the tables and figures one without pruning."""
    there = {(run.model, run.learning_rate, run.method_params.get("alpha")) for run in followers()}
    rows = published.load()
    rows = rows[(rows["paper"] == "dst") & (rows["dataset"] == "cifar10") & rows["method"].isin(["dst", "dense"])]
    alphas = set()
    for model, method, setting in zip(rows["model"], rows["method"], rows["settings"], strict=True):
        if method == "dense" or "alpha" in setting:
            alphas.add((model, setting.get("lr", 0.1), setting.get("alpha")))
    assert len(alphas) == 4 + 1 + 17 + 12 + 11 + 1, "dense, and at 0.01; Fig. 3(a), (b), (c); Fig. 6"
    assert alphas <= there
