"""The history: long rows, and mask transitions counted by hand."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from dst_repro.methods.base import Context, Method
from dst_repro.training.history import SCHEMA, History
from tests.conftest import RunFactory, TrainerFactory


class Scripted(Method):
    """Its masks are those of a list, one a step."""

    def __init__(self, context: Context, masks: list[list[int]]) -> None:
        super().__init__(None, context)
        self.script, self.now = masks, 0

    def masks(self) -> dict[str, Tensor]:
        return {"fc": torch.tensor(self.script[self.now], dtype=torch.bool)}

    def events(self) -> dict[str, dict[str, float]]:
        return {"resets": {"fc": float(self.now)}}


def scripted(tiny: RunFactory) -> Scripted:
    return Scripted(Context(tiny(), 1), [[1, 1, 1, 0], [1, 0, 0, 1], [1, 0, 0, 1], [0, 1, 0, 0]])


def test_steps_count_pruned_and_recovered(tiny: RunFactory) -> None:
    method, history = scripted(tiny), History()
    history.begin_steps(method)
    for method.now in (1, 2, 3):
        history.step(method.now, 1, method)
    by_name = {n: [v for _, _, _, name, v in history.rows if name == n] for _, _, _, n, _ in history.rows}
    assert by_name == {"step_kept": [2, 2, 1], "step_pruned": [2, 0, 2], "step_recovered": [1, 0, 1]}
    assert [(row[0], row[1], row[2]) for row in history.rows[::3]] == [(1, 1, "fc"), (2, 1, "fc"), (3, 1, "fc")]


def test_masks_changed_in_place_are_still_noticed(tiny: RunFactory) -> None:
    method, history = scripted(tiny), History()
    kept = torch.tensor([True, True])
    method.masks = lambda: {"fc": kept}
    history.begin_steps(method)
    kept[0] = False
    history.step(1, 1, method)
    assert (1, 1, "fc", "step_pruned", 1.0) in history.rows


def test_epochs_have_counts_and_events(tiny: RunFactory) -> None:
    method, history = scripted(tiny), History()
    method.now = 3
    history.layers(20, 2, method)
    history.network(20, 2, {"density": 0.25, "validation_accuracy": None})
    assert history.rows == [
        (20, 2, "fc", "kept", 1.0),
        (20, 2, "fc", "resets", 3.0),
        (20, 2, "", "density", 0.25),
    ]


def test_file_has_the_schema_and_the_rows(tmp_path: Path) -> None:
    rows = [(1, 0, "fc", "kept", 3.0), (1, 1, "", "density", 1 / 3)]
    History(rows).write(tmp_path / "a" / "history.parquet")
    table = pq.read_table(tmp_path / "a" / "history.parquet")
    assert table.schema.equals(SCHEMA)
    assert [tuple(row.values()) for row in table.to_pylist()] == rows
    assert table.schema.field("value").type == pa.float64()


def test_empty_history_is_a_file_too(tmp_path: Path) -> None:
    History().write(tmp_path / "history.parquet")
    assert pq.read_table(tmp_path / "history.parquet").num_rows == 0


def test_rows_of_a_training(trainer: TrainerFactory) -> None:
    """Two epochs of 23 steps, 30 of them recorded one by one: epoch rows at 0, 23, 46; step rows 1 to 30."""
    run = trainer("dst", method_params={"alpha": 1e-3}, step_history=30)
    run.run_epoch()
    run.run_epoch()
    rows = run.history.rows
    assert [(s, e) for s, e, layer, name, _ in rows if (layer, name) == ("fc1", "kept")] == [(0, 0), (23, 1), (46, 2)]
    steps = [(s, e) for s, e, layer, name, _ in rows if (layer, name) == ("fc2", "step_kept")]
    assert steps == [(s, 1 if s <= 23 else 2) for s in range(1, 31)]
    value = {(s, layer, name): v for s, _, layer, name, v in rows}
    for layer in ("fc1", "fc2", "fc3"):
        assert value[23, layer, "kept"] == value[23, layer, "step_kept"]
        before = value[0, layer, "kept"]
        for s in range(1, 31):
            after = before - value[s, layer, "step_pruned"] + value[s, layer, "step_recovered"]
            assert after == value[s, layer, "step_kept"]
            before = after
    kept = sum(value[46, layer, "kept"] for layer in ("fc1", "fc2", "fc3"))
    assert value[46, "", "density"] == kept / (64 * 300 + 30_000 + 1_000)
    assert value[46, "", "learning_rate"] == 0.05
