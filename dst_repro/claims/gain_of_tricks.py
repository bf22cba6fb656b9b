"""Whether tricks help, whatever the mask."""

from __future__ import annotations

from statistics import median
from typing import Annotated

from pydantic import Field

from dst_repro.claims.base import Answer, Verdict, gaps, mostly, signs, together, used, when
from dst_repro.claims.trick_gains import TricksParams, both, sparse, trick_gains
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.summary import summarise
from dst_repro.words import how_many


class HelpParams(TricksParams):
    share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Of the cells, whose mean gain has to be above zero."""
    reaches: Annotated[tuple[float, float], Field(strict=False)] | None = None
    """A range in points that the gains have to overlap."""


@claims.register("gain-of-tricks", HelpParams)
def gain_of_tricks(frames: Frames, params: HelpParams) -> Answer:
    """Tricks improve sparse training nearly everywhere

    Seed by seed. A share of the mean gains has to be above zero, and none may be significantly below after Holm's
    correction. The statistic is that share.
    """
    known = [gain for gain in sparse(trick_gains(frames, params)) if gain.tricks == params.tricks]
    found = [gain.found for gain in known]
    counted, unknown = signs(found), sum(one.n == 0 for one in found)
    every = both(known)
    if not counted.cases:
        return Answer("not run", f"no seed with and without {params.tricks} is finished{gaps(every)}")
    means = [one.mean for one in found if one.n]
    by_density = {d: summarise(g.found.mean for g in known if g.density == d).mean
                  for d in sorted({gain.density for gain in known}, reverse=True)}  # fmt: skip
    each = ", ".join(f"{100 * (1 - d):g} % {mean:+.2f}" for d, mean in by_density.items())
    text = f"gains: {counted.text}; needed {100 * params.share:g} % and none significantly below; mean "
    text += f"{summarise(means).mean:+.2f} points, median {median(means):+.2f}, {min(means):+.2f} to {max(means):+.2f}"
    text += f"; by sparsity {each}"
    verdicts: list[Verdict] = [mostly(counted, params.share, unknown)]
    if params.reaches:
        low, high = params.reaches
        verdicts.append("holds" if min(means) <= high and max(means) >= low else "fails")
        text += f"; to overlap {low:g} to {high:g}"
    text += f"; {when(every, params.selection)}" + (f"; {how_many(unknown, 'cell')} unknown" if unknown else "")
    return Answer(together(verdicts), text + gaps(every), counted.up / counted.cases, threshold=params.share,
                  runs=used(every))  # fmt: skip
