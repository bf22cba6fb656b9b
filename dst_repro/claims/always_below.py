"""Whether one treatment is below another in every setting."""

from __future__ import annotations

from dst_repro.claims.base import Answer, everywhere, gaps, signs, used, when
from dst_repro.claims.settings import GridParams, Treatments, all_cells, settings, short
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import paired


class BelowParams(GridParams):
    treatments: Treatments = ("sensitivity", "reciprocal-sensitivity")
    """The one that is below, then the other."""


@claims.register("always-below", BelowParams)
def always_below(frames: Frames, params: BelowParams) -> Answer:
    """One treatment is below another in every setting

    Seed by seed; a single setting by its interval. The statistic is the share of settings whose mean is below.
    """
    lower, higher = params.treatments
    known = [s for s in settings(frames.runs, params) if set(s.cells) == {lower, higher}]
    found = [paired(setting.values(higher), setting.values(lower)) for setting in known]
    counted = signs(found)
    every = all_cells(known)
    if not counted.cases:
        return Answer("not run", f"no setting has a seed of both {lower} and {higher}{gaps(every)}")
    each = ", ".join(f"{setting.name}: {one.mean:+.2f}" for setting, one in zip(known, found, strict=True) if one.n)
    text = f"{short(higher)} less {short(lower)}: {counted.text}, needed in all ({each} points); "
    text += f"{min(one.n for one in found)} or more seeds; {when(every, params.selection)}{gaps(every)}"
    return Answer(everywhere(found, len(known) - counted.cases), text, counted.up / counted.cases, threshold=1.0,
                  runs=used(every))  # fmt: skip
