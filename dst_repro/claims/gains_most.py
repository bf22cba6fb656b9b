"""Where tricks help most."""

from __future__ import annotations

from collections import defaultdict

from dst_repro.claims.base import Answer, Verdict, everywhere, gaps, signs, together, used, when
from dst_repro.claims.trick_gains import Gain, TricksParams, both, sparse, trick_gains
from dst_repro.records.frames import Frames
from dst_repro.registry import claims


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

    Seed by seed. The statistic is the share of its cells whose mean gain is above zero.
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
    seeds = min(one.n for one in found if one.n)
    most: Verdict = "holds" if hits == len(largest) else "fails"
    if unknown or seeds < 2:
        most = "inconclusive"
    each = ", ".join(f"{gain.name} {gain.found.mean:+.2f}" for gain in largest.values())
    where = ", ".join(filter(None, (params.mask, params.dataset, f"{100 * params.density:g} %")))
    text = (
        f"gains of {params.mask}: {counted.text}, needed in all; the largest gain of a network is that of {where} in "
    )
    text += f"{hits} of {len(largest)}, needed in all ({each} points); {when(every, params.selection)}"
    return Answer(together([everywhere(found, unknown), most]), text + gaps(every), counted.up / counted.cases,
                  threshold=1.0, runs=used(every))  # fmt: skip


def _is_it(gain: Gain, params: MostParams) -> bool:
    same = gain.control.method == params.mask and abs(gain.density - params.density) < 1e-9
    return same and params.dataset in (None, gain.control.dataset)
