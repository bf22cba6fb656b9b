"""Weights that no method masks: which they are, and that they stand in the record and in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from dst_repro.cli import listing, main
from dst_repro.records.record import density_of_all
from dst_repro.sparsity.unmasked import told, unasked, unmasked
from dst_repro.training.parents import provide_states
from dst_repro.training.run import train
from tests.conftest import RunFactory
from tests.contract.test_methods import one_each

NETWORK = {"model": "vit-tiny", "model_params": {"width": 0.125, "depth": 1}, "epochs": 2}
BESIDE = {"tokens.class_token": (1, 1, 24), "tokens.positions": (1, 5, 24)}  # four patches of 8x8 digits


def test_layers_that_say_so_are_unmasked_by_choice() -> None:
    network = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 4), nn.Conv1d(4, 2, 1), nn.Linear(2, 2))
    network[3].maskable = False  # type: ignore[assignment]
    assert unmasked(network) == {"0.weight": (7, 3), "2.weight": (2, 4, 1), "3.weight": (2, 2)}
    assert unasked(network) == ["0.weight", "2.weight"]


def test_the_density_of_all_weights_by_hand() -> None:
    assert density_of_all(10, 100, {"a": (1, 1, 24), "b": (1, 5, 24)}) == (10 + 144) / (100 + 144)
    assert density_of_all(10, 100, {}) == 0.1


@pytest.mark.parametrize("fields", one_each())
def test_every_method_s_record_says_what_it_does_not_mask(
    tiny: RunFactory, fields: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also those that train more beside the weights of a layer, and that put others in their place."""
    chosen = tiny(**fields | NETWORK)
    provide_states(chosen, tmp_path)
    capfd.readouterr()
    record = train(chosen, tmp_path)
    assert record.status == "finished", record.reason
    assert record.unmasked == BESIDE
    kept, numel = sum(layer.kept for layer in record.layers), sum(layer.numel for layer in record.layers)
    assert record.density_of_all == (kept + 144) / (numel + 144)
    assert record.effective is not None
    assert (told(BESIDE) in capfd.readouterr().err) == (record.run.method != "dense")


def test_explain_tells_the_density_of_all_weights(tiny: RunFactory, tmp_path: Path) -> None:
    chosen = tiny(method="static", density=0.1, **NETWORK)
    found = train(chosen, tmp_path)
    said = "\n".join(listing._layers(found))
    assert found.density_of_all is not None
    assert f"density:     {100 * found.density_of_all:.2f} % of all weights" in said
    assert [line.split() for line in said.splitlines() if "not masked" in line] == [
        ["tokens.class_token", "24", "not", "masked"],
        ["tokens.positions", "120", "not", "masked"],
    ]


def test_the_plan_of_a_suite_tells_what_will_stay_dense(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is trained, of sparse runs alone."""
    (tmp_path / "config/experiments").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    base = {"dataset": "digits", "learning_rate": 0.05, "seed": 0, **NETWORK}
    blocks = [{"set": {"method": "dense"}}, {"set": {"method": "static", "density": 0.1}}]
    for chosen, expected in ((blocks[:1], []), (blocks, [f"  model vit-tiny: {told(BESIDE)}"])):
        text = {"experiment": "e", "title": "E", "base": base, "blocks": chosen}
        Path("config/experiments/e.yaml").write_text(json.dumps(text))
        Path("config/s.yaml").write_text(json.dumps({"suite": "s", "title": "S", "experiments": ["e"]}))
        assert main(["list", "--suite", "config/s.yaml"]) == 0
        said = capsys.readouterr().out.splitlines()
        assert [line for line in said if line.startswith("  model ")] == expected
