"""Average ranks and their tests, against the worked example of Demsar (2006) and values worked out by hand."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from dst_repro.errors import UserError
from dst_repro.statistics import ranking
from dst_repro.tables.ranking import RankingParams, ranked
from dst_repro.tables.ranking import ranking as table
from tests.small import frames, run

# Demsar 2006, table 6: ranks of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets.
DEMSAR = pd.DataFrame(
    [(4, 3, 2, 1), (1, 2, 3, 4), (4, 1, 2, 3), (4, 1, 3, 2), (4, 2, 3, 1), (1, 2.5, 4, 2.5), (3, 2, 4, 1),
     (2.5, 2.5, 4, 1), (4, 3, 2, 1), (2.5, 2.5, 2.5, 2.5), (4, 2.5, 1, 2.5), (3, 2, 4, 1), (4, 1, 2, 3), (3, 1, 4, 2)],
    columns=["C4.5", "m", "cf", "m+cf"],
)  # fmt: skip


def test_the_worked_example_of_demsar() -> None:
    found = ranking.rank(-DEMSAR)
    assert found.ranks.to_dict() == pytest.approx({"m+cf": 1.964, "m": 2.0, "cf": 2.893, "C4.5": 3.143}, abs=5e-4)
    assert list(found.ranks.index) == ["m+cf", "m", "cf", "C4.5"]
    # The paper's 9.28 is without the correction for ties: three pairs and one of four, 3 (8 - 2) + (64 - 4) = 78 of
    # N k (k^2 - 1) = 840. Likewise its F of 3.69 becomes 13 * 10.23 / (42 - 10.23).
    assert found.chi2 * (1 - 78 / 840) == pytest.approx(9.28, abs=0.01)
    assert found.f == pytest.approx(13 * found.chi2 / (42 - found.chi2))
    assert found.f == pytest.approx(4.19, abs=0.01)
    assert found.cd == pytest.approx(2.569 * math.sqrt(4 * 5 / (6 * 14)), abs=1e-3)  # printed: 1.25
    assert (found.blocks, found.incomplete) == (14, 0)


@pytest.mark.parametrize(("treatments", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (10, 3.164)])
def test_critical_values_of_nemenyi(treatments: int, q: float) -> None:
    """Demsar 2006, table 5 (a)."""
    expected = q * math.sqrt(treatments * (treatments + 1) / 60)
    assert ranking.critical_difference(treatments, 10) == pytest.approx(expected, rel=1e-3)


def test_the_critical_difference_at_another_level() -> None:
    assert ranking.critical_difference(4, 14, 0.1) == pytest.approx(1.12, abs=5e-3)  # Demsar 2006, section 3.2.2


def test_p_and_critical_difference_agree() -> None:
    found = ranking.rank(-DEMSAR)
    gaps = found.ranks - found.ranks.iloc[0]
    assert list(found.p < 0.05) == list(gaps > found.cd) == [False] * 4
    found = ranking.rank(pd.concat([-DEMSAR] * 4))  # four times the blocks, half the critical difference
    gaps = found.ranks - found.ranks.iloc[0]
    assert list(found.p < 0.05) == list(gaps > found.cd) == [False, False, True, True]


def test_blocks_with_a_gap_are_left_out_and_ties_share_ranks() -> None:
    values = pd.DataFrame({"a": [3, 2, 9], "b": [1, 2, math.nan], "c": [2, 1, 1]})
    found = ranking.rank(values)
    assert found.ranks.to_dict() == {"a": (1 + 1.5) / 2, "b": (3 + 1.5) / 2, "c": (2 + 3) / 2}
    assert (found.blocks, found.incomplete) == (2, 1)


def test_all_blocks_agree() -> None:
    found = ranking.rank(pd.DataFrame({"a": [3, 3, 3, 3], "b": [2, 2, 2, 2], "c": [1, 1, 1, 1]}))
    # chi2 = 12 N / (k (k + 1)) * (1 + 4 + 9 - k (k + 1)^2 / 4) = 4 * 2 = N (k - 1), the highest there is
    assert found.chi2 == pytest.approx(8)
    assert (found.f, found.f_p) == (math.inf, 0)


@pytest.mark.parametrize("values", [{"a": [1.0], "b": [2.0], "c": [3.0]}, {"a": [1.0, 2.0], "b": [2.0, 1.0]},
                                    {"a": [1.0, 1.0], "b": [1.0, 1.0], "c": [1.0, 1.0]}])  # fmt: skip
def test_what_cannot_be_tested_is_no_number(values: dict[str, list[float]]) -> None:
    found = ranking.rank(pd.DataFrame(values))
    assert math.isnan(found.chi2)
    assert math.isnan(found.f_p)
    assert found.cd > 0


def grown(drop: str, seed: int, accuracy: float | None, density: float, grow: str = "random") -> dict[str, object]:
    params = {"method_params.drop": drop, "method_params.grow": grow}
    return run("set", seed, accuracy, "finished" if accuracy else "missing", density=density, **params)


GRID = [
    grown("a", 0, 0.90, 0.05), grown("a", 1, 0.92, 0.05), grown("b", 0, 0.91, 0.05), grown("b", 1, 0.89, 0.05),
    grown("a", 0, 0.80, 0.1, "gradient"), grown("b", 0, 0.85, 0.1, "gradient"),
    grown("a", 0, 0.95, 0.2), grown("b", 0, None, 0.2),
    run("static", 0, 0.70, density=0.05), run("static", 0, 0.90, density=0.1), run("dense", 0, 0.99),
]  # fmt: skip


def found(**params: object) -> dict[tuple[str, str], float]:
    rows = ranked(frames(*GRID), RankingParams.model_validate(params))
    return {(str(r.group), str(r.treatment)): float(r.rank) for r in rows.itertuples()}


def test_settings_vote_by_the_mean_over_seeds() -> None:
    # at 5 % a has 91, b 90; at 10 %, grown by gradient, a has 80, b 85; at 20 % b has no run
    assert found()["density ≤ 10 %", "a"] == found()["density ≤ 10 %", "b"] == 1.5
    rows = ranked(frames(*GRID), RankingParams()).set_index("group")
    assert set(rows.loc["density ≤ 10 %", "blocks"]) == {2}
    assert set(rows.loc["density > 10 %", "blocks"]) == {0}
    assert set(rows.loc["density > 10 %", "incomplete"]) == {1}


def test_seeds_can_vote() -> None:
    # 5 %: seed 0 has b first, seed 1 a; 10 %: b. The mean rank of a is (2 + 1 + 2) / 3
    assert found(seeds=True, threshold=None)["", "a"] == pytest.approx(5 / 3)


def test_static_takes_part_if_asked_whatever_the_growth() -> None:
    # 5 %: a 1, b 2, static 3; 10 %: static 1, b 2, a 3
    ranks = found(also=["static"])
    assert [ranks["density ≤ 10 %", name] for name in ("a", "b", "static")] == [2, 2, 2]
    assert ("density ≤ 10 %", "static") not in found()


def test_settings_are_ranked_apart() -> None:
    ranks = found(by=["method_params.grow"])
    assert ranks["random growth, density ≤ 10 %", "a"] == 1
    assert ranks["gradient growth, density ≤ 10 %", "a"] == 2


def test_two_cells_of_one_treatment_are_refused() -> None:
    with pytest.raises(UserError, match=r"two cells are 'a' in digits, lenet, random: choose by `where`"):
        found(blocks=["dataset", "model", "method_params.grow"], threshold=None)


def test_table() -> None:
    shown = table(frames(*GRID), RankingParams(where={"density": [0.05]}))
    assert shown.labels == [("density ≤ 10 %", "a"), ("density ≤ 10 %", "b")]
    # CD of two treatments and one block: 1.960 * sqrt(2 * 3 / 6)
    assert shown.texts[0] == ["1.00", "1", "0", "—", "—", "—", "—", "1.96", ""]
    # |2 - 1| / sqrt(2 * 3 / 6) = 1 standard error: two-sided p 0.317
    assert shown.texts[1][-1] == "0.317"
