"""What a verdict on a published number is read from, and its evidence in words.

Accuracy is read at the best epoch on the validation split, without a split at the last epoch; DST's own tables are also
compared with the best epoch on the test set and the sparsest one, which are what the code of its LeNets and
convolutional networks keeps (that of the LSTMs tests once).
"""

from __future__ import annotations

import json
import math
from typing import Any

from scipy import stats

from dst_repro.compare.cells import Cell
from dst_repro.published import loader as printed
from dst_repro.statistics.summary import Summary, summarise
from dst_repro.statistics.verdicts import LEAST, Judged
from dst_repro.words import how_many

KIND_OF_LAYER = {"Conv": 4, "FC": 2}  # prefix of a layer in DST's figures -> dimensions of its weight


def p_value(sample: Summary, value: float, points: float, found: str) -> float:
    """Of the test that a verdict rests on, by Student's t; nan below two values.

    `reproduced`: the larger p of the two one-sided tests that the mean lies inside `value` +- `points`. All else: the
    two-sided p of the test that it lies outside, against the nearer end. Each is below 5 % where its verdict is given.
    """
    if sample.n < 2:
        return math.nan
    inside = points - abs(sample.mean - value)
    distance = inside if found == "reproduced" else -inside
    sides = 1 if found == "reproduced" else 2
    if sample.std == 0:
        return 0.0 if distance > 0 else 1.0
    return min(1.0, sides * float(stats.t.sf(distance / sample.sem, sample.n - 1)))


def percent(share: Any) -> float:
    """nan where a record has no such share."""
    return math.nan if share is None else 100 * float(share)


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
        return summarise(100 * run[f"{reading}.counted"] for run in cell.finished)
    if metric == "top5":
        return summarise(percent(run.get(f"{reading}.test_top5")) for run in cell.finished)
    accuracy = [100 * run[f"{reading}.test_accuracy"] for run in cell.finished]
    return summarise(100 - a for a in accuracy) if metric == "error" else summarise(accuracy)


def evidence(ours: Summary, planned: int, judged: Judged, value: float, points: float) -> str:
    """Of a verdict by `planned` seeds, or of there being none."""
    if ours.n == planned == 1:
        return "one seed has no interval"
    if not judged.tested:
        return (
            f"{ours.n} of {how_many(planned, 'planned seed')} {'counts' if ours.n == 1 else 'count'}, where a "
            f"verdict takes {LEAST} and a majority"
        )
    found = judged.verdict
    low, high = ours.interval(0.90 if found in ("reproduced", "inconclusive") else 0.95)
    text = f"{low:.3f} to {high:.3f}"
    equal = f"{printed.decimals(value)} ± {points:.3g}"
    if found == "reproduced":
        return f"90 % interval {text} inside {equal}"
    if found == "inconclusive":
        return f"90 % interval {text} neither inside {equal} nor (at 95 %) outside it"
    return f"95 % interval {text} outside {equal}"
