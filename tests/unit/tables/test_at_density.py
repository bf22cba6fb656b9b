"""Ours at published densities: the table's numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from dst_repro.errors import ConfigError
from dst_repro.records.frames import Frames
from dst_repro.tables.at_density import AtDensityParams, at_density
from dst_repro.tables.render import Table
from tests import small

MINUS = "\N{MINUS SIGN}"


def run(method: str, seed: int, accuracy: float | None, reached: float = 1.0, **fields: Any) -> dict[str, Any]:
    """A run of LeNet-300-100 on MNIST that reached a density, with the same accuracy at every epoch."""
    densities = {f"{name}.density": reached for name in small.SELECTIONS}
    return small.run(method, seed, accuracy, dataset="mnist", model="lenet-300-100", **densities, **fields)


def dst(seed: int, alpha: float, accuracy: float, density: float) -> dict[str, Any]:
    return run("dst", seed, accuracy, density, **{"method_params.alpha": alpha})


# Table 1 prints 2.48 %: half way from 1.24 to 4.96 % over log density
SWEEP = [
    run("dense", 0, 0.980), run("dense", 1, 0.981), run("dense", 2, 0.982),
    dst(0, 5e-4, 0.980, 0.0496), dst(1, 5e-4, 0.982, 0.0496), dst(2, 5e-4, 0.980, 0.0496),
    dst(0, 1e-3, 0.970, 0.0124), dst(1, 1e-3, 0.972, 0.0124), dst(2, 1e-3, 0.970, 0.0310),
]  # fmt: skip


def table(*rows: dict[str, Any], published: tuple[str, ...] = ("dst/Table 1",), **params: Any) -> Table:
    return at_density(small.frames(*rows), AtDensityParams(published=published, selections=("last",), **params))


def test_each_seed_between_its_own_neighbours() -> None:
    # seeds 0 and 1: 97.5 and 97.7, sd .1414; to dense: -.5 and -.4, sd .0707; seed 2 ends at 3.1 %
    found = table(*SWEEP)
    assert found.labels == [("LeNet-300-100", "DST", "2.48 %")]
    assert found.texts == [[
        "98.16 ± 0.06", "97.69 ± 0.14", f"{MINUS}0.47", "98.10 ± 0.10 (3)", "97.60 ± 0.14 (2 of 3; s2 outside)",
        f"{MINUS}0.45 ± 0.07 (2 of 3; s2 outside)", "inconclusive (another protocol)",
        "alpha 0.001 to alpha 0.0005",
    ]]  # fmt: skip


def test_the_long_form_has_every_number_and_its_runs() -> None:
    long = table(*SWEEP).long.set_index(["source", "what"])
    assert long.loc[("published", "sparse"), "mean"] == 97.69
    assert long.loc[("published", "difference"), "mean"] == pytest.approx(-0.47)
    assert long.loc[("last", "sparse"), ["mean", "n", "planned"]].tolist() == [pytest.approx(97.6), 2, 3]
    assert long.loc[("last", "difference"), "std"] == pytest.approx(0.0707107, abs=1e-6)
    assert len(long.loc[("last", "sparse"), "runs"].split()) == 4
    assert len(long.loc[("last", "dense"), "runs"].split()) == 3


def test_beyond_the_sweep_it_says_what_the_sweep_spans() -> None:
    found = table(*(r for r in SWEEP if r["last.density"] > 0.03))
    assert found.texts[0][4:] == ["— (0 of 3)", "— (0 of 3)", "", "outside 3.1 to 4.96 %"]


def test_runs_that_were_asked_for_the_density_answer_as_they_are() -> None:
    # sparse momentum at 2 %: 266,200 weights hold 5,324 of them; DST is no run of it
    rows = [run("sparse-momentum", s, a, 0.02 + 1e-6, density=0.02) for s, a in enumerate((0.975, 0.977))]
    found = table(*rows, *SWEEP[3:], published=("sparse-momentum/results/MNIST_sparse_summary.csv",))
    texts = dict(zip(found.labels, found.texts, strict=True))
    line = texts["LeNet-300-100", "sparse momentum", "2 %"]
    assert line[:6] == ["98.69 ± 0.01", "98.20 ± 0.02", f"{MINUS}0.49", "no run", "97.60 ± 0.14 (2)", "— (0 of 2)"]
    assert line[6:] == ["inconclusive (another protocol)", "2 %"]
    assert texts["LeNet-300-100", "SET", "2 %"][4] == "no run"
    assert texts["LeNet-300-100", "sparse momentum", "1 %"][4:] == ["— (0 of 2)", "— (0 of 2)", "", "outside 2 to 2 %"]


def test_an_epoch_a_row() -> None:
    rows = [r | {"best_on_test.test_accuracy": r["last.test_accuracy"] + 0.01} for r in SWEEP]
    params = AtDensityParams(published=("dst/Table 1", "dst/Table 2"), selections=("last", "best_on_test", "sparsest"))
    found = at_density(small.frames(*rows), params)
    assert [label[-1] for label in found.labels] == ["last epoch", "best on test", "sparsest epoch"]
    assert {label[0] for label in found.labels} == {"Dynamic Sparse Training, Table 1"}  # no net of Table 2 is there
    assert found.texts[1][4].startswith("98.60")


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"protocol": ["dst"]}, "reproduced"),
        ({"protocol": ["dst"], "reduced": "fewer epochs"}, "reproduced (reduced)"),
        ({"protocol": ["snip"]}, "reproduced (another protocol)"),
    ],
)
def test_the_verdict_on_the_sparse_accuracy(fields: dict[str, Any], verdict: str) -> None:
    """Of three seeds: 97.55, 97.6, 97.65, sem .0289, 90 % +- .0843: inside 97.69 +- .3."""
    rows = [r | fields for r in SWEEP[:3]]
    for seed, value in enumerate((0.9755, 0.976, 0.9765)):
        rows += [dst(seed, 5e-4, value, 0.0496) | fields, dst(seed, 1e-3, value, 0.0124) | fields]
    found = table(*rows)
    assert found.heads[0] == ("published in Dynamic Sparse Training, Table 1", "dense")
    assert found.texts[0][6] == verdict
    long = found.long.set_index(["source", "what"])["verdict"]
    assert long["last", "sparse"] == verdict
    assert set(long.drop(("last", "sparse"))) == {""}
    assert table(*rows[:-2]).texts[0][6].startswith("inconclusive")  # two seeds


def lstm(accuracy: float, reached: float, printed: float | None, **fields: Any) -> tuple[dict[str, Any], list[Any]]:
    """A run of LSTM-a with 200 weights, and what the released code counts of them after its 20 epochs."""
    densities = {f"{name}.density": reached for name in small.SELECTIONS} | {"last.epoch": 20.0}
    row = small.run("dst", 0, accuracy, dataset="mnist", model="lstm-a", numel=200.0, **densities, **fields)
    counts = [] if printed is None else [(row["id"], 9, 20, "one", "kept_as_printed", printed)]
    return row, counts


@pytest.mark.parametrize(
    ("counted", "recorded", "text", "between"),
    [
        # the true densities 4.825 and .772 %: 1.93 % is half way over log density, as .772 * 2.5 * 2.5 = 4.825
        ("true-mask", True, "98.00 (1)", "alpha 0.001 to alpha 0.0005"),
        ("as-printed", False, "98.00 (1)", "alpha 0.001 to alpha 0.0005"),
        # 7.72 and .965 weights of 200 are 3.86 and .4825 %: two thirds of the way, 97 + 4/3, and .772 + 2/3 * 4.053
        ("as-printed", True, "98.33 (1)", "alpha 0.001 to alpha 0.0005; by masks 3.47 %"),
    ],
)
def test_the_density_that_the_released_lstm_code_prints(counted: Any, recorded: bool, text: str, between: str) -> None:
    parts = [
        lstm(0.99, 0.04825, 7.72 if recorded else None, **{"method_params.alpha": 5e-4}),
        lstm(0.97, 0.00772, 0.965 if recorded else None, **{"method_params.alpha": 1e-3}),
    ]
    frames = small.frames(*(row for row, _ in parts), *SWEEP)
    more = pd.DataFrame([count for _, counts in parts for count in counts], columns=small.HISTORY)
    frames = Frames(frames.runs, pd.concat([frames.history, more]))
    params = AtDensityParams(published=("dst/Table 1",), selections=("last",), counted=counted)
    made = at_density(frames, params)
    found = dict(zip((label[0] for label in made.labels), made.texts, strict=True))
    assert found["LSTM-a"][4] == text
    assert found["LSTM-a"][7] == between
    assert found["LeNet-300-100"][7] == "alpha 0.001 to alpha 0.0005"  # which has one density only


def test_an_item_that_is_nowhere_printed() -> None:
    with pytest.raises(ConfigError, match=r"published: no published item 'dst/Table 9'; did you mean 'dst/Table"):
        table(*SWEEP, published=("dst/Table 9",))


def test_nothing_asked_nothing_shown() -> None:
    assert table(*SWEEP, published=()).labels == []
