"""Records to look at: four runs, trained once and copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dst_repro.training.run import train
from tests.unit.cli.test_standing import suite_of

BLOCKS: list[dict[str, object]] = [
    {"set": {"method": "dense"}},
    {"set": {"method": "set", "density": 0.1, "method_params.update_period": 5}},
]


@pytest.fixture(scope="session")
def _four_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("four-runs")
    for run in suite_of(folder, BLOCKS, seeds=2).runs.values():
        train(run, folder / "results")
    return folder / "results"


@pytest.fixture
def elsewhere(_four_runs: Path, tmp_path: Path) -> Path:
    """A folder of results: dense and SET, two seeds each."""
    return Path(shutil.copytree(_four_runs, tmp_path / "elsewhere"))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The suite of these runs, which has no record of them."""
    suite_of(tmp_path, BLOCKS, seeds=2)
    return tmp_path / "suite.yaml"
