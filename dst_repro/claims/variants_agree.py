"""Whether it matters how tricks are made, or how runs are judged."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from dst_repro.claims.base import Answer, brief, few, gaps, together, used, when, within
from dst_repro.claims.settings import rest
from dst_repro.claims.trick_gains import Gain, TricksParams, both, sparse, trick_gains
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import Paired, paired
from dst_repro.statistics.verdicts import POINTS, POINTS_ELSEWHERE
from dst_repro.tables.judging import EPOCHS, Selection


class AgreeParams(TricksParams):
    margin: float | None = None
    """Points within which gains are equal; none: 0.3 on MNIST, 0.5 on CIFAR-10, 1 on larger sets."""
    field: str | None = None
    """A field in which otherwise like runs differ. None: variants of the tricks are compared."""
    reference: str = ""
    """The value of that field from which the others are counted; nothing for none."""
    against: Selection | None = None
    """Or the epoch by which the same runs are judged as well."""


@claims.register("variants-agree", AgreeParams)
def variants_agree(frames: Frames, params: AgreeParams) -> Answer:
    """Other variants of tricks, other settings or another epoch that decides give the same gain

    Gain of the variant less that of the usual one, seed by seed: its interval has to lie within a margin. The statistic
    is the largest mean difference, in points, with its interval.
    """
    known = sparse(trick_gains(frames, params))
    pair_up = _judged if params.against else _fields if params.field else _tricks
    pairs = pair_up(known, params)
    found = [(name, paired(one.by_seed, other.by_seed), other) for name, one, other in pairs]
    found = [(name, one, other) for name, one, other in found if one.n]
    every = both(gain for _, *pair in pairs for gain in pair)
    if not found:
        return Answer("not run", f"no seed of both variants is finished{gaps(every)}")
    largest = max((one for _, one, _ in found), key=lambda one: abs(one.mean))
    margins = [POINTS.get(other.control.dataset, POINTS_ELSEWHERE) if params.margin is None else params.margin
               for _, _, other in found]  # fmt: skip
    allowed = " or ".join(f"{margin:g}" for margin in sorted(set(margins)))
    verdicts = [within(one, margin) for (_, one, _), margin in zip(found, margins, strict=True)]
    text = (
        f"gain less that of the usual: {verdicts.count('holds')} of {len(found)} intervals within {allowed}, needed in "
    )
    text += f"all; {_summary([(name, one) for name, one, _ in found])}; {when(every, params.selection)}"
    text += f", the other {EPOCHS[params.against]}" if params.against else ""
    verdict = together(verdicts)
    return Answer(verdict, text + gaps(every), largest.mean, largest.low, largest.high, max(margins), used(every))


def _summary(found: list[tuple[str, Paired]]) -> str:
    """The largest differences, of more than three the median and the widest interval as well."""
    ordered = sorted(found, key=lambda one: -abs(one[1].mean))
    text = "in points " + few([f"{name} {brief(one)}" for name, one in ordered])
    wide = [(one.high - one.low, name) for name, one in found if one.high == one.high]
    if len(found) > 3 and wide:
        widest, name = max(wide)
        middle = median(one.mean for _, one in found)
        text += f"; the widest interval has {widest:.2f} ({name}), the median difference is {middle:+.2f}"
    return text


Pair = tuple[str, Gain, Gain]


def _tricks(known: list[Gain], params: AgreeParams) -> list[Pair]:
    """Each `all (...)` beside `all`."""
    usual = {rest(gain.control): gain for gain in known if gain.tricks == params.tricks}
    return [(f"{_where(gain)} {gain.tricks}", gain, usual[rest(gain.control)]) for gain in known
            if gain.tricks.startswith(f"{params.tricks} (") and rest(gain.control) in usual]  # fmt: skip


def _fields(known: list[Gain], params: AgreeParams) -> list[Pair]:
    field = params.field or ""
    groups: dict[str, dict[str, Gain]] = defaultdict(dict)
    for gain in known:
        if gain.tricks == params.tricks:
            groups[rest(gain.control, field)][gain.control.field(field)] = gain
    return [(f"{_where(gain)} {word}", gain, group[params.reference]) for group in groups.values()
            if params.reference in group for word, gain in group.items() if word != params.reference]  # fmt: skip


def _judged(known: list[Gain], params: AgreeParams) -> list[Pair]:
    name = str(params.against)
    return [(gain.name, Gain(gain.tricks, gain.treated, gain.control, name), gain)
            for gain in known if gain.tricks == params.tricks]  # fmt: skip


def _where(gain: Gain) -> str:
    return f"{gain.control.dataset}, {gain.control.method}"
