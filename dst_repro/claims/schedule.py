"""Whether layers adapt to the learning rate: pruned hard while it is high, and brought back when it falls."""

from __future__ import annotations

from typing import Annotated, Any, cast

import pandas as pd
from pydantic import Field

from dst_repro.claims.base import Answer, gaps, not_run, of_share, settled
from dst_repro.claims.over_time import Run, accuracy, kept
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.tables.cells import Cell, Selected, cells

Epochs = Annotated[tuple[int, int], Field(strict=False)]
"""The first and the last."""


class Jump(Selected):
    """The accuracies before and after the learning rate falls."""

    method: str = "dst"
    before: Epochs = (75, 80)
    after: Epochs = (82, 87)
    layer: str = "fc2"
    """The last layer."""


class RecoversAtDropParams(Jump):
    learning_rate: float = 0.1
    low_over: Epochs = (70, 80)
    low: float = 15.0
    """Percent that the median of the last layer is at over those epochs, at most."""
    back: tuple[Annotated[tuple[int, float], Field(strict=False)], ...] = Field(
        default=((90, 80.0), (120, 99.0)), strict=False
    )
    """(epoch, percent that the last layer has by then, at least)."""
    early: Annotated[tuple[str, ...], Field(strict=False)] = ("conv1", "conv2", "conv3", "conv4")
    steady_over: Epochs = (79, 90)
    steady: float = 10.0
    """Points by which an early layer changes between those epochs, at most."""
    rise: float = 5.0
    """Points by which accuracy rises, at least."""


def _cell(frames: Frames, params: Jump, rate: float) -> Cell | str:
    known = [c for c in cells(frames.runs, params.where) if c.method == params.method]
    same = [c for c in known if len(c.finished) and abs(c.runs["learning_rate"].iloc[0] - rate) < 1e-12]
    return same[0] if len(same) == 1 else f"{len(same)} cells of {params.method} with learning rate {rate:g} have a run"


def _runs(cell: Cell) -> list[Run]:
    return cast("list[Any]", cell.finished.to_dict("records"))


def _mean(curve: pd.DataFrame) -> pd.Series[float]:
    return curve.mean(axis=1)


def _jump(frames: Frames, runs: list[Run], params: Jump) -> float:
    curve = _mean(accuracy(frames, runs))
    return float(curve.loc[params.after[0] : params.after[1]].mean() - curve.loc[slice(*params.before)].mean())


Check = tuple[str, bool]


@claims.register("recovers-at-drop", RecoversAtDropParams)
def recovers_at_drop(frames: Frames, params: RecoversAtDropParams) -> Answer:
    """The last layer is pruned hard until the learning rate falls, then comes back; early layers hardly change

    Of means over seeds. The statistic is the number of its parts that are so; all have to be.
    """
    cell = _cell(frames, params, params.learning_rate)
    if isinstance(cell, str):
        return not_run(cell)
    runs = _runs(cell)
    last = _mean(kept(frames, runs, params.layer))
    low = float(last.loc[slice(*params.low_over)].median())
    checks: list[Check] = [
        (f"{params.layer} at {low:.1f} % over epochs {params.low_over[0]} to {params.low_over[1]}, asked at most "
         f"{params.low:g} %", low <= params.low)
    ]  # fmt: skip
    for epoch, least in params.back:
        checks.append((f"at {last[epoch]:.1f} % at epoch {epoch}, asked {least:g} %", last[epoch] >= least))
    start, end = params.steady_over
    curves = {layer: _mean(kept(frames, runs, layer)) for layer in params.early}
    changes = {layer: float(abs(curve[end] - curve[start])) for layer, curve in curves.items()}
    most = max(changes, key=lambda layer: changes[layer])
    checks.append((f"{most} changes by {changes[most]:.1f} points, the most of the early layers, asked at most "
                   f"{params.steady:g}", changes[most] <= params.steady))  # fmt: skip
    rise = _jump(frames, runs, params)
    checks.append((f"accuracy rises by {rise:.1f} points, asked {params.rise:g}", rise >= params.rise))
    return _answer(checks, [cell])


