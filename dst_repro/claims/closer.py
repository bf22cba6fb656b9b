"""Whether treatments are closer to another in one group of settings than in a second one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dst_repro.claims.base import Answer, above, gaps, shown, used, when
from dst_repro.claims.settings import GridParams, Setting, Treatments, all_cells, settings, short
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import paired
from dst_repro.statistics.summary import summarise
from dst_repro.tables.cells import select


class CloserParams(GridParams):
    first: str = "magnitude"
    """The one from which the others are counted."""
    treatments: Treatments = ("magnitude", "mest", "snip", "reciprocal-sensitivity")
    by: str = "batch_size"
    small: float = 128
    large: float = 1024
    """Values of that field: of the group that is further, and of the one that is closer."""
    most_density: float = 0.1
    """Settings of target densities up to this one count."""


@claims.register("closer", CloserParams)
def closer(frames: Frames, params: CloserParams) -> Answer:
    """In one group of settings the others come closer to a treatment than in a second one

    The first less the mean of the others, seed by seed, mean over settings. The statistic is by how much it is smaller
    in the group that is closer, in points.
    """
    parts = [_part(frames, params, value) for value in (params.small, params.large)]
    shared = set.intersection(*({s.place for s in part} for part in parts))
    far, near = ([s for s in part if s.place in shared] for part in parts)
    every = all_cells([*far, *near])
    gap = [_gap(part, params) for part in (far, near)]
    found = paired(*gap)
    if not found.n:
        text = f"no seed has all of {', '.join(map(short, params.treatments))} in both{gaps(every)}"
        return Answer("not run", text, runs=used(every))
    both = [summarise(values[seed] for seed in values if all(seed in one for one in gap)).mean for values in gap]
    others = ", ".join(short(name) for name in params.treatments if name != params.first)
    text = f"{short(params.first)} less the mean of {others}: {both[0]:+.2f} points at {params.by} {params.small:g}, "
    text += f"{both[1]:+.2f} at {params.large:g}, smaller by {shown(found)}, to be above 0; {len(shared)} settings; "
    return Answer(above(found), text + when(every, params.selection) + gaps(every), found.mean, found.low, found.high,
                  0.0, used(every))  # fmt: skip


def _part(frames: Frames, params: CloserParams, value: float) -> list[Setting]:
    where: Mapping[str, list[Any]] = {params.by: [value]}
    found = settings(select(frames.runs, where), params)
    return [s for s in found if s.density <= params.most_density + 1e-9 and set(s.cells) == set(params.treatments)]


def _gap(part: list[Setting], params: CloserParams) -> dict[int, float]:
    """Seed -> mean over settings, of the seeds that all have."""
    found = []
    for setting in part:
        values = {name: setting.values(name) for name in params.treatments}
        seeds = set.intersection(*map(set, values.values()))
        others = [values[name] for name in params.treatments if name != params.first]
        found.append({s: values[params.first][s] - summarise(one[s] for one in others).mean for s in seeds})
    seeds = set.intersection(*map(set, found)) if found else set()
    return {seed: summarise(one[seed] for one in found).mean for seed in sorted(seeds)}
