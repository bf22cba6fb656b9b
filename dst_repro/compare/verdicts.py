"""The comparison frame: for every published number ours, the verdict, and the reason for it.

A verdict is an equivalence test (`stats.match`): 0.3 points on MNIST and sets like it, 0.5 on CIFAR-10, 1.0 on larger
ones; densities 15 % of the printed one, 20 % of a digitised one. Accuracy is read at the best epoch on the validation
split, without a split at the last epoch; DST's own tables are also compared with the best epoch on the test set, which
is what their code reports.
"""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd

from dst_repro import published as printed
from dst_repro.aggregate import Frames
from dst_repro.compare.answering import Row, answering
from dst_repro.compare.cells import Cell, cells, missing_seeds
from dst_repro.stats import Summary, match, summarise

VERDICTS = ("reproduced", "better", "worse", "denser", "sparser", "inconclusive", "not run")
POINTS = {"digits": 0.3, "mnist": 0.3, "fashion-mnist": 0.3, "cifar10": 0.5}
POINTS_ELSEWHERE = 1.0
KIND_OF_LAYER = {"Conv": 4, "FC": 2}  # prefix of a layer in DST's figures -> dimensions of its weight
NOTES = {
    "wide-resnet-18": "printed as wide-resnet-18, in fact a ResNet-18",
    "resnet-32": "the paper does not state the width of its ResNet-32",
}


def relative_margin(status: str) -> float:
    return 0.20 if status == "derived" else 0.15


def margin(metric: str, dataset: str, value: float, status: str) -> float:
    """Half the width of the interval that counts as equal, in percentage points."""
    if metric in ("remaining_percent", "layer_remaining"):
        return relative_margin(status) * value
    return POINTS.get(dataset, POINTS_ELSEWHERE)


def verdict(sample: Summary, value: float, points: float, metric: str) -> str:
    """`higher` is better for an accuracy, worse for an error, denser for a density."""
    words = {"higher": "better", "lower": "worse"}
    if metric == "error":
        words = {"higher": "worse", "lower": "better"}
    elif metric in ("remaining_percent", "layer_remaining"):
        words = {"higher": "denser", "lower": "sparser"}
    found = match(sample, value, points)
    return words.get(found, found)


def _layer_percent(run: dict[str, Any], layer: str) -> float:
    """Percent kept at the end of the run in `Conv3` or `FC1`, counted as the figures count: by kind, from one."""
    prefix = layer.rstrip("0123456789")
    number = int(layer.removeprefix(prefix))
    same = [part for part in json.loads(run["layers"]) if len(part["shape"]) == KIND_OF_LAYER.get(prefix)]
    return 100 * same[number - 1]["kept"] / same[number - 1]["numel"] if number <= len(same) else math.nan


def sample(cell: Cell, metric: str, reading: str, layer: str = "") -> Summary:
    """Of the finished runs of a cell, in percent."""
    if metric == "layer_remaining":
        return summarise(_layer_percent(run, layer) for run in cell.finished)
    if metric == "remaining_percent":
        return summarise(100 * run[f"{reading}.density"] for run in cell.finished)
    accuracy = [100 * run[f"{reading}.test_accuracy"] for run in cell.finished]
    return summarise(100 - a for a in accuracy) if metric == "error" else summarise(accuracy)


def _evidence(ours: Summary, found: str, value: float, points: float) -> str:
    if ours.n == 1:
        return "one finished seed has no interval"
    low, high = ours.interval(0.90 if found in ("reproduced", "inconclusive") else 0.95)
    text = f"{low:.3f} to {high:.3f}"
    equal = f"{printed.decimals(value)} ± {points:.3g}"
    if found == "reproduced":
        return f"90 % interval {text} inside {equal}"
    if found == "inconclusive":
        return f"90 % interval {text} neither inside {equal} nor (at 95 %) outside it"
    return f"95 % interval {text} outside {equal}"


