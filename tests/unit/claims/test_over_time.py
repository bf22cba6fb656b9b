"""Claims about steps and epochs: frames where they hold, fail, or neither."""

from __future__ import annotations

import pandas as pd
import pytest

from dst_repro.claims.over_time import accuracy, kept
from dst_repro.claims.recovery import DipsParams, active_again, both_ways, dips_and_recovers
from dst_repro.claims.step_by_step import StepByStepParams, step_by_step
from dst_repro.claims.tracks_dense import KeepsUpParams, TracksDenseParams, keeps_up_with_dense, tracks_dense
from dst_repro.records.frames import Frames
from dst_repro.tables.cells import Selected
from tests.unit.claims.by_hand import dense, dst, layers, with_history

THREE = layers(fc1=10.0, fc2=30.0, fc3=100.0)  # of 1,000 weights each
RUNS = [dst(5e-4, seed, 8.0, 98.0, layers=THREE) for seed in (0, 1)]
IDS = [str(row["id"]) for row in RUNS]
Counts = dict[str, list[float]]

STEPS = {
    "fc1": [990.0, 980.0, 970.0, 970.0],
    "fc2": [1000.0, 995.0, 990.0, 985.0],
    "fc3": [1000.0, 980.0, 990.0, 1000.0],
}
PRUNED = {"fc1": [12.0, 12.0, 11.0, 2.0], "fc2": [2.0, 7.0, 6.0, 6.0], "fc3": [1.0, 20.0, 0.0, 0.0]}
BACK = {"fc1": [2.0, 2.0, 1.0, 2.0], "fc2": [2.0, 2.0, 1.0, 1.0], "fc3": [1.0, 0.0, 10.0, 10.0]}
EPOCHS = {"fc1": [1000.0, 970.0, 500.0], "fc2": [1000.0, 985.0, 800.0], "fc3": [1000.0, 1000.0, 1000.0]}


def stepwise(kept: Counts = STEPS, pruned: Counts = PRUNED, back: Counts = BACK, epochs: Counts = EPOCHS,
             resets: float = 0.0, seeds: int = 2) -> Frames:  # fmt: skip
    """Every seed alike."""
    ids = IDS[:seeds]
    parts = [(("step_kept", kept), 1, "step"), (("step_pruned", pruned), 1, "step"),
             (("step_recovered", back), 1, "step"), (("kept", epochs), 0, "epoch")]  # fmt: skip
    made = [
        with_history(
            RUNS[:seeds], {(name, layer): dict.fromkeys(ids, values) for layer, values in counts.items()}, first, at
        )
        for (name, counts), first, at in parts
    ]
    made.append(with_history(RUNS[:seeds], {("resets", "fc1"): {key: [0.0, 0.0, resets] for key in ids}}))
    return Frames(made[0].runs, pd.concat([frame.history for frame in made], ignore_index=True))


def test_curves_are_percentages_by_epoch_and_seed() -> None:
    made = with_history(RUNS, {("kept", "fc1"): {IDS[0]: [1000.0, 100.0], IDS[1]: [1000.0, 200.0]},
                               ("kept", "fc2"): {key: [1000.0, 300.0] for key in IDS},
                               ("kept", "fc3"): {key: [1000.0, 1000.0] for key in IDS}})  # fmt: skip
    rows = made.runs.to_dict("records")
    assert kept(made, rows, "fc1").to_dict() == {0: {0: 100.0, 1: 10.0}, 1: {0: 100.0, 1: 20.0}}
    assert kept(made, rows).to_dict() == {0: {0: 100.0, 1: 1400 / 30}, 1: {0: 100.0, 1: 50.0}}
    assert accuracy(with_history(RUNS, {("test_accuracy", ""): {IDS[0]: [0.9]}}, 1), rows[:1]).to_dict() == {
        0: {1: 90.0}
    }


def test_step_by_step() -> None:
    answer = step_by_step(stepwise(), StepByStepParams())
    # fc1 changes in steps 1, 2 and 3 of 4, fc2 in 2, 3 and 4; step 2 takes 20 of 1,000 weights of fc3
    assert (answer.verdict, answer.statistic, answer.threshold) == ("holds", 75.0, 50.0)
    assert "one step removes at most 2.00 % of a layer" in answer.evidence
    assert answer.runs == tuple(IDS)


@pytest.mark.parametrize(
    "changed",
    [{"kept": STEPS | {"fc1": [1000.0, 1000.0, 1000.0, 970.0]}}, {"pruned": PRUNED | {"fc3": [60.0, 0.0, 0.0, 0.0]}},
     {"epochs": EPOCHS | {"fc2": [1000.0, 985.0, 991.0]}}, {"epochs": EPOCHS | {"fc1": [1000.0, 1000.0, 990.0]}}],
)  # fmt: skip
def test_step_by_step_fails_by_each_of_its_parts(changed: dict[str, Counts]) -> None:
    assert step_by_step(stepwise(**changed), StepByStepParams()).verdict == "fails"  # type: ignore[arg-type]


def test_a_rise_within_the_tolerance_is_none_and_one_seed_settles_nothing() -> None:
    assert (
        step_by_step(stepwise(epochs=EPOCHS | {"fc2": [1000.0, 985.0, 990.0]}), StepByStepParams()).verdict == "holds"
    )
    assert step_by_step(stepwise(seeds=1), StepByStepParams()).verdict == "inconclusive"
    assert step_by_step(with_history(RUNS, {}), StepByStepParams()).verdict == "not run"


