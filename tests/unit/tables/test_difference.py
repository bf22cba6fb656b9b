"""Differences at equal density: numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dst_repro.errors import UserError
from dst_repro.tables.difference import DifferenceParams, difference, table
from tests import small

AGAINST_SET = DifferenceParams(against="set")


def run(method: str, seed: int, accuracy: float | None, density: float, **fields: Any) -> dict[str, Any]:
    status = "finished" if accuracy is not None else "diverged"
    return small.run(method, seed, accuracy, status, density=density, **fields)


def dst(seed: int, accuracy: float, reached: float, alpha: float = 1e-3) -> dict[str, Any]:
    made = small.run("dst", seed, accuracy, **{"method_params.alpha": alpha, "last.density": reached})
    return made | {"cell": f"dst-{alpha}", "id": f"dst-{alpha}-s{seed}"}


def test_at_a_density_that_both_were_asked_for() -> None:
    """RigL less SET: 2, 1, 3 points: mean 2, sd 1, t(0.975, 2) / sqrt(3) = 2.4841; t = 2 sqrt(3), p = 0.0742."""
    rows = [run("set", s, a, 0.1) for s, a in enumerate((0.90, 0.91, 0.92))]
    rows += [run("rigl", s, a, 0.1) for s, a in enumerate((0.92, 0.92, 0.95))]
    (row,) = difference(small.frames(*rows), AGAINST_SET)
    assert (row["treatment"], row["control"], row["density_percent"]) == ("rigl", "set", pytest.approx(10))
    assert (row["mean"], row["std"], row["n"], row["up"]) == (pytest.approx(2), pytest.approx(1), 3, 3)
    assert (row["low"], row["high"]) == (pytest.approx(-0.4841, abs=1e-4), pytest.approx(4.4841, abs=1e-4))
    assert row["p"] == pytest.approx(0.0742, abs=1e-4)
    assert math.isnan(row["p_holm"])  # the only test: nothing to be corrected for
    assert math.isnan(row["bootstrap_low"])  # of three seeds there is none
    shown = table(small.frames(*rows), AGAINST_SET)
    assert shown.labels == [("Digits", "lenet", "RigL")]
    assert shown.texts == [["10.00", "+2.00 (3)", "\N{MINUS SIGN}0.48 to +4.48", "3 of 3", "0.074"]]


def test_p_is_corrected_over_all_rows() -> None:
    """Two equal tests: each p doubles."""
    rows = [run("set", s, a, d) for d in (0.1, 0.2) for s, a in enumerate((0.90, 0.91, 0.92))]
    rows += [run("rigl", s, a, d) for d in (0.1, 0.2) for s, a in enumerate((0.92, 0.92, 0.95))]
    found = difference(small.frames(*rows), AGAINST_SET)
    assert [row["p_holm"] for row in found] == pytest.approx([2 * row["p"] for row in found])
    assert [row["density_percent"] for row in found] == pytest.approx([20, 10])


def test_a_seed_that_one_lacks_does_not_count() -> None:
    rows = [run("set", 0, 0.90, 0.1), run("set", 1, None, 0.1), run("rigl", 0, 0.91, 0.1), run("rigl", 1, 0.92, 0.1)]
    (row,) = difference(small.frames(*rows), AGAINST_SET)
    assert (row["n"], row["mean"], row["text"]) == (1, pytest.approx(1), "+1.00 (1 of 2; 1 without a pair)")
    assert len(row["left_out"].split()) == 2


@pytest.mark.parametrize(("against", "mean"), [("dst", -1.0), ("set", 1.0)])
def test_one_without_a_target_is_compared_at_the_density_that_it_reached(against: str, mean: float) -> None:
    """SET has 90 % at 1 % and 94 % at 4 %. DST reaches 2 %, half way in the logarithm: 92 %, where it has 93 itself."""
    rows = [run("set", 0, 0.90, 0.01), run("set", 0, 0.94, 0.04), dst(0, 0.93, 0.02)]
    (row,) = difference(small.frames(*rows), DifferenceParams(against=against))
    assert (row["mean"], row["density_percent"], row["n"]) == (pytest.approx(mean), pytest.approx(2), 1)
    assert table(small.frames(*rows), DifferenceParams(against=against)).labels[0][-1].startswith("DST")


def test_nothing_is_extrapolated() -> None:
    """Seed 1 is sparser than any run of SET; each seed goes by its own density."""
    rows = [run("set", s, a, d) for s in (0, 1) for a, d in ((0.90, 0.01), (0.94, 0.04))]
    rows += [dst(0, 0.93, 0.02), dst(1, 0.93, 0.008)]
    (row,) = difference(small.frames(*rows), DifferenceParams(against="dst"))
    assert (row["n"], row["outside"]) == (1, "1")
    assert row["text"] == "\N{MINUS SIGN}1.00 (1 of 2; s1 outside)"


def test_criteria_are_compared_where_all_else_is_equal() -> None:
    """Growth is a field of the blocks: magnitude with random growth is not compared with SNIP with gradient growth."""

    def grown(seed: int, accuracy: float, drop: str, grow: str) -> dict[str, Any]:
        return run("rigl", seed, accuracy, 0.1, **{"method_params.drop": drop, "method_params.grow": grow})

    rows = [grown(0, 0.90, "magnitude", "random"), grown(0, 0.80, "magnitude", "gradient")]
    rows += [grown(0, 0.91, "snip", "random"), grown(0, 0.85, "snip", "gradient")]
    fields = {"field": "method_params.drop", "against": "magnitude"}
    found = difference(small.frames(*rows), DifferenceParams(**fields, blocks=("model", "method_params.grow")))
    assert {row["place"]: round(row["mean"], 6) for row in found} == {"lenet, gradient": 5.0, "lenet, random": 1.0}
    with pytest.raises(UserError, match="two cells are 'snip' at 10 %"):
        difference(small.frames(*rows), DifferenceParams(**fields))


def test_a_control_that_is_not_there_is_an_error_with_the_near_miss() -> None:
    with pytest.raises(UserError, match="no 'sett' among them; did you mean 'set'"):
        difference(small.frames(run("set", 0, 0.9, 0.1)), DifferenceParams(against="sett"))


def test_planned_rows_stand_in_the_order_of_their_cells() -> None:
    """The densest first, whatever Python's hashes of texts are: without a finished run nothing else orders them."""
    densities = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    rows = [run(method, 0, None, density) for method in ("set", "rigl") for density in densities]
    found = difference(small.frames(*rows), AGAINST_SET)
    assert [float(row["setting"].partition(" ")[0]) for row in found] == [100 * d for d in reversed(densities)]