def _answer(row: dict[str, Any], found: list[Cell], by_density: bool) -> dict[str, Any]:
    cell, layer = found[0], str(row["settings"].get("layer", ""))
    reading = "last" if row["metric"] == "layer_remaining" else cell.reading
    points = margin(row["metric"], row["dataset"], row["value"], row["status"])
    ours = sample(cell, row["metric"], reading, layer)
    if ours.n == 0:
        what = f"layer {layer}" if layer else reading.replace("_", " ")
        return {"verdict": "not run", "not_run": "not recorded", "reason": f"the runs have no value: {what}"}
    result = verdict(ours, row["value"], points, row["metric"])
    reason = [_evidence(ours, result, row["value"], points)]
    if by_density and row["metric"] == "remaining_percent":
        result = "inconclusive"
        reason = ["alpha not stated, and a cell chosen by its density cannot test the density"]
    elif by_density:
        reason.append(f"alpha not stated: the cell nearest in density answers ({cell.density.mean:.2f} %)")
    if ours.n < len(cell.finished):
        reason.append(f"{len(cell.finished) - ours.n} finished runs have no such epoch")
    reason += [missing_seeds(cell), NOTES.get(row["model"], "")]
    stale = [run for run in cell.finished if run["stale"]]
    if stale:
        commits = ", ".join(sorted({t if isinstance(t := run["trained_at"], str) else "unknown" for run in stale}))
        reason.append(f"{len(stale)} of {len(cell.finished)} runs stale, trained at commit {commits}")
    if len(found) > 1:
        reason.append(f"{len(found)} cells match; the {'nearest' if by_density else 'plainest'} answers")
    answer = {
        "verdict": result,
        "reading": reading,
        "ours_mean": ours.mean,
        "ours_std": ours.std,
        "ours_n": ours.n,
        "ours_density": cell.density.mean,
        "difference": ours.mean - row["value"],
        "margin": points,
        "reason": "; ".join(part for part in reason if part),
        "cell": cell.id,
        "runs": " ".join(run["id"] for run in cell.finished),
        "other_cells": " ".join(other.id for other in found[1:]),
    }
    if row["paper"] == "dst" and row["metric"] != "layer_remaining":
        best = sample(cell, row["metric"], "best_on_test")
        answer |= {"best_on_test_mean": best.mean, "best_on_test_std": best.std, "best_on_test_n": best.n}
        if best.n:
            tested = verdict(best, row["value"], points, row["metric"])
            untestable = by_density and row["metric"] == "remaining_percent"
            answer["best_on_test_verdict"] = "inconclusive" if untestable else tested
    return answer


COLUMNS = {  # of the comparison frame -> type
    **dict.fromkeys(("paper", "item", "dataset", "model", "method"), "str"),
    "density_percent": "float64", "metric": "str", "published": "float64", "published_spread": "float64",
    "spread_kind": "str", "setting": "str", "status": "str", "reprint_of": "str", "verdict": "str", "reading": "str",
    "ours_mean": "float64", "ours_std": "float64", "ours_n": "Int64", "ours_density": "float64",
    "difference": "float64", "margin": "float64", "best_on_test_mean": "float64", "best_on_test_std": "float64",
    "best_on_test_n": "Int64", "best_on_test_verdict": "str", "not_run": "str", "reason": "str", "cell": "str",
    "runs": "str", "other_cells": "str", "note": "str",
}  # fmt: skip


def comparison(frames: Frames, numbers: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row for each published number (`published.load()` by default); percent throughout.

    `not_run` is the reason in short, for counting; text columns are "" and number columns null where nothing is known.
    """
    numbers = printed.load() if numbers is None else numbers
    known: dict[str, list[Cell]] = {}
    for cell in cells(frames.runs):
        known.setdefault(cell.get("dataset"), []).append(cell)
    rows: list[dict[str, Any]] = []
    for record in numbers.to_dict("records"):
        fields = {str(key): value for key, value in record.items()}
        base = {name: fields[name] for name in COLUMNS if name in fields}
        base |= {"published": fields["value"], "published_spread": fields["spread"]}
        if fields["metric"] == "top5":
            answer = {"verdict": "not run", "not_run": "not recorded", "reason": "runs record top-1 accuracy only"}
        else:
            asked = Row(*(fields[name] for name in Row._fields))
            found, why, by_density = answering(asked, known.get(asked.dataset, []), relative_margin(fields["status"]))
            if why is None:
                answer = _answer(fields, found, by_density)
            else:
                answer = {"verdict": "not run", "not_run": why.kind, "reason": why.reason}
        rows.append(base | answer)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    texts = [name for name, kind in COLUMNS.items() if kind == "str"]
    frame[texts] = frame[texts].astype(object).fillna("")
    return frame.astype(COLUMNS)


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Per paper and for `all`: numbers, of these distinct (a reprinted one counts once), the verdicts over the distinct
    ones, how many are answered (ours stands beside them), and their share."""
    distinct = frame[frame["reprint_of"] == ""]
    papers = sorted(frame["paper"].unique())
    table = pd.crosstab(distinct["paper"], distinct["verdict"])
    table = table.reindex(index=papers, columns=list(VERDICTS), fill_value=0)
    table.insert(0, "numbers", frame["paper"].value_counts())
    table.insert(1, "distinct", table.iloc[:, 1:].sum(axis=1))
    table.loc["all"] = table.sum()
    table["answered"] = table["distinct"] - table["not run"]
    table["share"] = table["answered"] / table["distinct"]
    return table.rename_axis(None, axis=1).reset_index()
