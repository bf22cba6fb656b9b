"""How much it matters by which criterion is pruned."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dst_repro.claims.base import Answer, Verdict, above, gaps, of_share, together, used, when
from dst_repro.claims.settings import GridParams, Setting, all_cells, complete, settings, short
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import Paired, paired


class SpreadParams(GridParams):
    least_density: float = 0.2
    """Settings of this target density and more count, up to `most_density`."""
    most_density: float = 1.0
    margin: float = 0.5
    """Points by which the best and the worst mean may differ in any case."""
    deviations: float = 2.0
    """Standard deviations over seeds by which they may, if that is more."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Of the settings, in which that has to be so."""
    control: str | None = None
    """A treatment that has to be below the lowest of them, everywhere."""


@claims.register("spread-of-criteria", SpreadParams)
def spread_of_criteria(frames: Frames, params: SpreadParams) -> Answer:
    """At densities that are not low, the best and the worst of several criteria differ by little

    Spread: highest less lowest mean over seeds of a setting. It may be as large as a margin, or so many standard
    deviations over seeds, pooled over the criteria. The statistic is the share of settings in which it is not larger.
    """
    also = [params.control] if params.control else []
    known = [s for s in settings(frames.runs, params, also)
             if params.least_density - 1e-9 <= s.density <= params.most_density + 1e-9]  # fmt: skip
    found = complete(known, (*params.treatments, *also), 2)
    spreads = [setting.spread(params.treatments) for setting in found]
    bounds = [max(params.margin, params.deviations * setting.pooled(params.treatments)) for setting in found]
    hits = sum(spread <= bound for spread, bound in zip(spreads, bounds, strict=True))
    unknown = len(known) - len(found)
    verdict = of_share(hits, len(found), params.share, unknown)
    allowed = f"{params.margin:g} points" + (f" or {params.deviations:g} sd over seeds" if params.deviations else "")
    extent = f" ({min(spreads):.2f} to {max(spreads):.2f} points)" if spreads else ""
    text = f"best and worst of {len(params.treatments)} differ by no more than {allowed} in {hits} of "
    text += f"{len(found)} settings{extent}, needed in {100 * params.share:g} %"
    if params.control:
        below, words = _below(found, params.treatments, params.control)
        verdict, text = together([verdict, below]), f"{text}; {words}"
    text += f"; {unknown} settings with fewer than two seeds of each" if unknown else ""
    every = all_cells(known)
    return Answer(
        verdict if found or not every else "inconclusive", f"{text}; {when(every, params.selection)}{gaps(every)}",
        hits / len(found) if found else float("nan"), threshold=params.share, runs=used(every),
    )  # fmt: skip


def _below(found: list[Setting], treatments: tuple[str, ...], control: str) -> tuple[Verdict, str]:
    """Whether the control is below the lowest of the others, seed by seed."""
    gained: list[Paired] = []
    for setting in found:
        means = {name: summary.mean for name, summary in setting.summaries(treatments).items()}
        lowest = min(means, key=lambda name: means[name])
        gained.append(paired(setting.values(lowest), setting.values(control)))
    shown = ", ".join(f"{one.mean:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in gained)
    return together(above(one) for one in gained), f"{short(control)} below the worst by {shown or '-'} points"
