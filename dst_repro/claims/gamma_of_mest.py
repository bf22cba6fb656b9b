"""What the weight of the gradient does in MEST's criterion."""

from __future__ import annotations

from collections import defaultdict

from dst_repro.claims import base
from dst_repro.claims.base import Answer, Judged, above, gaps, shown, used, when
from dst_repro.claims.settings import rest
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import Paired, paired
from dst_repro.statistics.summary import summarise
from dst_repro.tables import fields
from dst_repro.tables.cells import Cell, cells
from dst_repro.tables.judging import accuracies

Values = dict[int, float]


class GammaParams(Judged):
    small: float = 0.001
    usual: float = 1.0
    large: float = 1000.0
    """Values of gamma."""
    margin: float = 0.5
    """Points within which the small one is as good as magnitude."""
    most_density: float = 0.1
    """Up to this target density the large one is worse than the usual one."""
    sparse: float = 0.05
    dense: float = 0.5
    """Its loss is larger at the one target density than at the other."""


@claims.register("gamma-of-mest", GammaParams)
def gamma_of_mest(frames: Frames, params: GammaParams) -> Answer:
    """MEST with a small gamma is as good as magnitude; a large one hurts, most at low density

    Means over settings, seed by seed. The statistic is what the large gamma loses at low density, in points.
    """
    by_gamma: dict[float, dict[float, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    alike: dict[str, Cell] = {}
    for cell in cells(frames.runs, params.where):
        density, drop = round(float(cell.runs["density"].iloc[0]), 6), cell.field("method_params.drop")
        if drop == "magnitude":
            alike[_rest(cell)] = cell
        elif drop == "mest":
            by_gamma[fields.number(cell, "method_params.gamma") or 0.0][density].append(cell)

    def values(gamma: float, density: float) -> list[Values]:
        return [accuracies(cell, params.selection) for cell in by_gamma[gamma][density]]

    def loss(densities: list[float]) -> Paired:
        return paired(*(_mean([v for d in densities for v in values(g, d)]) for g in (params.usual, params.large)))

    densities = sorted({density for found in list(by_gamma.values()) for density in found})
    twins = [(cell, alike[_rest(cell)]) for found in by_gamma[params.small].values() for cell in found
             if _rest(cell) in alike]  # fmt: skip
    same = paired(*(_mean([accuracies(pair[side], params.selection) for pair in twins]) for side in (0, 1)))
    low = loss([density for density in densities if density <= params.most_density + 1e-9])
    gaps_of = [{seed: a - b for seed, a in _mean(values(params.usual, d)).items()
                if (b := _mean(values(params.large, d)).get(seed)) is not None}
               for d in (params.sparse, params.dense)]  # fmt: skip
    more = paired(*gaps_of)
    every = list({cell.id: cell for found in by_gamma.values() for group in found.values() for cell in group}.values())
    every += [twin for _, twin in twins]
    if not (same.n or low.n or more.n):
        return Answer("not run", f"no seed has two of these values of gamma{gaps(every)}")
    text = f"gamma {params.small:g} less magnitude {shown(same)}, to lie within {params.margin:g}; gamma "
    text += f"{params.usual:g} less {params.large:g} at densities up to {100 * params.most_density:g} % {shown(low)}, "
    text += f"to be above 0; that at {100 * params.sparse:g} less that at {100 * params.dense:g} % {shown(more)}, to be"
    text += f" above 0; {when(every, params.selection)}{gaps(every)}"
    verdict = base.together([base.within(same, params.margin), above(low), above(more)])
    return Answer(verdict, text, low.mean, low.low, low.high, 0.0, used(every))


def _rest(cell: Cell) -> str:
    return rest(cell, "method_params.drop", "method_params.gamma")


def _mean(found: list[Values]) -> Values:
    """Seed -> mean over settings, of the seeds that all of them have."""
    seeds = set.intersection(*map(set, found)) if found else set()
    return {seed: summarise(values[seed] for values in found).mean for seed in sorted(seeds)}
