"""Accuracy at a density that no run was asked for: between the neighbours in a sweep, seed by seed, never beyond it.

DST has no target density, and the alphas behind some published numbers are not stated. So the runs of one seed at
several alphas are a curve of accuracy over the density reached; between two neighbouring alphas that enclose the
published density it is a straight line over log density. Each seed gives one value. Mean, spread and tests are then
those of any other cell: the scatter of the densities and the pairing of seeds are in the values themselves.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

SAME = 5e-3
"""Relative difference of two densities that are one: targets are met to one weight, printed ones are rounded."""


class Point(NamedTuple):
    """One run of a sweep. Density and value are in percent; `label` says which run (its alpha, its cell)."""

    density: float
    value: float
    label: str = ""


class At(NamedTuple):
    """What a curve says at a density, and the labels of the one or two points that it comes from."""

    value: float
    between: tuple[str, ...]


def at_density(points: Iterable[Point], density: float) -> At | None:
    """The value at `density`: that of a point which has it, else between two neighbours; None if none enclose it.

    `points` are in the order of the sweep (alpha rising). Where thresholds are reset, density need not fall with alpha,
    and several pairs may enclose the density: the first counts.
    """
    curve = [p for p in points if p.density > 0 and not math.isnan(p.value)]
    same = [p for p in curve if math.isclose(p.density, density, rel_tol=SAME)]
    if same:
        nearest = min(same, key=lambda p: abs(math.log(p.density / density)))
        return At(nearest.value, (nearest.label,))
    for pair in itertools.pairwise(curve):
        low, high = sorted(pair)
        if low.density < density < high.density:
            share = math.log(density / low.density) / math.log(high.density / low.density)
            return At(low.value + share * (high.value - low.value), (low.label, high.label))
    return None


@dataclass(frozen=True)
class Matched:
    """A sweep at one density: the seeds that have a value, and those whose curve does not reach it."""

    values: dict[int, float] = field(default_factory=dict)
    between: tuple[str, ...] = ()
    """The labels of all points that the values come from, in the order of their densities."""
    outside: dict[int, tuple[float, float]] = field(default_factory=dict)
    """Seed -> the lowest and the highest density of its curve, in percent."""


def match(curves: Mapping[int, list[Point]], density: float) -> Matched:
    """Each seed's curve at `density`, in percent. A seed without points is neither inside nor outside."""
    values: dict[int, float] = {}
    outside: dict[int, tuple[float, float]] = {}
    used: dict[str, float] = {}
    for seed, points in curves.items():
        found = at_density(points, density)
        if found is not None:
            values[seed] = found.value
            used |= {p.label: p.density for p in points if p.label in found.between}
        elif points:
            reached = [p.density for p in points]
            outside[seed] = (min(reached), max(reached))
    return Matched(values, tuple(sorted(used, key=lambda label: used[label])), outside)
