"""Whether each of several tricks helps, and all together most."""

from __future__ import annotations

from collections import defaultdict

from dst_repro.claims.base import Answer, everywhere, gaps, signs, together, used, when
from dst_repro.claims.settings import rest
from dst_repro.claims.trick_gains import Gain, TricksParams, both, difference, sparse, trick_gains
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import Paired


@claims.register("parts-help", TricksParams)
def parts_help(frames: Frames, params: TricksParams) -> Answer:
    """Each trick alone gains, all together gain more than each, and than all but one

    Seed by seed, by direction alone: all means, and none significantly against it. The statistic is the share of the
    single tricks' mean gains that are above zero.
    """
    groups: dict[str, dict[str, Gain]] = defaultdict(dict)
    known = sparse(trick_gains(frames, params))
    for gain in known:
        groups[rest(gain.control)][gain.tricks] = gain
    alone: list[Paired] = []
    union: list[Paired] = []
    less: list[Paired] = []
    worst: list[tuple[float, str]] = []
    for group in groups.values():
        every = group.get(params.tricks)
        for name, gain in group.items():
            if name in params.whole:
                alone.append(gain.found)
                worst.append((gain.found.mean, f"{name}, {gain.name}"))
            if every and name in params.whole:
                union.append(_between(every, gain))
            elif every and name.startswith("all but ") and "(" not in name:
                less.append(_between(every, gain))
    counted = [signs(part) for part in (alone, union, less)]
    used_gains = [gain for gain in known if gain.tricks in (params.tricks, *params.whole)
                  or gain.tricks.startswith("all but ")]  # fmt: skip
    cells = both(used_gains)
    if not counted[0].cases:
        return Answer("not run", f"no seed with a single trick and without is finished{gaps(cells)}")
    lowest = min((one for one in worst if one[0] == one[0]), default=(float("nan"), ""))
    text = f"single tricks: {counted[0].text}, the lowest {lowest[0]:+.2f} points ({lowest[1]}); all less each: "
    text += (
        f"{counted[1].text}; all less all but one: {counted[2].text}; needed in all; {when(cells, params.selection)}"
    )
    verdict = together(everywhere(part, sum(one.n == 0 for one in part)) for part in (alone, union, less))
    if verdict == "holds" and not (counted[1].cases and counted[2].cases):
        verdict = "inconclusive"
    return Answer(verdict, text + gaps(cells), counted[0].up / counted[0].cases, threshold=1.0, runs=used(cells))


def _between(one: Gain, other: Gain) -> Paired:
    return difference(one.treated, other.treated, one.selection)
