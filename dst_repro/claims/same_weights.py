"""Whether prune criteria choose the same weights."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

import pandas as pd
from pydantic import Field

from dst_repro.claims.base import Answer, Verdict, gaps, of_share, settled, together, used
from dst_repro.claims.settings import short
from dst_repro.plots.criteria_jaccard import CriteriaJaccard, JaccardParams
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.tables.cells import Selected, cells
from dst_repro.words import how_many

Names = Annotated[tuple[str, ...], Field(strict=False)]


class WeightsParams(Selected):
    when: Literal["first", "always"] = "first"
    """At the first update, or at the latest update of every epoch."""
    group: Names = ("magnitude", "mest", "each-sign-equal")
    """Criteria that choose nearly the same weights."""
    least: float = 0.8
    """The index of each two of them, at least."""
    apart: Names = ("snip", "reciprocal-sensitivity")
    """Two criteria that are further from each other than from the reference."""
    reference: str = "magnitude"
    control: str | None = "random"
    """A choice at random, whose index with all others is that expected of random sets, rho / (2 - rho) ..."""
    tolerance: float = 0.02
    """... up to this."""


@claims.register("same-weights", WeightsParams)
def same_weights(frames: Frames, params: WeightsParams) -> Answer:
    """Some criteria choose nearly the same weights to be pruned, others stand apart, random is random

    Jaccard index of the chosen sets over the network, means over seeds, in every cell and at every moment. The
    statistic is the lowest index within the group.
    """
    found = _indices(frames, params)
    known = [cell for cell in cells(frames.runs, params.where) if cell.id in set(found["cell"])]
    if found.empty:
        return Answer("not run", "no finished run compared the choices of criteria")
    index = {(frozenset((row["a"], row["b"])), row["cell"], row["epoch"]): row for row in found.to_dict("records")}
    moments = sorted({(cell, epoch) for _, cell, epoch in index})

    def at(a: str, b: str) -> list[float]:
        return [index[key]["mean"] if (key := (frozenset((a, b)), *m)) in index else float("nan") for m in moments]

    within = {pair: at(*pair) for pair in itertools.combinations(params.group, 2)}
    lowest = min(min(values) for values in within.values())
    parts: list[Verdict] = [_all([value >= params.least for values in within.values() for value in values])]
    text = "lowest indices " + ", ".join(f"{short(a)}-{short(b)} {min(v):.2f}" for (a, b), v in within.items())
    text += f", to be at least {params.least:g}"
    if len(params.apart) == 2:
        mutual, *others = (at(*pair) for pair in (params.apart, *((params.reference, one) for one in params.apart)))
        lower = [one < min(both) for one, both in zip(mutual, zip(*others, strict=True), strict=True)]
        parts.append(_all(lower))
        text += f"; {short(params.apart[0])}-{short(params.apart[1])} {min(mutual):.2f} to {max(mutual):.2f}, below "
        text += f"both with {short(params.reference)} in {sum(lower)} of {len(lower)}"
    if params.control:
        off = [abs(row["mean"] - row["random"]) for (pair, _, _), row in index.items() if params.control in pair]
        parts.append(_all([one <= params.tolerance for one in off]))
        if off:
            text += f"; {params.control} off what is expected by {max(off):.3f} at most, allowed {params.tolerance:g}"
    seeds = [int(row["n"]) for row in index.values()]
    text += f"; {how_many(len(moments), 'moment')} of {how_many(len(known), 'cell')}" + (
        "" if min(seeds) > 1 else ", of one seed"
    )
    return Answer(settled(together(parts), seeds), text + gaps(known), lowest, threshold=params.least, runs=used(known))


def _indices(frames: Frames, params: WeightsParams) -> pd.DataFrame:
    """Rows of all pairs that are asked about: at the first update, or at all."""
    if params.when == "first":
        found = CriteriaJaccard.frame(frames, JaccardParams(where=params.where))
    else:
        wanted = dict.fromkeys((*params.group, *params.apart, *([params.control] if params.control else [])))
        curves = [CriteriaJaccard.frame(frames, JaccardParams(where=params.where, show="curves", reference=name))
                  for name in wanted]  # fmt: skip
        found = pd.concat(curves, ignore_index=True).drop_duplicates(["cell", "a", "b", "over", "epoch"])
    return found[found["over"] == "network"]


def _all(hits: list[bool]) -> Verdict:
    return of_share(sum(hits), len(hits), 1.0)
