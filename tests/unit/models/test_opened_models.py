"""A model of torch's own attention and Conv1d in a suite: opened, its weights are masked, counted and on paths."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dst_repro.methods.base import maskable
from dst_repro.models.slots import open_parameters
from dst_repro.plan import catalogue
from dst_repro.records import flops
from dst_repro.registry import Params, models
from dst_repro.sparsity.health import effective
from dst_repro.training.parents import provide_states
from dst_repro.training.run import train
from tests.conftest import RunFactory
from tests.contract.test_methods import one_each

ROOT = Path(__file__).parents[3]
UNITS = 6


class Rows(nn.Module):
    """The rows of an image as tokens."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.row = nn.Conv1d(width, UNITS, 3, padding=1)
        self.attention = nn.MultiheadAttention(UNITS, 2, batch_first=True)
        self.fc = nn.Linear(UNITS, classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.row(x.flatten(1, 2).transpose(1, 2)).transpose(1, 2)
        mixed, _ = self.attention(tokens, tokens, tokens)
        found: Tensor = self.fc((tokens + mixed).mean(1))
        return found


def opened(shape: tuple[int, ...] = (1, 8, 8), classes: int = 10) -> nn.Module:
    network = Rows(shape[2], classes)
    open_parameters(network)
    return network


LAYERS = {
    "row.masked_weight": (UNITS, 8, 3),
    "attention.masked_in_proj_weight": (3 * UNITS, UNITS),
    "attention.out_proj": (UNITS, UNITS),
    "fc": (10, UNITS),
}


@pytest.fixture(scope="module")
def registered() -> Iterator[str]:
    """As a plug-in would have it, for this file's tests."""

    @models.register("rows-of-tests", Params)
    def rows(shape: tuple[int, ...], classes: int, params: Params) -> nn.Module:
        """rows: of tests, 438 parameters on 1x8x8"""
        return opened(shape, classes)

    catalogue._catalogue.cache_clear()
    described = catalogue._describe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "_catalogue", lambda _: described)
        yield "rows-of-tests"
    models._entries.pop("rows-of-tests")


@pytest.mark.parametrize("fields", one_each())
def test_every_method_trains_it(fields: dict[str, Any], tiny: RunFactory, tmp_path: Path, registered: str) -> None:
    run = tiny(**fields | {"model": registered, "epochs": 2})
    provide_states(run, tmp_path)
    record = train(run, tmp_path)
    assert record.status == "finished", record.reason
    assert {layer.name: layer.shape for layer in record.layers} == LAYERS
    assert record.unmasked == {}
    assert record.effective is not None


def test_all_of_it_is_on_a_path() -> None:
    masks = {name: torch.ones(shape, dtype=torch.bool) for name, shape in LAYERS.items()}
    assert all(bool(found.all()) for found in effective(opened(), (1, 8, 8), masks).values())


def test_a_query_needs_its_key_and_a_head_its_values() -> None:
    masks = {name: torch.ones(shape, dtype=torch.bool) for name, shape in LAYERS.items()}
    inner = masks["attention.masked_in_proj_weight"]  # rows: 6 queries, 6 keys, 6 values; heads of 3
    inner[UNITS + 1] = False  # a key of the first head
    inner[2 * UNITS + 3 :] = False  # the values of the second
    found = effective(opened(), (1, 8, 8), masks)
    rows = found["attention.masked_in_proj_weight"].any(1)
    assert [n for n in range(18) if not rows[n]] == [1, 3, 4, 5, 7, 9, 10, 11, 15, 16, 17]
    assert found["attention.out_proj"].any(0).tolist() == [True] * 3 + [False] * 3
    assert bool(found["row.masked_weight"].all())


def test_operations_by_hand(registered: str) -> None:
    """Eight tokens meet every weight once but for those of the last layer."""
    flops.uses.cache_clear()
    used = flops.uses(registered, "{}", (1, 8, 8), 10)
    assert used == {
        "row.masked_weight": (144, 8),
        "attention.masked_in_proj_weight": (108, 8),
        "attention.out_proj": (36, 8),
        "fc": (60, 1),
    }


def test_the_example_of_a_model_from_outside_is_masked_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One call trains it by RigL, without any file; its attention counts in the density."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").symlink_to(ROOT / "config")
    settings = [
        "dataset=digits",
        "model=row-transformer",
        "method=rigl",
        "density=0.1",
        "learning_rate=0.05",
        "epochs=2",
    ]
    settings += ["method_params.update_period=5"]
    call = [sys.executable, "-m", "dst_repro", "train", "--plugin", str(ROOT / "examples/my_model.py"), *settings]
    said = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "finished; test accuracy" in said.stdout
    assert "density 10.00 %" in said.stdout
    assert "no method masks" not in said.stderr
    record = json.loads(next((tmp_path / "results/runs").glob("*/record.json")).read_text())
    layers = {layer["name"]: layer["numel"] for layer in record["layers"]}
    assert layers["encoder.self_attn.masked_in_proj_weight"] == 3 * 64 * 64
    assert record["unmasked"] == {}
    assert all(layer["effective"] is not None for layer in record["layers"])


def test_the_example_states_its_size() -> None:
    spec = importlib.util.spec_from_file_location("my_model_of_tests", ROOT / "examples/my_model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        network = module.row_transformer((3, 32, 32), 10, module.RowTransformerParams())
    finally:
        models._entries.pop("row-transformer")
    weights = sum(layer.weight.numel() for layer in maskable(network).values())
    sizes = f"{sum(p.numel() for p in network.parameters()):,} parameters on 3x32x32, {weights:,} of them weights"
    assert sizes in module.row_transformer.__doc__
