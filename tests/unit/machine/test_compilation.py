"""Compiled functions: the same values, a choice that follows from the length of a run, and a fallback that says so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dst_repro.machine.compilation import LONG, Compiled
from dst_repro.training.network import compile_forward
from dst_repro.training.run import train
from tests.conftest import RunFactory, TrainerFactory

compiler = pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="no C++ compiler here")


def doubled(x: Tensor) -> Tensor:
    return (x + x).relu()


@compiler
def test_same_values_as_eager() -> None:
    function = Compiled(doubled, wanted=True)
    x = torch.randn(50)
    assert torch.equal(function(x), doubled(x))
    assert function.active


def test_not_compiled_unless_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", None)
    function = Compiled(doubled, wanted=False)
    assert function(torch.tensor([2.0])).tolist() == [4.0]
    assert not function.active


def test_without_a_compiler_it_stays_eager_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    from torch._inductor import config

    function = Compiled(lambda x: (x * 3.25 + 1.5).relu(), wanted=True)
    with config.patch({"cpp.cxx": ("/no/such/compiler",)}):
        for _ in range(2):
            assert function(torch.tensor([2.0, -2.0])).tolist() == [8.0, 0.0]
    assert not function.active
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("not compiled, slower: ")


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR"])
def test_without_a_place_for_its_cache_it_stays_eager_and_says_so(tmp_path: Path, variable: str) -> None:
    (tmp_path / "file").touch()
    environment = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR")}
    code = (
        "import torch; from dst_repro.machine.compilation import Compiled; "
        "f = Compiled(lambda x: x * 2, True); f(torch.ones(1)); print(f(torch.ones(1)).item(), f.active)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment | {variable: str(tmp_path / "file")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2.0", "False"]
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("not compiled, slower: ")
    assert str(tmp_path / "file") in line


def test_an_error_of_the_function_itself_is_raised() -> None:
    with pytest.raises(RuntimeError, match="size"):
        Compiled(lambda x: x + torch.ones(3), wanted=True)(torch.ones(2))


@pytest.mark.parametrize(
    ("epochs", "compile_", "expected"), [(1, "auto", False), (200, "auto", True), (200, "off", False)]
)
def test_length_alone_decides(trainer: TrainerFactory, epochs: int, compile_: str, expected: bool) -> None:
    """Tiny runs have 23 steps an epoch."""
    context = trainer("dense", epochs=epochs, compile=compile_).method.context
    assert context.compiles is expected
    assert (context.total_steps >= LONG) is (epochs == 200)


@compiler
@pytest.mark.parametrize("method", ["dense", "dst"])
def test_compiled_forward_pass_trains_alike(trainer: TrainerFactory, method: str) -> None:
    """As on a GPU; here on the CPU. Full training batches are compiled, the last one and evaluation are not."""
    fields = {"epochs": 100, "method_params": {"alpha": 1e-3} if method == "dst" else {}}
    eager, compiled = trainer(method, **fields, compile="off"), trainer(method, **fields)
    compile_forward(compiled.model, compiled.method.context)
    for _ in range(2):
        expected, found = eager.run_epoch(), compiled.run_epoch()
        assert found.train_loss == pytest.approx(expected.train_loss, rel=1e-3)
        assert found.test_accuracy == pytest.approx(expected.test_accuracy, abs=0.02)
    assert compiled.method.context.compiled
    assert not eager.method.context.compiled


@compiler
def test_compiled_run_goes_on_to_the_bit(trainer: TrainerFactory) -> None:
    fields = {"epochs": 100, "method_params": {"alpha": 1e-3}}
    through, first, second = (trainer("dst", **fields) for _ in range(3))
    for _ in range(2):
        through.run_epoch()
    first.run_epoch()
    second.load_state_dict(first.state_dict())
    second.run_epoch()
    assert second.method.context.compiled
    assert second.history.rows == through.history.rows
    for a, b in zip(through.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(a, b)


@compiler
def test_record_says_that_its_run_was_compiled(tiny: RunFactory, results: Path) -> None:
    done = train(tiny("dst", method_params={"alpha": 1e-3}, epochs=90), results)
    assert done.status == "finished"
    assert done.compiled