def test_both_ways() -> None:
    answer = both_ways(stepwise(), Selected())
    assert (answer.verdict, answer.statistic) == ("holds", 6)  # fc2 got back 2 + 2 + 1 + 1
    nothing = both_ways(stepwise(back=BACK | {"fc2": [0.0] * 4}), Selected())
    assert (nothing.verdict, nothing.statistic) == ("fails", 0)
    a_reset = both_ways(stepwise(back=BACK | {"fc2": [0.0, 0.0, 990.0, 0.0]}), Selected())
    assert (a_reset.verdict, a_reset.statistic) == ("fails", 0)
    assert both_ways(stepwise(seeds=1), Selected()).verdict == "inconclusive"
    assert both_ways(with_history(RUNS, {}), Selected()).verdict == "not run"


def test_active_again_is_shown_by_counts_alone_or_not_at_all() -> None:
    some = active_again(stepwise(), Selected())  # of fc3: 980 at step 2, 1,000 at the end
    assert (some.verdict, some.statistic) == ("inconclusive", pytest.approx(0.0))
    assert "of 1 of 3 layers (fc3)" in some.evidence
    risen = {"fc1": [1000.0, 400.0, 500.0], "fc2": [1000.0, 700.0, 800.0], "fc3": [1000.0, 990.0, 1000.0]}
    every = active_again(stepwise(epochs=risen), Selected())
    assert (every.verdict, every.statistic) == ("holds", pytest.approx(2.0))  # fc3: 98 % at step 2
    assert active_again(stepwise(epochs=risen, resets=1.0), Selected()).verdict == "not run"


def test_a_layer_dips_and_recovers() -> None:
    answer = dips_and_recovers(stepwise(), DipsParams())
    assert (answer.verdict, answer.statistic, answer.threshold) == ("holds", 98.0, 99.0)
    assert dips_and_recovers(stepwise(), DipsParams(below=98.0)).verdict == "fails"
    assert dips_and_recovers(stepwise(), DipsParams(within=1)).verdict == "fails"
    ends_low = EPOCHS | {"fc3": [1000.0, 1000.0, 980.0]}
    assert dips_and_recovers(stepwise(epochs=ends_low), DipsParams()).verdict == "fails"
    assert dips_and_recovers(stepwise(seeds=1), DipsParams()).verdict == "inconclusive"


DENSE = [dense(seed, 98.0) for seed in (0, 1)]


def epochs(*gaps: float, seeds: int = 2) -> Frames:
    """Sparse less dense in points from epoch 1 on, a tenth more and less of the seeds."""
    curves = {str(row["id"]): [0.9] * len(gaps) for row in DENSE}
    curves |= {run: [0.9 + (gap + sign * 0.1) / 100 for gap in gaps]
               for run, sign in zip(IDS[:seeds], (1, -1), strict=False)}  # fmt: skip
    return with_history([*DENSE, *RUNS[:seeds]], {("test_accuracy", ""): curves}, 1)


@pytest.mark.parametrize(
    ("gaps", "verdict", "statistic"),
    [((-5.0, -2.0, -0.3, 0.4, 0.1), "holds", 0.4), ((0.0, 0.0, 0.0, -0.6, 0.5), "fails", -0.6),
     ((0.0, 0.0, 0.0, 0.6, 0.5), "fails", 0.6)],
)  # fmt: skip
def test_tracks_dense(gaps: tuple[float, ...], verdict: str, statistic: float) -> None:
    answer = tracks_dense(epochs(*gaps), TracksDenseParams())
    assert answer.verdict == verdict
    assert answer.statistic == pytest.approx(statistic)
    # two seeds 0.1 above and below: half an interval 12.7062 * 0.1 = 1.27
    assert answer.high - answer.statistic == pytest.approx(1.27062, abs=1e-4)
    assert answer.runs == (*IDS, *(str(row["id"]) for row in DENSE))


def test_tracks_dense_needs_both_and_two_seeds() -> None:
    assert tracks_dense(epochs(0.0, 0.0, 0.0), TracksDenseParams(first=4)).verdict == "not run"
    assert tracks_dense(with_history(RUNS, {}), TracksDenseParams()).verdict == "not run"
    assert "there are 1 and 0" in tracks_dense(with_history(RUNS, {}), TracksDenseParams()).evidence
    lone = epochs(0.0, 0.0, 0.0, 0.0)
    part = Frames(lone.runs[lone.runs["seed"] == 0], lone.history)
    assert tracks_dense(part, TracksDenseParams()).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("gaps", "verdict", "share"),
    # averages over two epochs, from epoch 3 on
    [((-9.0, -9.0, 8.0, 0.0, -0.5, -0.5), "holds", 1.0), ((0.0, 0.0, 0.0, -1.2, 0.0, 0.0), "fails", 0.5)],
)  # fmt: skip
def test_keeps_up_with_dense(gaps: tuple[float, ...], verdict: str, share: float) -> None:
    answer = keeps_up_with_dense(epochs(*gaps), KeepsUpParams(after=2, window=2))
    assert (str(answer.verdict), answer.statistic) == (verdict, pytest.approx(share))
    assert answer.threshold == 0.9
    assert keeps_up_with_dense(epochs(*gaps), KeepsUpParams(after=6, window=2)).verdict == "not run"
