"""The few lines that end `make`: what was reached, and where the report lies."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from dst_repro.records.frames import Frames
from dst_repro.statistics.summary import Summary, summarise

LINES = 20  # nets and methods shown; with title, failures and path the text stays below 25 lines
CELLS = 3  # shown of a method: the densest, the sparsest, and one between


def readings(runs: pd.DataFrame, metric: str) -> pd.Series[float]:
    """Of each run: at the best epoch on its validation split, without a split at the last epoch."""
    chosen: pd.Series[float] = runs[f"best_on_validation.{metric}"].where(
        runs["validation"] > 0, runs[f"last.{metric}"]
    )
    return chosen


def plus_minus(sample: Summary, digits: int = 2) -> str:
    """`97.12 ± 0.30 (5)`; one value has no spread."""
    if sample.n == 0:
        return "-"
    spread = "" if math.isnan(sample.std) else f" ± {sample.std:.{digits}f}"
    return f"{sample.mean:.{digits}f}{spread} ({sample.n})"


def _line(runs: pd.DataFrame) -> str:
    found = []
    for _, cell in runs[runs["status"] == "finished"].groupby("cell"):
        density = summarise(100 * readings(cell, "density"))
        found.append((density.mean, plus_minus(summarise(100 * readings(cell, "test_accuracy")), 1)))
    found.sort(reverse=True)
    shown = found if len(found) <= CELLS else [found[0], found[len(found) // 2], found[-1]]
    text = "   ".join(f"{density:5.1f} %: {accuracy:<14}" for density, accuracy in shown)
    return text.rstrip() + (f"  [{len(shown)} of {len(found)} cells]" if len(found) > CELLS else "")


def _epochs(runs: pd.DataFrame) -> str:
    """By which epoch they are judged, as `readings` chooses it."""
    held_out = runs["validation"] > 0
    best = "at the epoch that is best on images held out"
    last = "at the last epoch"
    return best if held_out.all() else f"{best}, {last} where there are none" if held_out.any() else last


def text(frames: Frames, report: Path) -> str:
    """At most 25 lines: of each net and method density reached and accuracy, then what is missing, then the path."""
    runs = frames.runs
    names = runs["model"] + ", " + runs["dataset"]
    lines = [f"density: test accuracy in percent, mean ± standard deviation (runs), {_epochs(runs)}"]
    width = max(len(method) for method in runs["method"])
    groups = [
        (f"{net}\n" if first == 0 else "", method, group)
        for net, part in runs.groupby(names, sort=False)
        for first, (method, group) in enumerate(part.groupby("method", sort=False))
    ]
    for heading, method, group in groups:
        entry = f"{heading}  {method:<{width}}  {_line(group) or 'no finished run'}".split("\n")
        if len(lines) + len(entry) > LINES:
            lines.append("... the other nets and methods stand in the report")
            break
        lines += entry
    for status in ("diverged", "failed", "missing"):
        ids = list(runs.loc[runs["status"] == status, "id"])
        if ids:
            lines.append(f"{len(ids)} {status}: {', '.join(ids[:2])}{' ...' if len(ids) > 2 else ''}")
    return "\n".join([*lines, f"report: {report}"])
