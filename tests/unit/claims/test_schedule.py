"""Claims about the learning rate, and about which layers are sparse: frames where they hold, fail, or neither."""

from __future__ import annotations

from typing import Any

import pytest

from dst_repro.claims.pattern import PatternBreaksParams, SamePatternParams, pattern_breaks, same_pattern
from dst_repro.claims.schedule import AdaptsToRateParams, RecoversAtDropParams, adapts_to_rate, recovers_at_drop
from dst_repro.records.frames import Frames
from tests.small import frames
from tests.unit.claims.by_hand import Row, dense, dst, layers, unfinished, with_history

WHERE: dict[str, Any] = {"before": (2, 3), "after": (4, 5), "low_over": (2, 3), "back": ((4, 80.0), (5, 99.0)),
                         "early": ("conv1",), "steady_over": (3, 4), "whole_from": 2}  # fmt: skip
TWO = layers(conv1=0.0, fc2=0.0)


def trained(rate: float, seeds: int = 2) -> list[Row]:
    rows = [dst(5e-6, seed, 8.0, 93.0, layers=TWO, learning_rate=rate) for seed in range(seeds)]
    return [row | {"id": f"{rate:g}-s{row['seed']}", "cell": f"{rate:g}"} for row in rows]


def curves(*of_rates: tuple[float, dict[str, list[float]], list[float]], seeds: int = 2) -> Frames:
    """(learning rate, layer -> percent kept from epoch 0, accuracy in percent from epoch 0), seeds alike."""
    rows = [row for rate, *_ in of_rates for row in trained(rate, seeds)]
    history: dict[tuple[str, str], dict[str, list[float]]] = {}
    for rate, kept, accuracy in of_rates:
        for seed in range(seeds):
            for layer, percents in kept.items():
                history.setdefault(("kept", layer), {})[f"{rate:g}-s{seed}"] = [10 * percent for percent in percents]
            shares = [percent / 100 for percent in accuracy]
            history.setdefault(("test_accuracy", ""), {})[f"{rate:g}-s{seed}"] = shares
    return with_history(rows, history)


FALLS = {"conv1": [100.0, 60.0, 50.0, 50.0, 45.0, 40.0], "fc2": [100.0, 20.0, 10.0, 14.0, 85.0, 100.0]}
JUMP = [10.0, 70.0, 84.0, 86.0, 92.0, 94.0]
RECOVERS = RecoversAtDropParams(**{key: WHERE[key] for key in WHERE if key != "whole_from"})


def test_the_last_layer_recovers_where_the_learning_rate_falls() -> None:
    answer = recovers_at_drop(curves((0.1, FALLS, JUMP)), RECOVERS)
    # median of 10 and 14 is 12; conv1 changes by 5; (92 + 94) / 2 - (84 + 86) / 2 = 8
    assert (answer.verdict, answer.statistic, answer.threshold) == ("holds", 5.0, 5.0)
    assert answer.evidence.startswith("5 of 5: fc2 at 12.0 % over epochs 2 to 3, asked at most 15 %")
    assert "accuracy rises by 8.0 points, asked 5" in answer.evidence
    assert answer.runs == ("0.1-s0", "0.1-s1")


@pytest.mark.parametrize(
    "changed",
    [({"fc2": [100.0, 20.0, 10.0, 24.0, 85.0, 100.0]}, JUMP), ({"fc2": [100.0, 20.0, 10.0, 14.0, 75.0, 100.0]}, JUMP),
     ({"fc2": [100.0, 20.0, 10.0, 14.0, 85.0, 98.0]}, JUMP),
     ({"conv1": [100.0, 60.0, 50.0, 50.0, 39.0, 40.0]}, JUMP), ({}, [10.0, 70.0, 84.0, 86.0, 88.0, 88.0])],
)  # fmt: skip
def test_each_part_may_fail(changed: tuple[dict[str, list[float]], list[float]]) -> None:
    answer = recovers_at_drop(curves((0.1, FALLS | changed[0], changed[1])), RECOVERS)
    assert (answer.verdict, answer.statistic) == ("fails", 4.0)
    assert answer.evidence.count("(no)") == 1


def test_one_seed_or_another_learning_rate() -> None:
    assert recovers_at_drop(curves((0.1, FALLS, JUMP), seeds=1), RECOVERS).verdict == "inconclusive"
    assert recovers_at_drop(curves((0.01, FALLS, JUMP)), RECOVERS).verdict == "not run"


# density at epochs 0 to 5: 100, 40, 30, 32, 65, 70, which rises three times by more than a point
ADAPTS = AdaptsToRateParams(
    **{key: WHERE[key] for key in ("before", "after", "whole_from")}, other_rises=2.0, denser=("conv1",), sparser=()
)
SMOOTH = {"conv1": [100.0, 80.0, 70.0, 60.0, 55.0, 50.0], "fc2": [100.0, 90.0, 99.0, 100.0, 100.0, 100.0]}
EVEN = [10.0, 80.0, 90.0, 90.0, 92.0, 92.0]


def test_with_a_lower_learning_rate_no_late_jump_comes() -> None:
    answer = adapts_to_rate(curves((0.1, FALLS, JUMP), (0.01, SMOOTH, EVEN)), ADAPTS)
    # ends: density 75 against 70, accuracy 92 against 94, conv1 50 against 40
    assert (answer.verdict, answer.statistic, answer.threshold) == ("holds", 7.0, 7.0)
    assert "accuracy rises by 2.0 points where the rate falls" in answer.evidence
    assert "in 3.0 with the other rate" in answer.evidence
    assert answer.runs == ("0.01-s0", "0.01-s1", "0.1-s0", "0.1-s1")


