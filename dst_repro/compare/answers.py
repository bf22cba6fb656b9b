"""What the runs answer to one published number: their mean, the verdict, and the reason for it."""

from __future__ import annotations

import math
from typing import Any

from dst_repro.compare.answering import Found
from dst_repro.compare.cells import Cell, missing_seeds
from dst_repro.compare.counting import says
from dst_repro.compare.sweep import Sweep
from dst_repro.compare.verdicts import evidence, margin, p_value, percent, sample, verdict
from dst_repro.statistics.summary import Summary

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
        of_cell |= _read(row, "at_density", sweep.sample(row["metric"], found.cells[0].reading))
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


def _read(row: dict[str, Any], name: str, ours: Summary, untestable: bool = False) -> dict[str, Any]:
    """Mean, spread, number and verdict in the columns of another reading."""
    columns: dict[str, Any] = {f"{name}_mean": ours.mean, f"{name}_std": ours.std, f"{name}_n": ours.n}
    if ours.n:
        tested = verdict(ours, row["value"], _points(row), row["metric"])
        columns[f"{name}_verdict"] = "inconclusive" if untestable else tested
    return columns


def _ours(row: dict[str, Any], ours: Summary, reading: str, tested: str) -> dict[str, Any]:
    """`tested` is the verdict of a test, or nothing where none could be made."""
    columns = {"reading": reading, "ours_mean": ours.mean, "ours_std": ours.std, "ours_n": ours.n}
    p = p_value(ours, row["value"], _points(row), tested) if tested else math.nan
    return columns | {"difference": ours.mean - row["value"], "margin": _points(row), "p": p}


def _of_sweep(row: dict[str, Any], sweep: Sweep) -> dict[str, Any]:
    """Interpolated at the published density. At some reading it is enclosed; at the last epoch it may not be."""
    reading = sweep.cells[0].reading
    ours = sweep.sample(row["metric"], reading)
    cells = sweep.used(row["metric"], reading)
    result = verdict(ours, row["value"], _points(row), row["metric"])
    reason = [evidence(ours, result, row["value"], _points(row))] if ours.n else []
    reason += ["alpha not stated", sweep.says(row["metric"], reading)]
    reason += [says(row, cells, sweep.sample("density", reading).mean), *_facts(row, cells)]
    return {
        "verdict": result,
        **_ours(row, ours, reading, result),
        "ours_density": row["density_percent"] if ours.n else None,
        "reason": "; ".join(part for part in reason if part),
        "cell": " ".join(cell.id for cell in cells),
        "runs": " ".join(run["id"] for cell in cells for run in cell.finished),
    } | {k: v for name in KEPT for k, v in _read(row, name, sweep.sample(row["metric"], name)).items()}


def _of_cell(row: dict[str, Any], found: Found) -> dict[str, Any]:
    cell, layer = found.cells[0], str(row["settings"].get("layer", ""))
    reading = "last" if row["metric"] == "layer_remaining" else cell.reading
    ours = sample(cell, row["metric"], reading, layer)
    if ours.n == 0:
        what = f"layer {layer}" if layer else reading.replace("_", " ")
        return not_run("not recorded", f"the runs have no value: {what}")
    untestable = found.by_density and row["metric"] == "remaining_percent"
    result = "inconclusive" if untestable else verdict(ours, row["value"], _points(row), row["metric"])
    reason = [evidence(ours, result, row["value"], _points(row))]
    if untestable:
        reason = ["alpha not stated, and a cell chosen by its density cannot test the density"]
    elif found.by_density:
        reason.append(f"alpha not stated: the cell nearest in density answers ({cell.density.mean:.2f} %)")
    if ours.n < len(cell.finished):
        reason.append(f"{len(cell.finished) - ours.n} finished runs have no such epoch")
    reason += [says(row, [cell], cell.true_density(reading)), *_facts(row, [cell])]
    if len(found.cells) > 1:
        nets = {other.get("model") for other in found.cells}
        which = "nearest" if found.by_density else "plainest"
        of_net = f" of {cell.get('model')}" if len(nets) > 1 else ""
        reason.append(f"{len(found.cells)} cells match; the {which}{of_net} answers")
    columns = {
        "verdict": result,
        **_ours(row, ours, reading, "" if untestable else result),
        "ours_density": cell.density.mean,
        "reason": "; ".join(part for part in reason if part),
        "cell": cell.id,
        "runs": " ".join(run["id"] for run in cell.finished),
        "other_cells": " ".join(other.id for other in found.cells[1:]),
    }
    if row["paper"] == "dst" and row["metric"] != "layer_remaining":
        for name in KEPT:
            columns |= _read(row, name, sample(cell, row["metric"], name), untestable)
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
        facts.append(f"{len(stale)} of {len(finished)} runs stale, trained at commit {commits}")
    return facts
