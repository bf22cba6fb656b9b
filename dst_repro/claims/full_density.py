"""Drop and grow of a network that keeps all its weights."""

from __future__ import annotations

from typing import Literal

from dst_repro.claims.base import Answer, Judged, gaps, of_share, shown, together, used, when
from dst_repro.claims.base import within as equal
from dst_repro.claims.settings import rest
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import paired
from dst_repro.tables import fields
from dst_repro.tables.cells import Cell, cells
from dst_repro.tables.judging import accuracies
from dst_repro.words import how_many

METRICS = ("last.train_loss", "last.test_loss", "last.test_accuracy")


class FullParams(Judged):
    dense_layers: Literal["skipped", "reset"] = "skipped"
    """The runs that are asked: weights go on with their values, or start at zero."""
    same: bool = True
    """Whether they are to end as dense training does, to the last bit, or never so."""


@claims.register("trains-as-dense", FullParams)
def trains_as_dense(frames: Frames, params: FullParams) -> Answer:
    """Drop and grow at 100 % is dense training to the last bit, or is not

    Losses and accuracy after the last epoch, against the dense run of the same seed. The statistic is the share of runs
    of which all are the same.
    """
    dense, full = _parts(frames, params)
    same, used_runs = [], []
    for cell in full:
        twin = dense.get(_alike(cell))
        for run in cell.finished.to_dict("records"):
            others = twin.finished[twin.finished["seed"] == run["seed"]].to_dict("records") if twin else []
            for other in others:
                same.append(all(run[name] == other[name] for name in METRICS))
                used_runs += [str(run["id"]), str(other["id"])]
    hits = sum(one == params.same for one in same)
    text = f"losses and accuracy are those of dense training in {sum(same)} of {how_many(len(same), 'run')}"
    text += f", to be in {'all' if params.same else 'none'}{gaps(full)}"
    if not same:
        text = f"no run at 100 % with dense_layers {params.dense_layers} has a dense one beside it{gaps(full)}"
    return Answer(of_share(hits, len(same), 1.0), text, sum(same) / len(same) if same else float("nan"),
                  threshold=float(params.same), runs=tuple(dict.fromkeys(used_runs)))  # fmt: skip


class DropoutParams(Judged):
    dense_layers: Literal["skipped", "reset"] = "reset"
    margin: float = 0.5
    """Points within which its accuracy is that of dropout."""


@claims.register("as-dropout", DropoutParams)
def as_dropout(frames: Frames, params: DropoutParams) -> Answer:
    """Drop and grow at 100 % does for accuracy what dropout does, by every criterion

    Seed by seed. The statistic is the largest mean difference to dropout, in points, with its interval.
    """
    dense, full = _parts(frames, params)
    dropped = [
        cell for cell in cells(frames.runs, params.where) if (fields.number(cell, "model_params.dropout") or 0) > 0
    ]
    alike = {_alike(cell): cell for cell in dropped}
    pairs = [(cell, alike[_alike(cell)]) for cell in full if _alike(cell) in alike]
    found = [paired(*(accuracies(one, params.selection) for one in pair)) for pair in pairs]
    every = list({cell.id: cell for pair in pairs for cell in pair}.values())
    known = [one for one in found if one.n]
    if not known:
        return Answer("not run", f"no seed of both drop and grow at 100 % and dropout is finished{gaps(every)}")
    largest = max(known, key=lambda one: abs(one.mean))
    verdict = together(equal(one, params.margin) for one in known)
    text = f"less dropout at most {shown(largest)}, to lie within {params.margin:g} by {len(known)} criteria"
    for cell in dropped:
        if twin := dense.get(_alike(cell)):
            gain = paired(accuracies(cell, params.selection), accuracies(twin, params.selection))
            text += f"; dropout less dense {shown(gain)}" if gain.n else ""
    return Answer(verdict, f"{text}; {when(every, params.selection)}{gaps(every)}", largest.mean, largest.low,
                  largest.high, params.margin, used(every))  # fmt: skip


def _alike(cell: Cell) -> str:
    return rest(cell, "method", "method_params", "density", "model_params.dropout")


def _drops(cell: Cell) -> bool:
    return (fields.number(cell, "model_params.dropout") or 0) > 0


def _parts(frames: Frames, params: FullParams | DropoutParams) -> tuple[dict[str, Cell], list[Cell]]:
    """Dense cells by what else is alike, and those of drop and grow at 100 %."""
    known = cells(frames.runs, params.where)
    dense = {_alike(cell): cell for cell in known if cell.method == "dense" and not _drops(cell)}
    full = [cell for cell in known if cell.field("method_params.dense_layers") == params.dense_layers]
    return dense, [cell for cell in full if float(cell.runs["density"].iloc[0]) == 1.0]