@pytest.mark.parametrize(
    ("changed", "accuracy"),
    [({"fc2": [100.0, 90.0, 98.0, 100.0, 100.0, 100.0]}, EVEN), ({}, [10.0, 70.0, 80.0, 80.0, 93.0, 93.0]),
     ({}, [10.0, 80.0, 92.0, 92.0, 94.5, 94.5])],
)  # fmt: skip
def test_each_part_of_the_lower_learning_rate_may_fail(changed: dict[str, list[float]], accuracy: list[float]) -> None:
    answer = adapts_to_rate(curves((0.1, FALLS, JUMP), (0.01, SMOOTH | changed, accuracy)), ADAPTS)
    assert (answer.verdict, answer.statistic) == ("fails", 6.0)


def test_both_learning_rates_are_needed() -> None:
    answer = adapts_to_rate(curves((0.1, FALLS, JUMP)), ADAPTS)
    assert answer.verdict == "not run"
    assert "0 cells of dst with learning rate 0.01" in answer.evidence


def patterned(alpha: float, density: float, *percents: float, accuracy: float = 93.0, seeds: int = 2) -> list[Row]:
    made = layers(**{f"l{number}": percent for number, percent in enumerate(percents, start=1)})
    return [dst(alpha, seed, density, accuracy, layers=made) for seed in range(seeds)]


SAME = SamePatternParams(alphas=(1e-5, 1e-6), ranked=2, sparse={"l1": 5.0}, dense=("l3",), whole={"l4": 99.0})


def test_the_same_layers_are_sparse_at_every_alpha() -> None:
    made = frames(*patterned(1e-5, 6.0, 1.0, 10.0, 40.0, 100.0), *patterned(1e-6, 15.0, 4.0, 30.0, 80.0, 99.0))
    answer = same_pattern(made, SAME)
    assert (answer.verdict, answer.statistic, len(answer.runs)) == ("holds", 1.0, 4)
    assert "6 of 6 layers where they are asked to be" in answer.evidence


@pytest.mark.parametrize(
    ("percents", "rho", "where"),
    # ranks 2 1 3 4 for 1 2 3 4: 1 - 6 * 2 / (4 * 15) = 0.8; 1 3 2 4 likewise
    [((6.0, 30.0, 80.0, 99.0), 1.0, "l1 at alpha 1e-06 (6.0 %)"), ((4.0, 30.0, 80.0, 98.0), 1.0, "l4"),
     ((4.0, 80.0, 30.0, 99.0), 0.8, "l3 at alpha 1e-06 (30.0 %)")],
)  # fmt: skip
def test_a_layer_elsewhere(percents: tuple[float, ...], rho: float, where: str) -> None:
    ranked = SAME.model_copy(update={"ranked": 2 if rho == 1 else 1, "sparse": SAME.sparse if rho == 1 else {}})
    made = frames(*patterned(1e-5, 6.0, 1.0, 10.0, 40.0, 100.0), *patterned(1e-6, 15.0, *percents))
    answer = same_pattern(made, ranked)
    assert answer.verdict == "fails"
    assert answer.statistic == pytest.approx(rho)
    assert where in answer.evidence


def test_the_correlation_alone_may_be_asked() -> None:
    alone = SamePatternParams(alphas=(1e-5, 1e-6), rho=0.8)
    first = patterned(1e-5, 6.0, 1.0, 10.0, 40.0, 100.0)
    assert same_pattern(frames(*first, *patterned(1e-6, 15.0, 2.0, 30.0, 20.0, 99.0)), alone).verdict == "holds"
    # ranks 2 1 4 3: 1 - 6 * 4 / 60 = 0.6
    swapped = same_pattern(frames(*first, *patterned(1e-6, 15.0, 3.0, 2.0, 99.0, 20.0)), alone)
    assert (swapped.verdict, swapped.statistic) == ("fails", pytest.approx(0.6))
    one_seed = [*first[:1], *patterned(1e-6, 15.0, 2.0, 30.0, 40.0, 99.0, seeds=1)]
    assert same_pattern(frames(*one_seed), alone).verdict == "inconclusive"
    assert same_pattern(frames(*first, unfinished(1e-6, 0)), alone).verdict == "not run"


def broken(*below: float, seeds: int = 2) -> Frames:
    return frames(dense(0, 94.0), dense(1, 94.0), *patterned(1e-6, 15.0, 1.0, 10.0, 40.0, 100.0, seeds=seeds),
                  *patterned(1e-5, 7.0, 2.0, 20.0, 50.0, 100.0, accuracy=93.8, seeds=seeds),
                  *patterned(5e-5, 3.0, *below, accuracy=92.0, seeds=seeds))  # fmt: skip


def test_the_pattern_breaks_below_a_density() -> None:
    answer = pattern_breaks(broken(2.0, 1.0, 4.0, 3.0), PatternBreaksParams())  # 1 above, 0.6 below
    assert (answer.verdict, answer.statistic, answer.threshold) == ("holds", pytest.approx(0.4), 0.1)
    assert "1.00 at 7 %, 0.60 at 3 %" in answer.evidence
    assert answer.evidence.endswith("accuracy is more than 0.5 points below dense first at 3 %")
    assert len(answer.runs) == 6
    assert pattern_breaks(broken(1.0, 2.0, 3.0, 4.0), PatternBreaksParams()).verdict == "fails"
    assert pattern_breaks(broken(2.0, 1.0, 4.0, 3.0, seeds=1), PatternBreaksParams()).verdict == "inconclusive"
    assert pattern_breaks(broken(2.0, 1.0, 4.0, 3.0), PatternBreaksParams(percent=1.0)).verdict == "not run"
    assert pattern_breaks(broken(2.0, 1.0, 4.0, 3.0), PatternBreaksParams(reference=1e-3)).verdict == "not run"
