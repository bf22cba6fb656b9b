"""Which mask is the best, and which the worst."""

from __future__ import annotations

from dst_repro.claims.base import Answer, everywhere, gaps, signs, together, used, when
from dst_repro.claims.settings import GridParams, Setting, Treatments, all_cells, complete, settings
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import Paired, paired
from dst_repro.tables.judging import judged
from dst_repro.tables.ranking import Fields
from dst_repro.words import how_many


class MaskParams(GridParams):
    treatment: str = "method"
    treatments: Treatments = ("static", "snip", "grasp", "synflow", "imp")
    """The masks; a setting that lacks one is counted as unknown."""
    blocks: Fields = ("dataset", "model", "density", "tricks")
    best: str = "imp"
    """The one that is first in all settings."""
    worst: str | None = "static"
    """The one that is last in those without tricks."""


@claims.register("best-mask", MaskParams)
def best_mask(frames: Frames, params: MaskParams) -> Answer:
    """One mask is the best with tricks and without, another the worst without

    By the mean over seeds in each setting; the difference to the best of the others is tested seed by seed. Where
    another mask is ahead, though not significantly, neither is shown. The statistic is the share of settings in which
    the first is first.
    """
    known = settings(judged(frames, params.selection), params)
    found = complete(known, params.treatments)
    every, unknown = all_cells(known), len(known) - len(found)
    if not found:
        return Answer("not run", f"no setting has a seed of each mask{gaps(every)}")
    ahead = [_to_others(setting, params.best, params, sign=1) for setting in found]
    plain = [setting for setting in found if not setting.place[params.blocks.index("tricks")]]
    behind = [_to_others(setting, params.worst, params, sign=-1) for setting in plain] if params.worst else []
    first, last = signs(ahead), signs(behind)
    text = (
        f"{params.best} first in {first.up} of {len(found)} settings, significantly behind another in {first.against}"
    )
    verdicts = [everywhere(ahead, unknown)]
    if params.worst:
        text += f"; {params.worst} last in {last.up} of {len(plain)} without tricks, significantly ahead of another in "
        text += f"{last.against}"
        verdicts.append(everywhere(behind, unknown))
    text += f"; needed in all; {when(every, params.selection)}"
    text += f"; {how_many(unknown, 'setting')} unknown" if unknown else ""
    return Answer(together(verdicts), text + gaps(every), first.up / len(found), threshold=1.0, runs=used(every))


def _to_others(setting: Setting, name: str, params: MaskParams, sign: int) -> Paired:
    """To the best of the others, or with sign -1 from the worst of them, seed by seed."""
    means = {other: s.mean for other, s in setting.summaries(params.treatments).items() if other != name}
    other = max(means, key=lambda one: sign * means[one])
    pair = setting.values(name), setting.values(other)
    return paired(*(pair if sign > 0 else pair[::-1]))
