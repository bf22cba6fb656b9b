"""What a run is judged by: an evaluation, the epochs to report, and the density that was asked for."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from dst_repro.cli import main
from dst_repro.data.base import Data
from dst_repro.data.parts import Images
from dst_repro.methods.static import Static
from dst_repro.records import record
from dst_repro.records.record import Metrics
from dst_repro.training.evaluation import MissedTarget, check_target, evaluate, select
from dst_repro.training.run import train
from dst_repro.training.state import read_state
from tests.conftest import RunFactory, TrainerFactory


def test_evaluation_by_hand(trainer: TrainerFactory, digits: Data) -> None:
    """One pass over all 360 images in float64 without the loop's batches."""
    run = trainer("static", density=0.2)
    run.run_epoch()
    accuracy, loss, top5 = run.evaluate(digits.test)
    assert top5 is None
    with torch.no_grad():
        logits = run.model(digits.test.images / 16).double()
    assert accuracy == int((logits.argmax(1) == digits.test.labels).sum()) / 360
    assert loss == pytest.approx(float(functional.cross_entropy(logits, digits.test.labels)), rel=1e-5)


def epochs(*values: tuple[float, float | None, bool]) -> list[tuple[Metrics, bool]]:
    """(test accuracy, validation accuracy, at target) of consecutive epochs."""
    rest = {"density": 0.5, "train_loss": 1.0, "test_loss": 1.0}
    return [
        (Metrics(epoch=i, test_accuracy=test, validation_accuracy=held_out, **rest), eligible)
        for i, (test, held_out, eligible) in enumerate(values, start=1)
    ]


def test_selection_takes_the_earliest_best_epoch_at_target() -> None:
    found = epochs((0.99, 0.99, False), (0.7, 0.6, True), (0.9, 0.5, True), (0.9, 0.6, True), (0.8, 0.1, True))
    selected = select(found)
    assert (selected.last.epoch, selected.best_on_validation.epoch, selected.best_on_test.epoch) == (5, 2, 3)


def test_selection_without_candidates() -> None:
    assert select(epochs((0.9, None, True), (0.8, None, True))).best_on_validation is None
    selected = select(epochs((0.9, 0.9, False)))
    assert (selected.last.epoch, selected.best_on_validation, selected.best_on_test) == (1, None, None)


@pytest.mark.parametrize(("wanted", "said"), [(range(50_200, 50_201), None), (None, None),
                                              (range(7, 8), "7"), (range(7, 10), "7 to 9")])  # fmt: skip
def test_the_target_is_met_exactly_or_within_its_range(
    trainer: TrainerFactory, monkeypatch: pytest.MonkeyPatch, wanted: range | None, said: str | None
) -> None:
    run = trainer("dense")
    monkeypatch.setattr(run.method, "wanted", lambda: wanted)
    if said is None:
        check_target(run.method)
    else:
        with pytest.raises(MissedTarget, match=f"^it ends with 50200 of 50200 weights; asked for were {said}$"):
            check_target(run.method)


@pytest.fixture
def _one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Static masks keep one weight more than asked for."""
    asked = Static.initial_masks

    def more(self: Static) -> dict[str, Tensor]:
        masks = asked(self)
        flat = masks["fc1"].view(-1)
        flat[(~flat).nonzero()[0]] = True
        return masks

    monkeypatch.setattr(Static, "initial_masks", more)


@pytest.mark.usefixtures("_one_too_many")
def test_a_run_that_misses_its_target_is_a_failed_one(
    tiny: RunFactory, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """10 % of 50,200 weights are 5,020. It is trained to its end, so that its history tells what went on."""
    run, reason = tiny("static", density=0.1), "it ends with 5021 of 50200 weights; asked for were 5020"
    assert main(["train", run.json_text(), "--results", str(results), "--keep-state"]) == 0
    assert f"{run.id}  failed: {reason}" in capsys.readouterr().err
    done = record.read(results, run.id)
    assert (done.status, done.reason, done.metrics) == ("failed", reason, None)
    assert sum(layer.kept for layer in done.layers) == 5021
    table = pq.read_table(record.folder(results, run.id) / "history.parquet").to_pandas()
    assert list(table.loc[table["name"] == "test_accuracy", "epoch"]) == [1, 2]
    assert read_state(results, run).status == "failed"
    assert not list((results / ".checkpoints").glob("*.pt"))


def test_a_run_that_meets_its_target_is_finished(tiny: RunFactory, results: Path) -> None:
    assert train(tiny("static", density=0.1), results).status == "finished"


def test_top5_is_told_of_many_classes() -> None:
    """Logits are the input itself: the label is first, fifth and sixth of 200."""
    logits = torch.zeros(3, 200)
    logits[:, 10:15] = torch.tensor([60.0, 50, 40, 30, 20])
    logits[:, 7] = torch.tensor([65.0, 25.0, 15.0])
    part = Images(logits[:, :, None, None], torch.full((3,), 7))
    data = Data(name="x", train=part, validation=None, test=part, classes=200, divisor=1.0, note="", sha256={})
    score = evaluate(torch.nn.Flatten(), data, part, torch.device("cpu"), "float32")
    assert (score.accuracy, score.top5) == (1 / 3, 2 / 3)
