"""Whatever is asked: totals are exact, no layer is above its room, and each is within one of its real-valued share."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dst_repro.sparsity.distribution import Distribution, Shape, counts, er, erk

NAMES = "abcdef"
SIDE = st.one_of(st.integers(1, 4), st.integers(1, 300))
SHAPE = st.one_of(st.tuples(SIDE, SIDE), st.tuples(SIDE, SIDE, st.integers(1, 7), st.integers(1, 7)))
SHAPES = st.lists(SHAPE, min_size=1, max_size=6).map(lambda shapes: dict(zip(NAMES, shapes, strict=False)))
DENSITY = st.one_of(st.floats(0.001, 1), st.sampled_from([1.0, 0.999, 0.5, 0.25, 0.1, 0.05, 0.001]))
ROOM = st.one_of(st.sampled_from([Fraction(0), Fraction(1)]), st.fractions(0, 1, max_denominator=97))
DISTRIBUTION = st.sampled_from(["uniform", "er", "erk"])

quickly = settings(max_examples=250, deadline=None, derandomize=True, database=None)


def size(shapes: dict[str, Shape]) -> dict[str, int]:
    return {name: math.prod(shape) for name, shape in shapes.items()}


def shares(
    shapes: dict[str, Shape], total: Fraction, distribution: Distribution, room: dict[str, int]
) -> dict[str, Fraction]:
    """In fractions: layers that are full are taken out one at a time, the fullest first."""
    per_weight = {"uniform": lambda shape: 1.0, "er": er, "erk": erk}[distribution]
    parts = {name: Fraction(per_weight(shape)) * math.prod(shape) for name, shape in shapes.items()}
    found = {name: Fraction(0) for name in shapes if room[name] == 0}
    while len(found) < len(shapes):
        free = [name for name in shapes if name not in found]
        unit = (total - sum(found.values())) / sum(parts[name] for name in free)
        fullest = max(free, key=lambda name: parts[name] / room[name])
        if unit * parts[fullest] <= room[fullest]:
            return found | {name: unit * parts[name] for name in free}
        found[fullest] = Fraction(room[fullest])
    return found


@quickly
@given(SHAPES, DENSITY, DISTRIBUTION)
def test_all_room(shapes: dict[str, Shape], density: float, distribution: Distribution) -> None:
    sizes = size(shapes)
    found = counts(shapes, density, distribution)
    assert list(found) == list(shapes)
    assert sum(found.values()) == round(density * sum(sizes.values()))
    assert counts(shapes, density, distribution, room=dict(reversed(sizes.items()))) == found
    real = shares(shapes, Fraction(density) * sum(sizes.values()), distribution, sizes)
    assert all(0 <= found[name] <= sizes[name] and abs(found[name] - real[name]) < 1 + 1e-6 for name in shapes)


@quickly
@given(SHAPES, DENSITY, DISTRIBUTION, st.lists(ROOM, min_size=6, max_size=6))
def test_some_room(shapes: dict[str, Shape], density: float, distribution: Distribution, parts: list[Fraction]) -> None:
    sizes = size(shapes)
    room = {name: math.floor(part * sizes[name]) for name, part in zip(sizes, parts, strict=False)}
    total, every = round(density * sum(sizes.values())), sum(room.values())
    if total > every:
        with pytest.raises(ValueError, match=f"^{total} weights do not fit where there is room for {every}$"):
            counts(shapes, density, distribution, room=room)
        return
    found = counts(shapes, density, distribution, room=room)
    assert sum(found.values()) == total
    assert all(0 <= found[name] <= room[name] for name in shapes)
    asked = shares(shapes, Fraction(density) * sum(sizes.values()), distribution, sizes)
    if any(asked[name] > room[name] + 1 for name in shapes):  # room binds, by more than rounding
        asked = shares(shapes, Fraction(total), distribution, room)
    elif any(asked[name] > room[name] for name in shapes):
        return
    assert all(abs(found[name] - asked[name]) < 1 + 1e-6 for name in shapes)
