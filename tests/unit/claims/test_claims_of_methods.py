"""Claims about two methods, resets and unstated choices: frames where they hold, fail, or neither."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from dst_repro.claims.beats_at_density import BeatsParams, beats_at_density
from dst_repro.claims.choice_matters import (
    ChoiceMattersParams,
    CountedOtherwiseParams,
    choice_matters,
    counted_otherwise,
)
from dst_repro.claims.reset_widens import ResetWidensParams, reset_widens
from dst_repro.records.frames import Frames
from tests.small import HISTORY, frames, run
from tests.unit.claims.by_hand import Row, dense, dst, layers, unfinished, with_history

SEEDS = range(3)


def peer(percent: float, *accuracies: float, **config: object) -> list[Row]:
    rows = [run("set", seed, value / 100, density=percent / 100) for seed, value in enumerate(accuracies)]
    words = json.dumps({"method": "set", "density": percent / 100} | config)
    return [row | {"model": "vgg-16", "dataset": "cifar10", "config": words} for row in rows]


def sweep(*accuracies: float, percent: float = 5.0) -> list[Row]:
    return [dst(1e-5, seed, percent, value) for seed, value in enumerate(accuracies)]


BEATS = BeatsParams(other="set", percents=(5.0,))


@pytest.mark.parametrize(
    ("ours", "verdict", "mean"),
    [((93.0, 93.1, 93.2), "holds", 1.0), ((91.0, 91.1, 91.2), "fails", -1.0),
     # differences 0, 0.4, 0.8: mean 0.4, half an interval 4.3027 * 0.4 / sqrt 3 = 0.99
     ((92.0, 92.5, 93.0), "inconclusive", 0.4)],
)  # fmt: skip
def test_one_method_beats_another(ours: tuple[float, ...], verdict: str, mean: float) -> None:
    answer = beats_at_density(frames(*sweep(*ours), *peer(5.0, 92.0, 92.1, 92.2)), BEATS)
    assert answer.verdict == verdict
    assert answer.statistic == pytest.approx(mean)
    assert len(answer.runs) == 6
    assert "not both have a dense network of their own" in answer.evidence


def test_differences_from_their_own_dense_networks_count_too() -> None:
    shared = [*sweep(93.0, 93.1, 93.2), *(dense(seed, 94.0) for seed in SEEDS)]
    one = beats_at_density(frames(*shared, *peer(5.0, 92.0, 92.0, 92.0)), BEATS)
    assert (one.verdict, "one dense network for both" in one.evidence) == ("holds", True)
    own = [dense(seed, 92.5, config='{"learning_rate": 0.5}', id=f"own-s{seed}", cell="own") for seed in SEEDS]
    two = beats_at_density(frames(*shared, *own, *peer(5.0, 92.0, 92.0, 92.0, learning_rate=0.5)), BEATS)
    # -1, -0.9, -0.8 below its own dense network, the other -0.5: -0.4 on average
    assert (two.verdict, two.statistic) == ("fails", pytest.approx(-0.4))
    absolute = BEATS.model_copy(update={"from_dense": False})
    alone = beats_at_density(frames(*shared, *own, *peer(5.0, 92.0, 92.0, 92.0, learning_rate=0.5)), absolute)
    assert alone.verdict == "holds"


def test_every_density_has_to_be_reached() -> None:
    params = BeatsParams(other="set", percents=(5.0, 10.0))
    rows = [*sweep(93.0, 93.1, 93.2), *peer(5.0, 92.0, 92.1, 92.2), *peer(10.0, 92.0, 92.1, 92.2)]
    answer = beats_at_density(frames(*rows), params)
    assert answer.verdict == "inconclusive"
    assert answer.evidence.endswith("1 of 2 densities are not reached")
    assert beats_at_density(frames(*sweep(93.0, 93.1, 93.2)), params).verdict == "not run"


def test_two_densities_may_be_compared() -> None:
    params = BeatsParams(method="set", other="dst", percents=(2.0,), other_percents=(2.48,))
    answer = beats_at_density(frames(*sweep(93.0, 93.1, 93.2, percent=2.48), *peer(2.0, 94.0, 94.0, 94.0)), params)
    assert (answer.verdict, answer.statistic) == ("holds", pytest.approx(0.9))
    assert "at 2 against 2.48 %" in answer.evidence


WHOLE, EMPTY = layers(fc1=8.0, fc2=20.0), layers(fc1=0.0, fc2=20.0)


def resets(alpha: float, flag: bool, *kinds: str) -> list[Row]:
    """One run a kind: fine, empty (a layer), chance, diverged."""
    made: list[Row] = []
    for seed, kind in enumerate(kinds):
        row = dst(alpha, seed, 8.0, 11.0 if kind == "chance" else 98.0, layers=EMPTY if kind == "empty" else WHOLE)
        row = unfinished(alpha, seed, "diverged") if kind == "diverged" else row
        made.append(row | {"method_params.reset": flag, "id": f"{alpha:g}-{flag}-s{seed}", "cell": f"{alpha:g}-{flag}"})
    return made


def over_epochs(*rows: Row) -> Frames:
    """Every run keeps 10, 20 and 60 % at epochs 1 to 3, and had its first layer reset twice."""
    ids = [str(row["id"]) for row in rows]
    history = {("kept", layer): {key: [100.0, 200.0, 600.0] for key in ids} for layer in ("fc1", "fc2")}
    return with_history(rows, history | {("resets", "fc1"): {key: [0.0, 1.0, 2.0] for key in ids}}, 1)


@pytest.mark.parametrize("kind", ["empty", "chance", "diverged"])
def test_resets_widen_the_range_of_alphas(kind: str) -> None:
    safe = [*resets(1e-3, True, "fine", "fine"), *resets(1e-3, False, "fine", "fine")]
    here = over_epochs(*safe, *resets(3e-3, True, "fine", "fine"), *resets(3e-3, False, "fine", kind))
    answer = reset_widens(here, ResetWidensParams(epochs=3))
    assert (answer.verdict, answer.statistic) == ("holds", 0.25)
    assert "with resets 0 of 4 runs break, usable up to 0.003" in answer.evidence
    assert "without resets 1 of 4 runs break, usable up to 0.001" in answer.evidence
    assert "8 % kept, 40 points from the median of the last 3 epochs, 2.0 resets a run" in answer.evidence
    turned = over_epochs(*safe, *resets(3e-3, False, "fine", "fine"), *resets(3e-3, True, "fine", kind))
    assert reset_widens(turned, ResetWidensParams()).verdict == "fails"


def test_where_nothing_breaks_nothing_is_shown() -> None:
    both = over_epochs(*resets(3e-3, True, "fine", "fine"), *resets(3e-3, False, "fine", "fine"))
    assert reset_widens(both, ResetWidensParams()).verdict == "inconclusive"
    single = over_epochs(*resets(3e-3, True, "fine"), *resets(3e-3, False, "empty"))
    assert reset_widens(single, ResetWidensParams()).verdict == "inconclusive"
    assert reset_widens(over_epochs(*resets(3e-3, True, "fine")), ResetWidensParams()).verdict == "not run"


DECAY = ChoiceMattersParams(
    one={"method_params.threshold_decay": [""]}, other={"method_params.threshold_decay": [False]}
)


def choice(ours: tuple[float, ...], accuracy: float = 93.0) -> Frames:
    """Densities with the choice left unsaid, 10 % and 93 % right without."""
    rows = [dst(1e-5, seed, percent, accuracy + seed / 100) for seed, percent in enumerate(ours)]
    off = {"id": "off", "cell": "off", "method_params.threshold_decay": False}
    rows += [dst(1e-5, seed, 10.0, 93.0 + seed / 50) | off | {"id": f"off-s{seed}"} for seed in SEEDS]
    return frames(*rows)


@pytest.mark.parametrize(
    ("ours", "accuracy", "verdict", "change"),
    [((7.9, 8.0, 8.1), 93.0, "holds", -20.0), ((10.0, 10.1, 9.9), 94.0, "holds", 0.0),
     ((10.0, 10.1, 9.9), 93.0, "fails", 0.0), ((7.0, 10.0, 14.0), 93.0, "inconclusive", -0.7),
     ((8.0,), 93.0, "inconclusive", -20.0)],
)  # fmt: skip
def test_a_choice_matters(ours: tuple[float, ...], accuracy: float, verdict: str, change: float) -> None:
    answer = choice_matters(choice(ours, accuracy), DECAY)
    assert answer.verdict == verdict
    assert answer.statistic == pytest.approx(change, abs=0.05)  # the geometric mean of the ratios


def test_a_choice_needs_runs_of_both_kinds() -> None:
    answer = choice_matters(frames(*sweep(93.0, 93.1)), DECAY)
    assert answer.verdict == "not run"
    assert "there are 1 and 0" in answer.evidence


def counted(*of_runs: float) -> Frames:
    """8 % by masks, and what the released code counts of 100 weights."""
    rows = [dst(1e-3, seed, 8.0, 98.0) for seed in range(len(of_runs))]
    made = frames(*rows)
    history = [(row["id"], 1, 1, "rnn", "kept_as_printed", value) for row, value in zip(rows, of_runs, strict=True)]
    return Frames(made.runs, pd.DataFrame(history, columns=HISTORY))


@pytest.mark.parametrize(
    ("printed", "verdict", "ratio"),
    [((6.0, 6.0, 6.0), "holds", 4 / 3), ((8.0, 8.0, 8.0), "fails", 1.0), ((6.0,), "inconclusive", 4 / 3)],
)
def test_the_released_code_of_the_lstms_counts_otherwise(
    printed: tuple[float, ...], verdict: str, ratio: float
) -> None:
    answer = counted_otherwise(counted(*printed), CountedOtherwiseParams())
    assert answer.verdict == verdict
    assert answer.statistic == pytest.approx(ratio)


def test_nothing_is_said_of_runs_that_recorded_no_such_count() -> None:
    assert counted_otherwise(frames(*sweep(93.0)), CountedOtherwiseParams()).verdict == "not run"
