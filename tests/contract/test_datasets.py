"""What every data set keeps to, of those that are at hand."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from dst_repro.data.base import Source, load, source
from dst_repro.errors import DataError
from dst_repro.plan.config import RunConfig
from dst_repro.registry import datasets
from tests.conftest import RunFactory
from tests.own_data import write_arrays, write_folder

OWN = {"arrays": write_arrays, "folder": write_folder}
Given = tuple[str, dict[str, Any]]


@pytest.fixture(params=sorted(datasets.discover()))
def given(request: pytest.FixtureRequest, tmp_path: Path) -> Given:
    """A data set and its parameters; one's own are made here."""
    if request.param not in OWN:
        return request.param, {}
    path = OWN[request.param](tmp_path / "mine.npz")
    return request.param, {"path": str(path)} | ({"size": 8} if request.param == "folder" else {})


@pytest.fixture
def found(given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A data set as its loader returns it; the test is skipped where it would have to be downloaded."""
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    if not os.environ.get("DST_DATA") and not Path("data").is_dir():
        monkeypatch.setenv("DST_DATA", str(tmp_path))
    try:
        return source(*given)
    except DataError as error:
        if "not found in" in str(error) or "must hold" in str(error):
            pytest.skip(str(error))
        raise


def test_a_data_set_is_whole(found: Source) -> None:
    assert found.name in datasets.discover()
    assert len(found.train) > len(found.test) > 0
    assert found.train.shape == found.test.shape
    assert len(found.mean) == len(found.std) == (found.train.shape[0] if found.mean else 0)
    assert all(std > 0 for std in found.std)
    assert "none" in found.train.augmentations
    assert len({found.train.sha256(), found.test.sha256()}) == 2
    assert "\n" not in found.note


def test_its_batches_are_ready_for_a_network(given: Given, found: Source, tiny: RunFactory) -> None:
    named = get_args(RunConfig.model_fields["augmentation"].annotation)
    for augmentation in sorted(found.train.augmentations.intersection(named)):
        data = load(tiny(dataset=found.name, dataset_params=given[1], augmentation=augmentation, validation=0.1))
        assert data.validation is not None
        assert len(data.train) + len(data.validation) == len(found.train)
        first = next(data.train_batches(20, seed=0, epoch=0))
        again = next(data.train_batches(20, seed=0, epoch=0))
        other = next(data.train_batches(20, seed=0, epoch=1))
        assert torch.equal(first[0], again[0])
        assert not torch.equal(first[0], other[0])
        for images, labels in (first, next(data.batches(data.validation, 20)), next(data.batches(data.test, 20))):
            assert images.shape == (20, *data.shape)
            assert images.dtype == torch.float32
            assert images.dim() != 4 or images.is_contiguous(memory_format=torch.channels_last)
            assert bool(images.isfinite().all())
            assert labels.dtype == torch.int64
            assert 0 <= int(labels.min()) <= int(labels.max()) < data.classes
