"""Whether tricks help, whatever the mask."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dst_repro.claims.base import (
    Answer,
    Verdict,
    brief,
    few,
    gaps,
    mostly,
    overall,
    signs,
    together,
    used,
    when,
)
from dst_repro.claims.trick_gains import TricksParams, both, sparse, trick_gains
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import Paired
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

    Seed by seed. A share of the mean gains has to be above zero, and their median over cells with its 95 % interval
    over seeds (of a single one the mean over cells); none may be significantly below after Holm's correction. One that
    is decides against it, or fewer gains and a median that lies below zero with its interval; else neither is shown.
    The statistic is that share.
    """
    known = [gain for gain in sparse(trick_gains(frames, params)) if gain.tricks == params.tricks]
    found = [gain.found for gain in known]
    tested, unknown = signs(found), sum(one.n == 0 for one in found)
    every = both(known)
    if not tested.cases:
        return Answer("not run", f"no seed with and without {params.tricks} is finished{gaps(every)}")
    means = [one.mean for one in found if one.n]
    by_density = {d: summarise(g.found.mean for g in known if g.density == d).mean
                  for d in sorted({gain.density for gain in known}, reverse=True)}  # fmt: skip
    each = few([f"{100 * (1 - d):g} % {mean:+.2f}" for d, mean in by_density.items()])
    whole = overall([gain.by_seed for gain in known])
    text = f"gains: {tested.text}; needed {100 * params.share:g} % and none significantly below, and their median "
    text += (
        f"above 0: {brief(whole)} points, mean {summarise(means).mean:+.2f}, {min(means):+.2f} to {max(means):+.2f}; "
    )
    text += f"by sparsity {each}"
    verdicts: list[Verdict] = [mostly(found, whole, params.share, unknown)]
    if params.reaches:
        verdicts.append(_overlap([one for one in found if one.n], params.reaches))
        text += f"; to overlap {params.reaches[0]:g} to {params.reaches[1]:g}"
    text += f"; {when(every, params.selection)}" + (f"; {how_many(unknown, 'cell')} unknown" if unknown else "")
    return Answer(together(verdicts), text + gaps(every), tested.up / tested.cases, threshold=params.share,
                  runs=used(every))  # fmt: skip


def _overlap(found: list[Paired], reaches: tuple[float, float]) -> Verdict:
    """Whether mean gains reach into a range; they don't where all lie on one side of it, and their intervals, too."""
    low, high = reaches
    if min(one.mean for one in found) <= high and max(one.mean for one in found) >= low:
        return "holds"
    beyond = all(one.high < low for one in found) or all(one.low > high for one in found)
    return "fails" if beyond else "inconclusive"
