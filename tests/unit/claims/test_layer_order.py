"""A frame on which the rule holds, and frames on which it fails."""

from __future__ import annotations

import json

import pytest

from dst_repro.claims.layer_order import LayerOrderParams, layer_order
from tests.small import frames, run


def layers(*percent: float) -> str:
    return json.dumps([{"name": f"fc{n}", "shape": [1000], "numel": 1000, "kept": round(10 * kept)}
                       for n, kept in enumerate(percent, start=1)])  # fmt: skip


@pytest.mark.parametrize(
    ("second", "verdict", "share"),
    [((9.0, 30.0, 99.0), "holds", 1.0), ((11.0, 30.0, 99.5), "fails", 0.5), ((9.0, 30.0, 98.0), "fails", 0.5),
     ((9.0, 8.0, 99.5), "fails", 0.5)],
)  # fmt: skip
def test_it_has_to_be_true_of_every_run(second: tuple[float, ...], verdict: str, share: float) -> None:
    rows = [run("dst", 0, 0.9, layers=layers(5.0, 20.0, 100.0)), run("dst", 1, 0.9, layers=layers(*second))]
    missing = run("dst", 2, None, "missing")
    answer = layer_order(frames(*rows, missing), LayerOrderParams())
    assert (answer.verdict, answer.statistic) == (verdict, share)
    assert answer.runs == tuple(str(row["id"]) for row in rows)
    assert answer.evidence == (f"fc1 < fc2 < fc3, fc1 below 10 %, fc3 at least 99 % in {round(2 * share)} of 2 runs")


def test_nothing_finished_says_nothing() -> None:
    assert layer_order(frames(run("dst", 0, None, "missing")), LayerOrderParams()).verdict == "not run"
