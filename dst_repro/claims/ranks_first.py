"""Whether one treatment is the best."""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated

from pydantic import Field

from dst_repro.claims.base import Answer, Verdict, gaps, of_share, used, when
from dst_repro.claims.settings import GridParams, Setting, all_cells, complete, means, settings, short
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.ranking import LEVEL, rank
from dst_repro.tables.cells import Cell


class LowParams(GridParams):
    first: str = "magnitude"
    """The treatment that is to rank first, or not significantly behind the first."""
    least_density: float = 0.0
    most_density: float = 0.1
    """Settings of target densities from the one to the other count."""


class FirstParams(LowParams):
    level: float = LEVEL
    """Of the tests of Friedman and Nemenyi."""


@claims.register("ranks-first", FirstParams)
def ranks_first(frames: Frames, params: FirstParams) -> Answer:
    """By average rank over settings one treatment is first, or not significantly behind the first

    Friedman's test, then Nemenyi's (Demsar 2006): where the former finds no difference at all, neither is shown. The
    statistic is how far the average rank is behind the best, the threshold the critical difference.
    """
    known = _low(frames, params)
    found = complete(known, params.treatments, 2)
    every = all_cells(known)
    if not found:
        return _none(params, every)
    table = means(found, params.treatments)
    ranking = rank(table)
    behind = float(ranking.ranks[params.first] - ranking.ranks.iloc[0])
    verdict: Verdict = "holds" if behind == 0 or not ranking.p[params.first] < params.level else "fails"
    if not ranking.chi2_p < params.level:
        verdict = "inconclusive"
    wins = int((table.idxmax(axis=1) == params.first).sum())
    ranks = ", ".join(f"{short(str(name))} {value:.2f}" for name, value in ranking.ranks.items())
    p = f"Friedman p = {ranking.chi2_p:.2g}" if not math.isnan(ranking.chi2_p) else "too few for Friedman's test"
    text = f"average ranks {ranks}; {short(params.first)} behind the first by {behind:.2f}, significant from "
    text += f"{ranking.cd:.2f} on ({p}); its mean is the highest in {wins} of {len(found)} settings"
    left = len(known) - len(found)
    text += f"; {left} settings with fewer than two seeds of each" if left else ""
    return Answer(verdict, f"{text}; {when(every, params.selection)}{gaps(every)}", behind, threshold=ranking.cd,
                  runs=used(every))  # fmt: skip


class BestParams(LowParams):
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of the settings, at least."""


@claims.register("best-in-most", BestParams)
def best_in_most(frames: Frames, params: BestParams) -> Answer:
    """In at least half of the settings, or another share, one treatment has the highest mean

    The statistic is the share of settings.
    """
    known = _low(frames, params)
    found = complete(known, params.treatments, 2)
    every = all_cells(known)
    if not found:
        return _none(params, every)
    best = Counter(str(name) for name in means(found, params.treatments).idxmax(axis=1))
    hits, unknown = best[params.first], len(known) - len(found)
    counted = ", ".join(f"{short(name)} {n}" for name, n in best.most_common())
    text = f"{short(params.first)} has the highest mean in {hits} of {len(found)} settings ({counted}), needed in "
    text += f"{100 * params.share:g} %" + (f"; {unknown} settings with fewer than two seeds of each" if unknown else "")
    return Answer(of_share(hits, len(found), params.share, unknown),
                  f"{text}; {when(every, params.selection)}{gaps(every)}", hits / len(found), threshold=params.share,
                  runs=used(every))  # fmt: skip


def _low(frames: Frames, params: LowParams) -> list[Setting]:
    known = settings(frames.runs, params)
    return [s for s in known if params.least_density - 1e-9 <= s.density <= params.most_density + 1e-9]


def _none(params: LowParams, every: list[Cell]) -> Answer:
    text = f"no setting has two seeds of each of {len(params.treatments)} treatments{gaps(every)}"
    return Answer("inconclusive" if every else "not run", text, runs=used(every))