def _answer(checks: list[Check], used: list[Cell]) -> Answer:
    hits = sum(true for _, true in checks)
    seeds = [len(cell.finished) for cell in used]
    evidence = f"{hits} of {len(checks)}: " + "; ".join(text + ("" if true else " (no)") for text, true in checks)
    evidence += f" ({' and '.join(map(str, seeds))} seed{'' if seeds == [1] else 's'}{gaps(used)})"
    verdict = settled(of_share(hits, len(checks), 1.0), seeds)
    return Answer(verdict, evidence, float(hits), threshold=float(len(checks)),
                  runs=tuple(str(run) for cell in used for run in cell.finished["id"]))  # fmt: skip


class AdaptsToRateParams(Jump):
    learning_rate: float = 0.01
    other: float = 0.1
    """The learning rate that it is compared with."""
    whole_from: int = 60
    """The epoch from which on the last layer is whole."""
    whole: float = 99.0
    """Percent of it that are kept then, at least."""
    step: float = 4.0
    """Points by which accuracy rises where the learning rate falls, at most."""
    rise: float = 1.0
    """Points by which the network's density rises in an epoch to be counted."""
    rises: float = 2.0
    """Such epochs of a run, at most, on average over seeds; with the other learning rate there are more than
    `other_rises`."""
    other_rises: float = 10.0
    denser: Annotated[tuple[str, ...], Field(strict=False)] = ("conv1", "conv2", "conv3", "fc1")
    """The layers that keep more at the end than with the other learning rate."""
    sparser: Annotated[tuple[str, ...], Field(strict=False)] = ("conv4",)
    """Those that keep less."""


@claims.register("adapts-to-rate", AdaptsToRateParams)
def adapts_to_rate(frames: Frames, params: AdaptsToRateParams) -> Answer:
    """With a lower initial learning rate the last layer is whole early, and no late jump comes

    Of means over seeds, at the end the sign of each difference to the other learning rate. The statistic is the number
    of its parts that are so; all have to be.
    """
    pair = [_cell(frames, params, rate) for rate in (params.learning_rate, params.other)]
    if missing := [cell for cell in pair if isinstance(cell, str)]:
        return not_run("; ".join(missing))
    known = [cell for cell in pair if isinstance(cell, Cell)]
    low, high = map(_runs, known)
    last = float(_mean(kept(frames, low, params.layer)).loc[params.whole_from :].min())
    step = _jump(frames, low, params)
    rises, others = (float((kept(frames, runs).diff() > params.rise).sum().mean()) for runs in (low, high))
    checks: list[Check] = [
        (f"{params.layer} at {last:.1f} % or more from epoch {params.whole_from} on, asked {params.whole:g} %",
         last >= params.whole),
        (f"accuracy rises by {step:.1f} points where the rate falls, asked at most {params.step:g}",
         step <= params.step),
        (f"density rises by more than {params.rise:g} points in {rises:.1f} epochs, asked at most {params.rises:g}",
         rises <= params.rises),
        (f"in {others:.1f} with the other rate, asked more than {params.other_rises:g}", others > params.other_rises),
    ]  # fmt: skip
    checks += [_sign("density", kept(frames, low), kept(frames, high), up=True),
               _sign("accuracy", accuracy(frames, low), accuracy(frames, high), up=False)]  # fmt: skip
    for names, up in ((params.denser, True), (params.sparser, False)):
        checks += [_sign(name, kept(frames, low, name), kept(frames, high, name), up=up) for name in names]
    return _answer(checks, known)


def _sign(name: str, curve: pd.DataFrame, other: pd.DataFrame, *, up: bool) -> Check:
    """Whether the last value is higher than that of the other curve, or lower."""
    ends = [_mean(one).to_list()[-1] for one in (curve, other)]
    asked = "more" if up else "less"
    return f"{name} {ends[0]:.1f} against {ends[1]:.1f} %, asked {asked}", ends[0] > ends[1] if up else ends[0] < ends[
        1
    ]
