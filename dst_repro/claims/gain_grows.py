"""Whether tricks help more where fewer weights are left."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dst_repro.claims.base import Answer, above, gaps, together, used, when
from dst_repro.claims.trick_gains import Gain, TricksParams, both, sparse, trick_gains
from dst_repro.errors import UserError
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import Paired, paired
from dst_repro.words import how_many

Key = tuple[str, str, str]


class GrowsWithParams(TricksParams):
    low: float = 0.02
    high: float = 0.1
    """The two target densities."""
    without: Annotated[tuple[str, ...], Field(strict=False)] = ("static",)
    """Masks without which it has to hold, too."""
    counter: Annotated[tuple[str, ...], Field(strict=False)] = ("imp",)
    """Masks of which it is reported apart, as the paper's own numbers do not grow there."""


@claims.register("gain-grows-with-sparsity", GrowsWithParams)
def gain_grows(frames: Frames, params: GrowsWithParams) -> Answer:
    """Tricks gain more at high sparsity, with random masks and without

    Mean gain at the lower density less that at the higher one, a pair for each network, data set and mask. The
    statistic is the mean over pairs, with Student's interval.
    """
    known = [gain for gain in sparse(trick_gains(frames, params)) if gain.tricks == params.tricks]
    sides = [_at(known, density) for density in (params.low, params.high)]
    every = both(gain for side in sides for gain in side.values())

    def grown(masks: set[str]) -> Paired:
        one, other = ({i: side[key].found.mean for i, key in enumerate(keys) if key in side and key[2] in masks}
                      for side in sides)  # fmt: skip
        return paired(one, other)

    keys = sorted(set(sides[0]) | set(sides[1]))
    masks = {key[2] for key in keys}
    found, rest, counter = (grown(these) for these in (masks, masks - set(params.without), set(params.counter)))
    if not found.n:
        return Answer("not run", f"no mask has a gain at both densities{gaps(every)}")
    text = f"gain at {100 * (1 - params.low):g} % sparsity less that at {100 * (1 - params.high):g} % {_shown(found)}; "
    text += f"without {', '.join(params.without)} {_shown(rest)}; to be above 0 both; "
    text += f"{', '.join(params.counter)} alone {_shown(counter)}; {when(every, params.selection)}"
    verdict = together([above(found), above(rest)] if params.without else [above(found)])
    return Answer(verdict, text + gaps(every), found.mean, found.low, found.high, 0.0, used(every))


def _at(known: list[Gain], density: float) -> dict[Key, Gain]:
    found: dict[Key, Gain] = {}
    for gain in known:
        if abs(gain.density - density) < 1e-9:
            key = (gain.control.dataset, gain.control.model, gain.control.method)
            if key in found:
                raise UserError(f"two gains are of {gain.name}: choose by `where`")
            found[key] = gain
    return found


def _shown(found: Paired) -> str:
    interval = "" if found.low != found.low else f" [{found.low:+.2f}, {found.high:+.2f}]"
    return f"{found.mean:+.2f} points{interval} ({how_many(found.n, 'pair')})" if found.n else "unknown"
