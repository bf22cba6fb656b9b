"""What planning knows of data sets is what reading them gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from dst_repro.data.base import load
from dst_repro.errors import DataError
from dst_repro.plan.config import RunConfig
from dst_repro.plan.sizes import Sizes, images, steps_per_epoch
from dst_repro.registry import datasets
from tests.conftest import RunFactory

KNOWN = sorted(slug for slug, entry in datasets.discover().items() if entry.facts)


def check(run: RunConfig) -> None:
    try:
        data = load(run)
    except DataError as error:
        pytest.skip(str(error))
    held_out = 0 if data.validation is None else len(data.validation)
    assert images(run) == Sizes(len(data.train) + held_out, len(data.test), data.shape, data.classes)
    steps = steps_per_epoch(run)
    assert steps == sum(1 for _ in range(0, len(data.train), run.batch_size))


@pytest.mark.parametrize("size", [8, 28])
def test_sizes_of_digits(tiny: RunFactory, size: int) -> None:
    check(tiny(dataset_params={"size": size}, validation=0.1))


@pytest.mark.parametrize("slug", ["mnist", "fashion-mnist"])
def test_sizes_of_mnist(tiny: RunFactory, mnist_root: Path, slug: str) -> None:
    check(tiny(dataset=slug, dataset_params={}, validation=0.1, batch_size=100))


def test_sizes_of_a_part_of_cifar(tiny: RunFactory, mnist_root: Path) -> None:
    if not (mnist_root / "cifar-10-batches-py").is_dir():
        pytest.skip("no CIFAR-10 beside MNIST")
    check(tiny(dataset="cifar10", dataset_params={"train": 100, "test": 50}))


def test_steps_round_up(tiny: RunFactory) -> None:
    # 60,000 less a tenth in batches of 100; 1,437 in batches of 64 are 22 and a part
    assert steps_per_epoch(tiny(dataset="mnist", dataset_params={}, validation=0.1, batch_size=100)) == 540
    assert steps_per_epoch(tiny()) == 23
    assert steps_per_epoch(tiny(dataset="higgs", dataset_params={}, model="mlp-256-256")) is None


def test_every_size_is_whole() -> None:
    assert {"digits", "mnist", "fashion-mnist", "cifar10", "cifar100", "tiny-imagenet", "imagenet"} == set(KNOWN)
    for slug in KNOWN:
        assert set(datasets[slug].facts) == {"train", "test", "shape", "classes"}
