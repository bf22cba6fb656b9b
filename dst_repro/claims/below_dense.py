"""Whether sparse networks with tricks are still below dense ones."""

from __future__ import annotations

from collections import defaultdict

from dst_repro.claims.base import Answer, brief, everywhere, few, gaps, signs, used, when
from dst_repro.claims.settings import rest
from dst_repro.claims.trick_gains import TricksParams, difference, sparse, trick_gains
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.summary import summarise
from dst_repro.tables.cells import Cell, cells
from dst_repro.tables.judging import accuracies, judged


@claims.register("below-dense", TricksParams)
def below_dense(frames: Frames, params: TricksParams) -> Answer:
    """The best sparse network with tricks is below the dense one without

    The best mean of each network and data set, compared seed by seed. The statistic is the smallest mean difference, in
    points, with its interval.
    """
    known = [gain for gain in sparse(trick_gains(frames, params)) if gain.tricks == params.tricks]
    treated: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for gain in known:
        if accuracies(gain.treated, params.selection):
            treated[gain.treated.dataset, gain.treated.model].append(gain.treated)
    dense = {(cell.dataset, cell.model): cell for cell in cells(judged(frames, params.selection), params.where)
             if cell.method == "dense" and rest(cell) == rest(cell, "tricks")}  # fmt: skip
    pairs = [(dense[key], max(these, key=lambda cell: summarise(accuracies(cell, params.selection).values()).mean))
             for key, these in treated.items() if key in dense]  # fmt: skip
    found = [difference(*pair, params.selection) for pair in pairs]
    counted = signs(found)
    if not counted.cases:
        return Answer("not run", "no seed of a dense network and of a sparse one with tricks is finished")
    unknown = len({(g.treated.dataset, g.treated.model) for g in known}) - counted.cases
    every = list({cell.id: cell for pair in pairs for cell in pair}.values())
    smallest = min((one for one in found if one.n), key=lambda one: one.mean)
    named = zip(found, pairs, strict=True)
    each = few([f"{cell.dataset}, {cell.model}: {brief(one)} points to "
                f"{best.method} at {best.field('density')}" for one, (cell, best) in named])  # fmt: skip
    text = f"dense less the best with tricks: {counted.text}, needed in all ({each}); {when(every, params.selection)}"
    return Answer(everywhere(found, unknown), text + gaps(every), smallest.mean, smallest.low, smallest.high, 0.0,
                  used(every))  # fmt: skip
