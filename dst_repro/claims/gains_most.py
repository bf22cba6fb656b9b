"""Where tricks help most."""

from __future__ import annotations

from collections import defaultdict

from dst_repro.claims.base import Answer, Verdict, above, everywhere, few, gaps, shown, signs, together, used, when
from dst_repro.claims.trick_gains import Gain, TricksParams, both, sparse, trick_gains
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import Paired, paired


class MostParams(TricksParams):
    mask: str = "static"
    """The mask that gains everywhere, and most ..."""
    dataset: str | None = "cifar100"
    """... on this data set ..."""
    density: float = 0.02
    """... at this target density."""


@claims.register("gains-most", MostParams)
def gains_most(frames: Frames, params: MostParams) -> Answer:
    """Tricks improve one kind of mask everywhere, and no other gain of a network is as large as its

    Seed by seed. Its largest gain less the next of the network has to be above zero with its 95 % interval; it is not
    the largest where another is significantly above it after Holm's correction. The statistic is the share of its cells
    whose mean gain is above zero.
    """
    known = [gain for gain in sparse(trick_gains(frames, params)) if gain.tricks == params.tricks]
    own = [gain for gain in known if gain.control.method == params.mask]
    found = [gain.found for gain in own]
    counted, unknown = signs(found), sum(one.n == 0 for one in found)
    every = both(known)
    if not counted.cases:
        return Answer("not run", f"no seed of {params.mask} with and without {params.tricks} is finished{gaps(every)}")
    nets: dict[str, list[Gain]] = defaultdict(list)
    for gain in known:
        if gain.found.n:
            nets[gain.control.model].append(gain)
    largest = {net: max(these, key=lambda gain: gain.found.mean) for net, these in nets.items()}
    hits = sum(_is_it(gain, params) for gain in largest.values())
    ahead = {net: _ahead(these, params) for net, these in nets.items()}
    most: list[Verdict] = [verdict for verdict, _, _ in ahead.values()]
    each = few([f"{gain.name} {gain.found.mean:+.2f}" for gain in largest.values()])
    behind = sum(against for _, _, against in ahead.values())
    less = few([f"{net} {shown(one)}" for net, (_, one, _) in ahead.items() if one])
    where = ", ".join(filter(None, (params.mask, params.dataset, f"{100 * params.density:g} %")))
    text = (
        f"gains of {params.mask}: {counted.text}, needed in all; the largest gain of a network is that of {where} in "
    )
    text += f"{hits} of {len(largest)}, needed in all ({each} points); that less the largest other one, to be above 0: "
    text += f"{less or 'unknown'}, significantly below {behind} others (Holm); {when(every, params.selection)}"
    verdict = together([everywhere(found, unknown), *most])
    if unknown and verdict == "holds":
        verdict = "inconclusive"
    return Answer(verdict, text + gaps(every), counted.up / counted.cases, threshold=1.0, runs=used(every))


def _ahead(these: list[Gain], params: MostParams) -> tuple[Verdict, Paired | None, int]:
    """Whether that gain of a network which is to be the largest is, by how much, and significantly below how many."""
    own = max((g for g in these if _is_it(g, params)), key=lambda g: g.found.mean, default=None)
    others = [gain for gain in these if not _is_it(gain, params)]
    if own is None or not others:
        return "inconclusive", None, 0
    found = [paired(own.by_seed, gain.by_seed) for gain in others]
    nearest = found[max(range(len(others)), key=lambda number: others[number].found.mean)]
    against = signs(found).against
    return "fails" if against else "holds" if above(nearest) == "holds" else "inconclusive", nearest, against


def _is_it(gain: Gain, params: MostParams) -> bool:
    same = gain.control.method == params.mask and abs(gain.density - params.density) < 1e-9
    return same and params.dataset in (None, gain.control.dataset)
