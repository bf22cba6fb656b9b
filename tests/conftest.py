"""What the tests share: tiny runs on real digits, one torch thread, a plug-in cache of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from dst_repro.data.base import Data, load
from dst_repro.methods.base import Context, Method
from dst_repro.plan.config import RunConfig
from dst_repro.registry import methods
from dst_repro.training.loop import Trainer
from dst_repro.training.parents import provide_states
from dst_repro.training.state import begin

RunFactory = Callable[..., RunConfig]
TrainerFactory = Callable[..., Trainer]
MethodFactory = Callable[..., Method]

CACHE = pytest.StashKey[str]()
GPU_TESTS_ON = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """The catalogue is cached by its source; a cache of this session's own never meets another checkout's.

    Tests compute on the CPU, also where there is a GPU, except for those that are marked `gpu`.
    """
    config.stash[CACHE] = os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="dst_repro-tests-")
    wanted = os.environ.get("DST_DEVICE") or "cuda"
    config.stash[GPU_TESTS_ON] = os.environ.setdefault("DST_GPU_TESTS_ON", wanted)  # inherited by xdist's workers
    os.environ["DST_DEVICE"] = "cpu"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and item.config.stash[GPU_TESTS_ON] != "cpu" and not torch.cuda.is_available():
        pytest.skip("torch sees no GPU")


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[CACHE], ignore_errors=True)


def thinned(*values: Any, id: str, quick: bool) -> Any:  # noqa: A002 - as pytest calls it
    """A parameter of a test; one that is not quick is a repetition of a kind that others stand for: `make test-all`."""
    return pytest.param(*values, id=id, marks=() if quick else pytest.mark.slow)


def first_of(values: Iterable[Any], number: int = 1) -> list[Any]:
    """Parameters of a test, several to a tuple; all but the first are repetitions, as in `thinned`."""
    rows = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*row, marks=[pytest.mark.slow] if i >= number else []) for i, row in enumerate(rows)]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _tiny(method: str = "dense", **fields: Any) -> RunConfig:
    """Two epochs of 23 steps on 8x8 digits; `fields` are those of a run."""
    base = {
        "dataset": "digits",
        "dataset_params": {"size": 8},
        "model": "lenet-300-100",
        "learning_rate": 0.05,
        "epochs": 2,
        "seed": 0,
    }
    return RunConfig.parse(base | {"method": method} | fields)


@pytest.fixture(scope="session")
def tiny() -> RunFactory:
    return _tiny


@pytest.fixture(scope="session")
def digits() -> Data:
    """Digits at 8x8 without a validation split, as a tiny run has them."""
    return load(_tiny())


@pytest.fixture
def trainer(digits: Data, tmp_path: Path) -> TrainerFactory:
    """A trainer of a tiny run on the CPU. The runs that it begins with are trained."""

    def make(method: str = "dense", **fields: Any) -> Trainer:
        run = _tiny(method, **fields)
        provide_states(run, tmp_path / "parents")
        return Trainer(run, digits, torch.device("cpu"), *begin(run, tmp_path / "parents"))

    return make


@pytest.fixture
def build() -> MethodFactory:
    """A method on a model of the test's own: `build(model, "rigl", steps=100, density=0.5, ...)`, prepared."""

    def make(model: torch.nn.Module, method: str, steps: int = 100, data: Data | None = None, **fields: Any) -> Method:
        config = _tiny(method, **{"epochs": 1} | fields)
        entry = methods[method]
        context = Context(config, steps // config.epochs, data)
        made: Method = entry.object(entry.params(**config.method_params), context)
        made.prepare(model)
        return made

    return make


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


@pytest.fixture
def mnist_root(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with MNIST, named by `DST_DATA`; the test is skipped where there is none."""
    for root in filter(None, (os.environ.get("DST_DATA"), "data")):
        if (Path(root) / "MNIST" / "raw" / "train-images-idx3-ubyte").is_file():
            monkeypatch.setenv("DST_DATA", root)
            return Path(root)
    pytest.skip("no MNIST in DST_DATA or ./data")
