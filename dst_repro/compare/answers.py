"""What the runs answer to one published number: their mean, the verdict, and the reason for it."""

from __future__ import annotations

import math
from typing import Any

from dst_repro.compare.answering import Found
from dst_repro.compare.cells import Cell, missing_seeds
from dst_repro.compare.counting import says
from dst_repro.compare.sweep import Sweep
from dst_repro.compare.verdicts import evidence, p_value, percent, sample
from dst_repro.statistics.summary import Summary
from dst_repro.statistics.verdicts import NO_TEST, Judged, judge, margin
from dst_repro.words import how_many

NOTES = {
    "wide-resnet-18": "printed as wide-resnet-18, in fact a ResNet-18",
    "resnet-32": "the paper does not state the width of its ResNet-32",
}
KEPT = ("best_on_test", "sparsest")
"""The epochs that the released code of DST keeps, but for that of its LSTMs: its own tables are read at them too."""
ACCURACIES = ("top1", "top5", "error")


def answer(row: dict[str, Any], found: Found) -> dict[str, Any]:
    """The columns of the comparison that are ours; `row` is one of `published.load`."""
    if row["metric"] == "top5" and _without_top5(found):
        return not_run("not recorded", "the runs recorded no top-5 accuracy, as those of 200 classes and more do")
    sweep = found.sweep if row["metric"] in ACCURACIES else None
    if found.by_density and sweep is not None:
        return _of_sweep(row, sweep)
    if found.why is not None:
        return not_run(found.why.kind, found.why.reason)
    of_cell = _of_cell(row, found)
    if sweep is not None and of_cell["verdict"] != "not run":
        ours = sweep.sample(row["metric"], found.cells[0].reading)
        of_cell |= _read("at_density", ours, _judge(row, ours, sweep.planned))
    return of_cell


def _without_top5(found: Found) -> bool:
    """Whether there are runs that would answer, had they recorded it."""
    cells = [*found.cells, *(found.sweep.cells if found.sweep else [])]
    recorded = (percent(run.get(f"{cell.reading}.test_top5")) for cell in cells for run in cell.finished)
    return bool(cells) and all(math.isnan(share) for share in recorded)


def not_run(kind: str, reason: str) -> dict[str, Any]:
    return {"verdict": "not run", "not_run": kind, "reason": reason}


def _points(row: dict[str, Any]) -> float:
    return margin(row["metric"], row["dataset"], row["value"], row["status"])


def _judge(row: dict[str, Any], ours: Summary, planned: int) -> Judged:
    return judge(ours, planned, row["value"], _points(row), row["metric"])


def _read(name: str, ours: Summary, judged: Judged) -> dict[str, Any]:
    """Mean, spread, number and verdict in the columns of another reading."""
    columns: dict[str, Any] = {f"{name}_mean": ours.mean, f"{name}_std": ours.std, f"{name}_n": ours.n}
    return columns | ({f"{name}_verdict": judged.verdict} if ours.n else {})


def _ours(row: dict[str, Any], ours: Summary, reading: str, judged: Judged) -> dict[str, Any]:
    columns = {"verdict": judged.verdict, "unsettled": judged.unsettled, "reading": reading,
               "ours_mean": ours.mean, "ours_std": ours.std, "ours_n": ours.n}  # fmt: skip
    p = p_value(ours, row["value"], _points(row), judged.verdict) if judged.tested else math.nan
    return columns | {"difference": ours.mean - row["value"], "margin": _points(row), "p": p}


def _of_sweep(row: dict[str, Any], sweep: Sweep) -> dict[str, Any]:
    """Interpolated at the published density. At some reading it is enclosed; at the last epoch it may not be."""
    reading = sweep.cells[0].reading
    ours = sweep.sample(row["metric"], reading)
    cells = sweep.used(row["metric"], reading)
    judged = _judge(row, ours, sweep.planned)
    reason = [evidence(ours, sweep.planned, judged, row["value"], _points(row)) if ours.n else ""]
    reason += ["alpha not stated", sweep.says(row["metric"], reading)]
    reason += [says(row, cells, sweep.sample("density", reading).mean), *_facts(row, cells)]
    others = {name: sweep.sample(row["metric"], name) for name in KEPT}
    return {
        **_ours(row, ours, reading, judged),
        "ours_density": row["density_percent"] if ours.n else None,
        "reason": "; ".join(part for part in reason if part),
        "cell": " ".join(cell.id for cell in cells),
        "runs": " ".join(run["id"] for cell in cells for run in cell.finished),
    } | {k: v for name, read in others.items() for k, v in _read(name, read, _judge(row, read, sweep.planned)).items()}


def _of_cell(row: dict[str, Any], found: Found) -> dict[str, Any]:
    cell, layer = found.cells[0], str(row["settings"].get("layer", ""))
    reading = "last" if row["metric"] == "layer_remaining" else cell.reading
    ours = sample(cell, row["metric"], reading, layer)
    if ours.n == 0:
        what = f"layer {layer}" if layer else reading.replace("_", " ")
        return not_run("not recorded", f"the runs have no value: {what}")
    own_density = found.by_density and row["metric"] == "remaining_percent"
    untestable = Judged("inconclusive", NO_TEST) if own_density else None
    judged = untestable or _judge(row, ours, len(cell.runs))
    reason = [evidence(ours, len(cell.runs), judged, row["value"], _points(row))]
    if untestable:
        reason = ["alpha not stated, and a cell chosen by its density cannot test the density"]
    elif found.by_density:
        reason.append(f"alpha not stated: the cell nearest in density answers ({cell.density.mean:.2f} %)")
    if ours.n < len(cell.finished):
        without = len(cell.finished) - ours.n
        reason.append(f"{how_many(without, 'finished run')} {'has' if without == 1 else 'have'} no such epoch")
    reason += [says(row, [cell], cell.true_density(reading)), *_facts(row, [cell])]
    if len(found.cells) > 1:
        nets = {other.get("model") for other in found.cells}
        which = "nearest" if found.by_density else "plainest"
        of_net = f" of {cell.get('model')}" if len(nets) > 1 else ""
        reason.append(f"{len(found.cells)} cells match; the {which}{of_net} answers")
    columns = {
        **_ours(row, ours, reading, judged),
        "ours_density": cell.density.mean,
        "reason": "; ".join(part for part in reason if part),
        "cell": cell.id,
        "runs": " ".join(run["id"] for run in cell.finished),
        "other_cells": " ".join(other.id for other in found.cells[1:]),
    }
    if row["paper"] == "dst" and row["metric"] != "layer_remaining":
        for name in KEPT:
            other = sample(cell, row["metric"], name)
            columns |= _read(name, other, untestable or _judge(row, other, len(cell.runs)))
    return columns


def _facts(row: dict[str, Any], cells: list[Cell]) -> list[str]:
    """What a reader must know of the cells: missing seeds, odd nets, runs of older source."""
    facts = [*dict.fromkeys(missing_seeds(cell) for cell in cells), NOTES.get(row["model"], "")]
    nets = dict.fromkeys(cell.get("model") for cell in cells)
    facts += [f"answered by {net}" for net in nets if net != row["model"] or row["model"] in NOTES]
    finished = [run for cell in cells for run in cell.finished]
    stale = [run for run in finished if run["stale"]]
    if stale:
        commits = ", ".join(sorted({t if isinstance(t := run["trained_at"], str) else "unknown" for run in stale}))
        facts.append(f"{len(stale)} of {how_many(len(finished), 'run')} stale, trained at commit {commits}")
    return facts
