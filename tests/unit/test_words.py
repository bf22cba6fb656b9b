"""Numbers in sentences."""

from __future__ import annotations

import pytest

from dst_repro.words import how_many, minus, signed


def test_one_has_no_s() -> None:
    assert [how_many(n, "run") for n in (0, 1, 2, 1334)] == ["0 runs", "1 run", "2 runs", "1,334 runs"]


def test_a_sign_is_a_minus_and_a_hyphen_stays_one() -> None:
    text = minus("sparse-momentum at alpha 5e-6: -0.47 points [-0.6, +0.1], LeNet-5")
    assert text == "sparse-momentum at alpha 5e-6: \N{MINUS SIGN}0.47 points [\N{MINUS SIGN}0.6, +0.1], LeNet-5"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.06, "+0.06"), (-0.47, "\N{MINUS SIGN}0.47"), (0.0, "0.00"), (-0.004, "0.00"), (0.005, "+0.01")],
)
def test_a_difference_has_its_sign(value: float, text: str) -> None:
    assert signed(value) == text
