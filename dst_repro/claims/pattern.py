"""Whether the same layers are sparse whatever the density, and where that ends."""

from __future__ import annotations

import itertools
import json
import math
from typing import Annotated, Any, Literal

from pydantic import Field
from scipy import stats

from dst_repro.claims.at_density import accuracies, dense_beside, known, of_method
from dst_repro.claims.base import Answer, decided, not_run, of_share, settled, shown
from dst_repro.compare.cells import Cell, missing_seeds
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import paired
from dst_repro.statistics.summary import Summary, summarise
from dst_repro.tables.cells import Selected
from dst_repro.words import how_many

ALPHA = "method_params.alpha"
Layers = dict[str, float]
"""Layer -> percent of its weights that are kept at the end, in the order of the network."""


class SamePatternParams(Selected):
    method: str = "dst"
    alphas: Annotated[tuple[float, ...], Field(strict=False, min_length=2)] = (1.0e-5, 1.0e-6, 1.0e-7)
    rho: float = 0.8
    """Spearman's correlation of the layers between any two of them, at least."""
    ranked: int = 6
    """How many are the sparsest, and how many the densest."""
    sparse: dict[str, float] = Field(default_factory=dict)
    """Layers among the sparsest at each alpha -> percent that they keep at most."""
    dense: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Layers among the densest at each alpha."""
    whole: dict[str, float] = Field(default_factory=dict)
    """Layers among the densest -> percent that they keep at least."""


def _swept(frames: Frames, params: Selected, method: str) -> list[Cell]:
    found = of_method(known(frames, params.where), method)
    return sorted((c for c in found if c.get(ALPHA) is not None), key=lambda c: float(c.get(ALPHA)))


def _layers(run: dict[str, Any]) -> Layers:
    return {layer["name"]: 100 * layer["kept"] / layer["numel"] for layer in json.loads(run["layers"])}


def _mean(cell: Cell) -> Layers:
    each = [_layers(run) for run in cell.finished]
    return {name: sum(one[name] for one in each) / len(each) for name in each[0]}


def _spearman(one: Layers, other: Layers) -> float:
    """Of the layers; nan where one of the two is the same everywhere."""
    values = list(one.values()), [other[name] for name in one]
    return float(stats.spearmanr(*values).statistic) if all(len(set(side)) > 1 for side in values) else math.nan


@claims.register("same-pattern", SamePatternParams)
def same_pattern(frames: Frames, params: SamePatternParams) -> Answer:
    """The same layers are sparse, and the same ones dense, at every alpha

    Of means over seeds at the end. The statistic is the lowest of Spearman's correlations between two alphas.
    """
    swept = _swept(frames, params, params.method)
    chosen = [c for c in swept if any(math.isclose(c.get(ALPHA), alpha) for alpha in params.alphas)]
    if len(chosen) != len(params.alphas) or not all(c.finished for c in chosen):
        finished = sum(bool(c.finished) for c in chosen)
        return not_run(
            f"{how_many(finished, 'cell')} with a finished run, where {len(params.alphas)} alphas are asked for"
        )
    means = [_mean(cell) for cell in chosen]
    rho = min(_spearman(one, other) for one, other in itertools.combinations(means, 2))
    breaks = [f"{name} at alpha {cell.get(ALPHA):g} ({layers[name]:.1f} %)"
              for cell, layers in zip(chosen, means, strict=True) for name in _elsewhere(layers, params)]  # fmt: skip
    asked = len(chosen) * len({*params.sparse, *params.dense, *params.whole})
    verdict = of_share(int(rho >= params.rho - 1e-9) + int(not breaks), 2, 1.0)
    evidence = f"Spearman of the layers at least {rho:.2f} between alphas, asked {params.rho:g}"
    if asked:
        evidence += f"; {asked - len(breaks)} of {asked} layers where they are asked to be"
        evidence += f", but {', '.join(breaks)}" if breaks else ""
    seeds = [len(cell.finished) for cell in chosen]
    lost = "; ".join(dict.fromkeys(filter(None, map(missing_seeds, chosen))))
    evidence += f" ({how_many(min(seeds), 'seed')} or more each{f'; {lost}' if lost else ''})"
    runs = tuple(str(run["id"]) for cell in chosen for run in cell.finished)
    return Answer(settled(verdict, seeds), evidence, rho, threshold=params.rho, runs=runs)


def _elsewhere(layers: Layers, params: SamePatternParams) -> list[str]:
    """The layers that are not where they are said to be."""
    order = sorted(layers, key=lambda name: layers[name])
    sparsest, densest = order[: params.ranked], order[-params.ranked :]
    wrong = [name for name, most in params.sparse.items() if name not in sparsest or layers[name] > most]
    dense = dict.fromkeys(params.dense, 0.0) | params.whole
    return wrong + [name for name, least in dense.items() if name not in densest or layers[name] < least]


class PatternBreaksParams(Selected):
    method: str = "dst"
    reference: float = 1.0e-6
    """The alpha whose pattern the others are compared with."""
    percent: float = 5.0
    """The density below which the pattern breaks."""
    drop: float = 0.1
    """By how much Spearman's correlation is lower there, on average, at least."""
    falls: float = 0.5
    """Points below dense from which accuracy counts as fallen; only reported."""
    by: Literal["means", "intervals"] = "means"


