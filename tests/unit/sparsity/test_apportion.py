"""Shares of a number, worked out by hand; totals that are exact and layers never overfull, whatever is asked."""

from __future__ import annotations

import random

import pytest

from dst_repro.sparsity.apportion import Excess, apportion, fill, fill_equally, roundable, whole


def test_amounts_are_in_proportion() -> None:
    assert fill(12, {"a": 1, "b": 2, "c": 3}, {"a": 9, "b": 9, "c": 9}) == {"a": 2, "b": 4, "c": 6}
    assert fill_equally(12, {"a": 1, "b": 2, "c": 3}, {"a": 9, "b": 9, "c": 9}) == {"a": 2, "b": 4, "c": 6}


def test_what_a_full_layer_cannot_take() -> None:
    """c would get 60 of its 30: a and b share 30 more by 1 to 2, or by halves."""
    shares, room = {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 100, "b": 100, "c": 30}
    assert fill(120, shares, room) == pytest.approx({"a": 30, "b": 60, "c": 30})
    assert fill_equally(120, shares, room) == pytest.approx({"a": 35, "b": 55, "c": 30})


def test_layers_that_the_excess_fills() -> None:
    """Equal parts: of c's excess of 30, 15 go to b, which has room for 5; the other 10 go to a."""
    shares, room = {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 100, "b": 45, "c": 30}
    assert fill_equally(120, shares, room) == pytest.approx({"a": 45, "b": 45, "c": 30})
    assert fill(120, shares, room) == pytest.approx({"a": 45, "b": 45, "c": 30})


def test_shares_of_zero_are_equal_ones() -> None:
    room = {"a": 100, "b": 100, "c": 2}
    assert apportion(10, dict.fromkeys(room, 0.0), room) == {"a": 4, "b": 4, "c": 2}
    assert apportion(10, dict.fromkeys(room, 0.0), room, "equal") == {"a": 4, "b": 4, "c": 2}
    assert apportion(10, {"a": 0.0, "b": 0.0, "c": 1.0}, room) == {"a": 4, "b": 4, "c": 2}


def test_largest_remainders_get_the_last_weights() -> None:
    room = {"a": 9, "b": 9, "c": 9}
    assert whole({"a": 1.2, "b": 2.7, "c": 3.1}, 7, room) == {"a": 1, "b": 3, "c": 3}
    assert whole({"a": 1.5, "b": 2.5, "c": 3.0}, 7, room) == {"a": 2, "b": 2, "c": 3}  # the earlier of a tie
    assert whole({"a": 0.9999999999, "b": 2.0, "c": 3.0}, 6, room) == {"a": 1, "b": 2, "c": 3}


def test_rounding_moves_no_more_than_a_fraction() -> None:
    amounts = {"a": 2.5, "b": 7.5}
    assert roundable(amounts, 10, {"a": 2, "b": 100})  # 2 and 8
    assert not roundable(amounts, 11, {"a": 2, "b": 100})  # 2 and 9
    assert not roundable(amounts, 10, {"a": 1, "b": 100})  # 1 and 9
    assert roundable({"a": 1.9999999999, "b": 8.0}, 10, {"a": 2, "b": 8})
    assert not roundable({"a": 1.9999999999, "b": 8.0}, 10, {"a": 1, "b": 8})


def test_no_room_is_an_error() -> None:
    with pytest.raises(ValueError, match="8 weights do not fit where there is room for 7"):
        apportion(8, {"a": 1.0, "b": 1.0}, {"a": 3, "b": 4})


@pytest.mark.parametrize("excess", ["proportional", "equal"])
@pytest.mark.parametrize("seed", range(300))
def test_totals_are_exact_and_no_layer_is_overfull(excess: Excess, seed: int) -> None:
    rng = random.Random(seed)
    room = {str(i): rng.choice([0, 1, 2, 5, 100, 10**6, rng.randint(0, 1000)]) for i in range(rng.randint(1, 8))}
    every = sum(room.values())
    shares = {name: rng.choice([0.0, 1e-12, 1.0, rng.random(), 1e6 * rng.random()]) for name in room}
    for total in (0, every, max(0, every - 1), rng.randint(0, every)):
        found = apportion(total, shares, room, excess)
        assert sum(found.values()) == total
        assert all(0 <= found[name] <= room[name] for name in room)


def test_a_larger_share_never_gets_less_of_equal_room() -> None:
    room = dict.fromkeys("abcd", 50)
    for total in range(0, 201, 7):
        found = apportion(total, {"a": 1.0, "b": 2.0, "c": 4.0, "d": 8.0}, room)
        assert list(found.values()) == sorted(found.values())
