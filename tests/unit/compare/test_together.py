"""p of each verdict, and Holm's correction over a published item."""

from __future__ import annotations

import math
import random

import pandas as pd
import pytest

from dst_repro import compare
from dst_repro.compare.together import corrected
from dst_repro.compare.verdicts import p_value
from dst_repro.records.frames import Frames
from dst_repro.statistics.summary import Summary, summarise
from dst_repro.statistics.verdicts import DIFFERENT, verdict
from tests.unit.compare.test_compare import FIVE, NO_HISTORY, five, number, run


def t4(t: float) -> float:
    """The share of Student's distribution with four degrees of freedom above t, in closed form."""
    part = 1 + t * t / 4
    return 0.5 - 0.375 * t / math.sqrt(part) * (1 - t * t / part / 12)


def test_p_of_a_verdict_by_hand() -> None:
    """sem .0141421: 98.45 - .3 is .05 above the mean, t = 3.5355; 98.36 - .3 is .04 below it, t = 2.8284."""
    ours = summarise(FIVE)
    assert p_value(ours, 98.45, 0.3, "worse") == pytest.approx(2 * t4(3.5355339), rel=1e-6)
    assert p_value(ours, 97.75, 0.3, "better") == pytest.approx(2 * t4(3.5355339), rel=1e-6)
    assert p_value(ours, 98.36, 0.3, "reproduced") == pytest.approx(t4(2.8284271), rel=1e-6)
    assert p_value(ours, 98.38, 0.3, "inconclusive") == 1  # the mean itself lies inside
    assert p_value(ours, 98.41, 0.3, "inconclusive") == pytest.approx(2 * t4(0.70710678), rel=1e-6)


def test_p_where_there_is_no_spread() -> None:
    assert math.isnan(p_value(Summary(1, 98.0, math.nan), 98.0, 0.3, "inconclusive"))
    assert p_value(Summary(3, 98.0, 0.0), 98.1, 0.3, "reproduced") == 0
    assert p_value(Summary(3, 98.0, 0.0), 99.0, 0.3, "worse") == 0
    assert p_value(Summary(3, 98.0, 0.0), 98.25, 0.25, "inconclusive") == 1  # on the margin, to the bit


def test_p_is_below_five_percent_where_a_verdict_is_given() -> None:
    rng = random.Random(0)
    seen = set()
    for _ in range(2000):
        ours = Summary(rng.randint(2, 6), rng.uniform(97, 99), rng.uniform(0.01, 0.5))
        found = verdict(ours, 98.0, 0.3, "top1")
        seen.add(found)
        assert (p_value(ours, 98.0, 0.3, found) < 0.05) == (found != "inconclusive")
    assert seen == {"reproduced", "better", "worse", "inconclusive"}


def row(p: float, verdict: str = "worse", item: str = "Table 1", paper: str = "a") -> dict[str, object]:
    return {"paper": paper, "item": item, "verdict": verdict, "p": p, "reason": "why"}


def test_holm_is_over_the_tests_of_one_item_of_one_paper() -> None:
    """.01 * 3 = .03; .03 * 2 = .06; .04 * 1, but no less than the one before: .06."""
    rows = [row(0.04), row(0.01), row(0.03), row(math.nan, "inconclusive"), row(0.04, item="Table 2"),
            row(0.04, paper="b"), {"paper": "a", "item": "Table 1", "verdict": "not run", "reason": "why"}]  # fmt: skip
    found = corrected(rows)
    assert [r.get("p_holm") for r in found] == pytest.approx([0.06, 0.03, 0.06, None, 0.04, 0.04, None])
    assert [r["reason"] for r in found[1:2] + found[3:]] == ["why"] * 5
    assert found[0]["reason"] == "why; not significant among the 3 tests of Table 1 (p 0.04, by Holm 0.06)"
    assert [r["verdict"] for r in found] == [r["verdict"] for r in rows]


def test_only_a_difference_has_to_survive() -> None:
    for word in ("reproduced", "inconclusive", *DIFFERENT):
        said = corrected([row(0.03, word), row(0.04, word)])[0]["reason"]
        assert ("not significant" in said) == (word in DIFFERENT)


def test_a_table_of_unequal_cells() -> None:
    """Five seeds, of which one diverged; two seeds; one seed, which has no p and is no test; none finished."""

    def cell(density: float, values: tuple[float, ...]) -> list[dict[str, object]]:
        return five(values, method="set", density=density, **{"method_params.alpha": math.nan})

    lost = run(4, status="diverged", method="set", density=0.2, **{"method_params.alpha": math.nan})
    missing = run(0, None, status="missing", method="set", density=0.02, **{"method_params.alpha": math.nan})
    runs = [*cell(0.2, (98.06, 98.08, 98.12, 98.14)), lost, *cell(0.1, (98.0, 98.4)), *cell(0.05, (98.1,)), missing]
    asked = {"method": "set", "metric": "top1", "setting": "", "item": "Table 2"}
    numbers = pd.concat([number(density_percent=d, value=98.6, **asked) for d in (20, 10, 5, 2)], ignore_index=True)
    frame = compare.comparison(Frames(pd.DataFrame(runs), NO_HISTORY), numbers)
    assert list(frame["verdict"]) == ["worse", "inconclusive", "inconclusive", "not run"]
    assert list(frame["ours_n"].fillna(0)) == [4, 2, 1, 0]
    assert "seed 4 diverged" in frame["reason"][0]
    # mean 98.1, sd .036515, sem .018257, t = .2 / .018257 = 10.954, 3 degrees of freedom
    x = 0.2 / 0.0182574 / math.sqrt(3)
    assert frame["p"][0] == pytest.approx(1 - 2 * (x / (1 + x * x) + math.atan(x)) / math.pi, rel=1e-3)
    assert frame["p"].isna().tolist() == [False, True, True, True]  # two seeds are too few for a test
    assert frame["p_holm"][0] == frame["p"][0]
    assert frame["unsettled"].tolist() == ["", "few seeds", "one seed", ""]
    assert "no interval" in frame["reason"][2]


def test_a_density_that_chose_its_cell_is_no_test() -> None:
    runs = [run(seed, reached=7.9) for seed in range(3)]
    numbers = number(metric="remaining_percent", value=7.87, setting="")
    frame = compare.comparison(Frames(pd.DataFrame(runs), NO_HISTORY), numbers)
    assert frame["verdict"][0] == "inconclusive"
    assert math.isnan(frame["p"][0])


def test_top5_is_read_where_it_was_recorded() -> None:
    """Of imagenet, with a margin of a point: 98.1 +- .03015 lies inside 98.5 +- 1."""
    runs = [
        r | {"last.test_top5": r["last.test_accuracy"], "last.test_accuracy": 0.75} for r in five(dataset="imagenet")
    ]
    numbers = number(dataset="imagenet", metric="top5", value=98.5)
    frame = compare.comparison(Frames(pd.DataFrame(runs), NO_HISTORY), numbers)
    assert (frame["verdict"][0], frame["ours_mean"][0]) == ("reproduced", pytest.approx(98.1))
    runs[0]["last.test_top5"] = None  # of a record older than the field
    frame = compare.comparison(Frames(pd.DataFrame(runs), NO_HISTORY), numbers)
    assert frame["ours_n"][0] == 4
