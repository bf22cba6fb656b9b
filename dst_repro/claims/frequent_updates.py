"""Whether it helps to change the mask very often."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

from pydantic import Field

from dst_repro.claims.base import Answer, brief, gaps, mostly, overall, signs, used, when
from dst_repro.claims.settings import GridParams, rest
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import differences, paired
from dst_repro.statistics.summary import summarise
from dst_repro.tables import fields
from dst_repro.tables.cells import Cell, cells
from dst_repro.tables.judging import accuracies


class FrequentParams(GridParams):
    period: str = "method_params.update_period"
    frequent: int = 50
    """Steps between updates, up to which they are very frequent."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Of the settings, in which the best of the others has to be above."""


@claims.register("frequent-updates", FrequentParams)
def frequent_updates(frames: Frames, params: FrequentParams) -> Answer:
    """Very frequent updates of the mask are no better than rarer ones

    The best mean of the rarer periods less the best of the frequent ones, seed by seed, in each setting that has both.
    """
    curves: dict[str, dict[int, Cell]] = defaultdict(dict)
    for cell in cells(frames.runs, params.where):
        number = fields.number(cell, params.period)
        if number is not None and cell.field(params.treatment) in params.treatments:
            curves[rest(cell, params.period)][int(number)] = cell
    curves = {key: curve for key, curve in curves.items()
              if min(curve) <= params.frequent < max(curve)}  # fmt: skip
    found, by_seed = [], []
    for curve in curves.values():
        values = {steps: accuracies(cell, params.selection) for steps, cell in curve.items()}
        best = [_best({steps: v for steps, v in values.items() if (steps <= params.frequent) == side})
                for side in (False, True)]  # fmt: skip
        found.append(paired(*best))
        by_seed.append(differences(*best))
    counted = signs(found)
    every = [cell for curve in curves.values() for cell in curve.values()]
    if not counted.cases:
        return Answer("not run", f"no setting has both frequent and rarer updates{gaps(every)}", runs=used(every))
    whole = overall(by_seed)
    means = {steps: summarise(v for curve in curves.values() if steps in curve
                              for v in accuracies(curve[steps], params.selection).values()).mean
             for steps in sorted({steps for curve in curves.values() for steps in curve})}  # fmt: skip
    text = f"best of rarer less best of at most {params.frequent} steps: {counted.text}, needed "
    text += f"{100 * params.share:g} % and none significantly below, and their median above 0: "
    text += f"{brief(whole)} points; mean over settings by period "
    text += ", ".join(f"{steps}: {mean:.2f} %" for steps, mean in means.items())
    unknown = len(found) - counted.cases
    return Answer(mostly(found, whole, params.share, unknown), f"{text}; {when(every, params.selection)}{gaps(every)}",
                  counted.up / counted.cases, threshold=params.share, runs=used(every))  # fmt: skip


def _best(values: dict[int, dict[int, float]]) -> dict[int, float]:
    """The values of the period whose mean is the highest."""
    return max(values.values(), key=lambda one: summarise(one.values()).mean if one else -1.0)
