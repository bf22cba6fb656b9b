"""Rules about masks and choices of weights, with counts by hand."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from dst_repro.claims.full_density import DropoutParams, FullParams, as_dropout, trains_as_dense
from dst_repro.claims.masks_move import MoveParams, masks_move
from dst_repro.claims.prunes_its_share import PrunesParams, prunes_its_share
from dst_repro.claims.same_weights import WeightsParams, same_weights
from dst_repro.records.frames import Frames
from tests.small import HISTORY, frames
from tests.unit.claims.grids import cell, pruned

LAYERS = json.dumps([{"name": n, "shape": [1000], "numel": 1000, "kept": 100} for n in ("fc1", "fc2")])
Rows = list[dict[str, object]]
Event = tuple[str, int, int, str, str, float]


def counted(rows: Rows, events: list[Event]) -> Frames:
    return Frames(frames(*rows).runs, pd.DataFrame(events, columns=HISTORY))


def moved(*fc1: float, fc2: float = 20.0) -> Frames:
    """Of 100 active weights in each of two layers so many are still those of the start, a run each."""
    rows = pruned("magnitude", *[90.0] * len(fc1), layers=LAYERS)
    events = [(str(row["id"]), 10 * epoch, epoch, layer, name, value)
              for row, left in zip(rows, fc1, strict=True)
              for epoch, share in ((0, 100.0), (1, None))
              for layer, own in (("fc1", left), ("fc2", fc2))
              for name, value in (("kept", 100.0), ("from_start", share or own), ("explored", 150.0))]  # fmt: skip
    return counted(rows, events)


@pytest.mark.parametrize(
    ("left", "verdict"), [((50.0, 50.0), "holds"), ((70.0, 60.0), "inconclusive"), ((90.0, 90.0), "fails")]
)
def test_masks_move(left: tuple[float, ...], verdict: str) -> None:
    """Layers 1/3 and 1/9; 0.54, 0.43 and 1/9; 0.82 and 1/9, of which the network has 110 / 290 and the mean is 0.46;
    in the last case both layers keep 90.
    """
    answer = masks_move(moved(*left, fc2=90.0 if verdict == "fails" else left[0]), MoveParams())
    assert (answer.verdict, answer.threshold, len(answer.runs)) == (verdict, 0.5, 2)
    if verdict == "holds":
        assert answer.statistic == pytest.approx(1 / 3)
    if verdict == "fails":
        assert answer.statistic == pytest.approx(90 / 110)
    assert "of random masks at most 0.05" in answer.evidence  # 0.1 / 1.9


def test_masks_of_one_seed_and_of_higher_density() -> None:
    assert masks_move(moved(50.0), MoveParams()).verdict == "inconclusive"
    assert masks_move(frames(*pruned("magnitude", 90.0, density=0.3)), MoveParams()).verdict == "not run"
    assert masks_move(frames(*pruned("magnitude", 90.0)), MoveParams()).verdict == "not run"


PAIRS = {("magnitude", "mest"): 9.0, ("magnitude", "each-sign-equal"): 10.0, ("mest", "each-sign-equal"): 9.0,
         ("magnitude", "snip"): 6.0, ("magnitude", "reciprocal-sensitivity"): 6.0,
         ("snip", "reciprocal-sensitivity"): 4.0}  # fmt: skip


def chosen(random: float = 1.0, seeds: int = 2, **changed: float) -> Frames:
    """Each criterion chooses 10 of 100 weights; indices are common / (20 - common): 9 -> 0.82, 6 -> 0.43, 4 -> 0.25.

    Of random sets 10 * 10 / 100 = 1 is common: 1 / 19.
    """
    names = dict.fromkeys(name for pair in PAIRS for name in pair)
    pairs = {f"{a}/{b}": changed.get(f"{a}_{b}", value) for (a, b), value in PAIRS.items()}
    pairs |= {f"{name}/random": random for name in names}
    for a in names:
        for b in names:
            if a != b and not {f"{a}/{b}", f"{b}/{a}"} & set(pairs):
                pairs[f"{a}/{b}"] = 5.0
    rows = pruned("magnitude", *[90.0] * seeds, layers=LAYERS)
    events: list[Event] = []
    for row in rows:
        id_ = str(row["id"])
        events += [(id_, 10, 1, "fc1", f"selected/{name}", 10.0) for name in (*names, "random")]
        events += [(id_, 10, 1, "fc1", f"common/{pair}", value) for pair, value in pairs.items()]
        events.append((id_, 10, 1, "fc1", "kept", 100.0))
    return counted(rows, events)


@pytest.mark.parametrize(
    ("given", "verdict", "lowest"),
    [({}, "holds", 9 / 11), ({"magnitude_mest": 8.0}, "fails", 8 / 12), ({"magnitude_snip": 4.0}, "fails", 9 / 11),
     ({"random": 1.3}, "holds", 9 / 11), ({"random": 1.5}, "fails", 9 / 11), ({"seeds": 1}, "inconclusive", 9 / 11)],
)  # fmt: skip
@pytest.mark.parametrize("when", ["first", "always"])
def test_which_criteria_choose_the_same_weights(
    given: dict[str, float], verdict: str, lowest: float, when: str
) -> None:
    """1.3 common weights are an index of 0.070, 1.5 of 0.081; random sets have 0.053."""
    answer = same_weights(chosen(**given), WeightsParams(when=when))  # type: ignore[arg-type]
    assert (answer.verdict, answer.statistic, answer.threshold) == (verdict, pytest.approx(lowest), 0.8)
    assert len(answer.runs) == given.get("seeds", 2)


def test_nothing_was_compared() -> None:
    assert same_weights(frames(*pruned("magnitude", 90.0)), WeightsParams()).verdict == "not run"


COSINE = {"update_period": 10, "update_end": 1.0, "prune_rate": 0.4, "decay": "cosine"}


def selecting(first: float, second: float) -> Frames:
    """Of 200 active weights at steps 20 and 40 of 60: rates of 0.4 * (1 + cos(pi / 3)) / 2 = 0.3, and of 0.1."""
    rows = pruned("magnitude", 90.0, method_params=COSINE, epochs=3)
    id_ = str(rows[0]["id"])
    events: list[Event] = [(id_, 60, 3, "fc1", "kept", 200.0)]
    for step, number in ((25, first), (45, second)):
        events += [(id_, step, step // 20, "fc1", "selected/each-sign-equal", number),
                   (id_, step, step // 20, "fc1", "kept", 200.0),
                   (id_, step, step // 20, "full", "kept", 50.0)]  # fmt: skip
    return counted(rows, events)


@pytest.mark.parametrize(
    ("second", "verdict", "off"), [(20.0, "holds", 0.0), (21.0, "holds", 0.005), (22.0, "fails", 0.01)]
)
def test_as_many_as_the_rate_says(second: float, verdict: str, off: float) -> None:
    answer = prunes_its_share(selecting(60.0, second), PrunesParams(tolerance=0.0051))
    assert (answer.verdict, answer.statistic) == (verdict, pytest.approx(off, abs=1e-9))


@pytest.mark.parametrize(("second", "verdict"), [(50.0, "holds"), (30.0, "fails")])
def test_far_more_at_the_last_update(second: float, verdict: str) -> None:
    answer = prunes_its_share(selecting(60.0, second), PrunesParams(far_more=2.0))
    assert (answer.verdict, answer.statistic, answer.threshold) == (verdict, pytest.approx(second / 20), 2.0)
    assert "SET selects at the last update " in answer.evidence


def test_a_criterion_that_no_run_compared() -> None:
    assert prunes_its_share(selecting(60, 20), PrunesParams(criterion="each-sign-released")).verdict == "not run"


def full(accuracies: tuple[float, ...], loss: float, layers: str) -> Rows:
    rows = pruned("magnitude", *accuracies, density=1.0, method_params={"dense_layers": layers})
    return [row | {"last.train_loss": loss, "last.test_loss": 0.5} for row in rows]


def dense(*accuracies: float, dropout: float | None = None) -> Rows:
    more = {"config": {"model_params": {"dropout": dropout}}, "model_params.dropout": dropout} if dropout else {}
    rows = cell("dense", accuracies, **more)
    return [row | {"last.train_loss": 0.25, "last.test_loss": 0.5} for row in rows]


@pytest.mark.parametrize(
    ("loss", "layers", "same", "verdict", "share"),
    [(0.25, "skipped", True, "holds", 1.0), (0.2500001, "skipped", True, "fails", 0.0),
     (0.26, "reset", False, "holds", 0.0), (0.25, "reset", False, "fails", 1.0)],
)  # fmt: skip
def test_as_dense_to_the_last_bit(loss: float, layers: str, same: bool, verdict: str, share: float) -> None:
    rows = full((90, 91), loss, layers) + dense(90, 91)
    answer = trains_as_dense(frames(*rows), FullParams(dense_layers=layers, same=same))  # type: ignore[arg-type]
    assert (answer.verdict, answer.statistic, len(answer.runs)) == (verdict, share, 4)


def test_without_a_dense_run_of_its_seed() -> None:
    assert trains_as_dense(frames(*full((90,), 0.25, "skipped")), FullParams()).verdict == "not run"
    assert as_dropout(frames(*full((90,), 0.25, "reset")), DropoutParams()).verdict == "not run"


@pytest.mark.parametrize(
    ("accuracies", "verdict"), [((90.1, 91.1), "holds"), ((90.6, 91.2), "inconclusive"), ((92, 93.01), "fails")]
)
def test_as_dropout(accuracies: tuple[float, ...], verdict: str) -> None:
    rows = full(accuracies, 0.3, "reset") + dense(90, 91, dropout=0.05) + dense(89, 90)
    answer = as_dropout(frames(*rows), DropoutParams())
    assert (answer.verdict, answer.threshold) == (verdict, 0.5)
    assert "; dropout less dense +1.00 points" in answer.evidence
