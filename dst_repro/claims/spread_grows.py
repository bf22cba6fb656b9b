"""Whether it matters more by which criterion is pruned where few weights are left."""

from __future__ import annotations

import math

from scipy import stats

from dst_repro.claims.base import Answer, Verdict, gaps, used, when
from dst_repro.claims.settings import GridParams, Setting, all_cells, complete, settings
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.summary import summarise


class GrowsParams(GridParams):
    low: float = 0.1
    """Target densities up to this one are low."""
    high: float = 0.2
    """From this one on they are not."""
    level: float = 0.05
    """Of Wilcoxon's test."""


@claims.register("spread-grows", GrowsParams)
def spread_grows(frames: Frames, params: GrowsParams) -> Answer:
    """The best and the worst of several criteria differ more at low density than at higher ones

    One pair of mean spreads for each setting but for its density; Wilcoxon's signed-rank test, two-sided. The statistic
    is the median of their differences, in points.
    """
    known = settings(frames.runs, params)
    known = [s for s in known if s.density <= params.low + 1e-9 or s.density >= params.high - 1e-9]
    found = complete(known, params.treatments, 2)
    place = params.blocks.index("density")
    pairs: dict[tuple[str, ...], tuple[list[float], list[float]]] = {}
    for setting in found:
        both = pairs.setdefault((*setting.place[:place], *setting.place[place + 1 :]), ([], []))
        both[_is_high(setting, params)].append(setting.spread(params.treatments))
    whole = [(low, high) for low, high in pairs.values() if low and high]
    grown = [summarise(low).mean - summarise(high).mean for low, high in whole]
    p = float(stats.wilcoxon(grown).pvalue) if any(grown) else math.nan
    middle = sorted(grown)[len(grown) // 2] / 2 + sorted(grown)[(len(grown) - 1) // 2] / 2 if grown else math.nan
    verdict: Verdict = "inconclusive"
    if p < params.level:
        verdict = "holds" if middle > 0 else "fails"
    means = [summarise(one for pair in whole for one in pair[side]).mean for side in (0, 1)]
    every = all_cells(known)
    text = f"spread at densities up to {100 * params.low:g} % {means[0]:.2f} points, from {100 * params.high:g} % on "
    text += f"{means[1]:.2f}, larger in {sum(one > 0 for one in grown)} of {len(grown)} pairs, median difference "
    text += f"{middle:+.2f}; Wilcoxon p = {p:.3g}, to be below {params.level:g}"
    text += f", which {len(grown)} pairs never are" if 0.5 ** (len(grown) - 1) >= params.level else ""
    text += f"; {when(every, params.selection)}"
    left = len(known) - len(found)
    text += f"; {left} settings with fewer than two seeds of each" if left else ""
    return Answer(verdict if every else "not run", text + gaps(every), middle, threshold=0.0, runs=used(every))


def _is_high(setting: Setting, params: GrowsParams) -> bool:
    return setting.density >= params.high - 1e-9
