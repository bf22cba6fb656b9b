"""Numbers whose runs are planned, and not trained: where, and at what cost."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dst_repro import compare
from dst_repro.compare import plans
from dst_repro.compare.cells import cells
from dst_repro.compare.plans import Plan
from dst_repro.plan.grid import load_suite
from dst_repro.records.frames import Frames
from tests.unit.compare.test_compare import NO_HISTORY, five, number, run

ROOT = Path(__file__).parents[3]


def planned(*rows: dict[str, Any], each: float = 1.5) -> Plan:
    """Of rows that are not trained, in gpu.yaml, at so many core-hours a run."""
    found = [row | {"status": "missing"} for row in rows]
    return Plan(tuple(cells(pd.DataFrame(found))) if found else (), {row["id"]: "gpu.yaml" for row in found},
                lambda ids: [each] * len(ids))  # fmt: skip


def ask(runs: list[dict[str, Any]], plan: Plan | None = None, **fields: Any) -> pd.Series[Any]:
    return compare.comparison(Frames(pd.DataFrame(runs), NO_HISTORY), number(**fields), plan).iloc[0]


def said(row: pd.Series[Any]) -> tuple[str, str]:
    assert row["verdict"] == "not run"
    return row["not_run"], row["reason"]


CONV = {"model": "lenet-5-caffe"}


def test_what_is_planned_elsewhere_says_where_and_what_it_needs() -> None:
    """Three runs of 1.5 core-hours; a single one of more than 24 needs a GPU."""
    other = [run(seed, **CONV) for seed in range(3)]
    assert said(ask(five(), planned(*other), **CONV)) == (
        "planned", "planned in gpu.yaml, not trained: 3 runs, about 4.5 core-hours on a CPU")  # fmt: skip
    assert said(ask(five(), planned(*other, each=436.0), **CONV)) == (
        "planned, needs a GPU",
        "planned in gpu.yaml, not trained; needs a GPU: 3 runs, about 1,300 core-hours on a CPU")  # fmt: skip
    assert said(ask(five(), planned(other[0], each=1.0), **CONV))[1].endswith(": 1 run, about 1 core-hour on a CPU")
    assert said(ask(five(), planned(*other, each=math.nan), **CONV))[1] == "planned in gpu.yaml, not trained: 3 runs"


def test_planned_runs_of_the_frames_are_none_that_exist() -> None:
    missing = [r | {"status": "missing"} for r in five()]
    assert said(ask(missing)) == ("planned", "planned, not trained: 5 runs")
    assert said(ask(missing, planned(*missing)))[1].startswith("planned in gpu.yaml, not trained: 5 runs")
    half = [run(epochs=32), *(r | {"status": "missing", "epochs": 160} for r in five())]
    assert said(ask(half, setting="alpha=5e-4;epochs=10")) == (
        "no run at this setting", "no run with epochs 10 (there is: 32)")  # fmt: skip


def test_what_nobody_planned_is_no_run() -> None:
    assert said(ask(five(), planned(), **CONV)) == ("no run of this model", "no run of lenet-5-caffe on mnist")


def test_what_is_planned_otherwise_says_so() -> None:
    other = planned(*(run(seed, protocol=["snip"], **CONV) for seed in range(3)))
    assert said(ask(five(), other, **CONV)) == (
        "another protocol", "no run of lenet-5-caffe on mnist; planned, but the runs follow another protocol: snip "
        "instead of dst")  # fmt: skip


def test_only_the_plainest_of_what_is_planned_would_answer() -> None:
    odd = [run(seed, config='{"fidelity": "released"}', **CONV) for seed in range(5)]
    plain = [run(seed, config="{}", **CONV) for seed in range(3)]
    assert "3 runs" in ask(five(), planned(*odd, *plain), **CONV)["reason"]


def test_a_failed_run_is_no_planned_one() -> None:
    assert said(ask([run(0, status="diverged"), run(1, status="missing")])) == (
        "no finished run", "no finished run: seed 0 diverged, seed 1 missing")  # fmt: skip


def test_more_alphas_that_are_planned_stand_behind_what_the_finished_say() -> None:
    other = planned(*(run(seed, **{"method_params.alpha": 1e-3}) for seed in range(3)))
    kind, reason = said(ask(five(), other, setting="", density_percent=2.48))
    assert kind == "alpha not stated"
    assert reason.endswith("(nearest: 7.87 %); planned in gpu.yaml, not trained: 3 runs, about 4.5 core-hours on a CPU")


def test_most_seeds_outside_the_density_leave_it_open() -> None:
    """Two of five seeds enclose 2.48 %: 98.1 both, and still no verdict; with a third one there is."""
    runs = [
        run(seed, 98.1 + seed / 100, reached=4.96, config='{"method_params":{"alpha":0.0005}}') for seed in range(5)
    ]
    for lows, verdict, why in ((2, "inconclusive", "few seeds"), (3, "reproduced", "")):
        sparse = [
            run(seed, 98.1, reached=1.24 if seed < lows else 3.5, config='{"method_params":{"alpha":0.001}}',
                **{"method_params.alpha": 1e-3}) for seed in range(5)
        ]  # fmt: skip
        row = ask(runs + sparse, setting="", density_percent=2.48)
        assert (row["verdict"], row["unsettled"], row["ours_n"]) == (verdict, why, lows)
    assert math.isnan(ask(runs + sparse[:2] + sparse[3:], setting="", density_percent=2.48)["p"])


@pytest.mark.parametrize("trained", [0, 2])
def test_a_cell_of_which_most_seeds_are_missing_is_open(trained: int) -> None:
    rows = [r | {"status": "finished" if seed <= trained else "missing"} for seed, r in enumerate(five())]
    row = ask(rows)
    assert (row["verdict"], row["ours_n"]) == ("reproduced" if trained == 2 else "inconclusive", trained + 1)


def test_the_plans_of_all_records_are_those_of_every_other_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the quickstart, whose data set no paper has, and the queues, which repeat runs of suites."""
    monkeypatch.chdir(ROOT)
    others = {path.as_posix() for path in Path("config").glob("*.yaml")}
    suite = load_suite(Path("config/all.yaml"))
    assert others - set(suite.file.plans) == {f"config/{name}.yaml" for name in ("all", "config", "gpu-queue")}
    nothing = Frames(pd.DataFrame({"id": [], "status": []}), NO_HISTORY)
    found = plans.of_suites(suite, nothing)
    (dense,) = (c for c in found.of("cifar10") if "wrn-16-8-dense" in c.id and "dst" in c.runs[0]["protocol"])
    assert found.where[dense.runs[0]["id"]] == "config/cifar10.yaml"
    assert not dense.finished