@claims.register("pattern-breaks", PatternBreaksParams)
def pattern_breaks(frames: Frames, params: PatternBreaksParams) -> Answer:
    """The layers of networks sparser than some density are ordered otherwise than those of denser ones

    Of each run Spearman's correlation of its layers with those of the reference of the same seed. The statistic is its
    mean over the denser cells of a seed less that over the sparser ones, averaged over seeds, with its interval.
    """
    swept = _swept(frames, params, params.method)
    same = [cell for cell in swept if math.isclose(cell.get(ALPHA), params.reference)]
    if not same or not same[0].finished:
        return not_run(f"no finished run at the reference alpha {params.reference:g}")
    pattern = {run["seed"]: _layers(run) for run in same[0].finished}
    others = [cell for cell in swept if cell is not same[0] and cell.finished]
    sides: dict[bool, dict[int, list[float]]] = {True: {}, False: {}}
    means, runs = [], [str(run["id"]) for run in same[0].finished]
    for cell in others:
        sparse = cell.density.mean < params.percent
        found = {run["seed"]: _spearman(pattern[run["seed"]], _layers(run)) for run in cell.finished
                 if run["seed"] in pattern}  # fmt: skip
        for seed, rho in found.items():
            sides[sparse].setdefault(seed, []).append(rho)
        means.append((cell, summarise(found.values())))
        runs += [str(run["id"]) for run in cell.finished if run["seed"] in pattern]
    above, below = ({seed: summarise(rhos).mean for seed, rhos in side.items()} for side in (sides[False], sides[True]))
    drop = paired(above, below)
    if drop.n == 0:
        return not_run(f"no seed with networks on both sides of {params.percent:g} %")
    verdict = decided(drop, params.drop, params.by)
    evidence = (
        f"Spearman with the pattern at alpha {params.reference:g} is lower below {params.percent:g} % by "
        f"{shown(drop, 'on average')}, asked {params.drop:g}; {_where(frames, means, params)}"
    )
    return Answer(settled(verdict, [drop.n]), evidence, drop.mean, drop.low, drop.high, params.drop, tuple(runs))


def _where(frames: Frames, means: list[tuple[Cell, Summary]], params: PatternBreaksParams) -> str:
    """At which densities the pattern and the accuracy are what they are, the densest first."""
    dense = dense_beside(known(frames, params.where), means[0][0])
    words, fallen = [], ""
    for cell, rho in sorted(means, key=lambda one: -one[0].density.mean):
        words.append(f"{rho.mean:.2f} at {cell.density.mean:.3g} %")
        if dense is not None and not fallen:
            gap = paired(accuracies(cell), accuracies(dense))
            fallen = f"{cell.density.mean:.3g} %" if gap.mean < -params.falls else ""
    text = ", ".join(words)
    return f"{text}; accuracy is more than {params.falls:g} points below dense first at {fallen or 'none of them'}"
