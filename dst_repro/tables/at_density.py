"""Ours at the densities of published numbers, interpolated between the runs of a sweep, with the numbers beside."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from dst_repro.published import loader as published
from dst_repro.records.as_printed import Counted, Printed, as_printed, density, recorded
from dst_repro.records.frames import Frames
from dst_repro.records.sparsest import with_sparsest
from dst_repro.registry import tables
from dst_repro.statistics.matching import Matched, Point, match
from dst_repro.statistics.summary import COLUMNS, Summary, columns, summarise
from dst_repro.statistics.verdicts import judge, margin
from dst_repro.tables import names
from dst_repro.tables.cells import Beside, Cell, cells
from dst_repro.tables.pivot import HEADINGS, Selection
from dst_repro.tables.render import Table
from dst_repro.words import signed


class AtDensityParams(Beside):
    selections: Annotated[tuple[Selection, ...], Field(strict=False, min_length=1)] = ("last", "best_on_test")
    """Epochs by which a run is judged: its accuracy and its density are those of this epoch."""
    counted: Counted = "true-mask"
    """Which density of ours meets the published one: that by masks, or, where runs recorded it, the one that DST's
    released LSTM code prints."""


WHAT = ("dense", "sparse", "difference")
LONG = ["item", "dataset", "model", "method", "density_percent", "source", "what", *COLUMNS,
        "planned", "verdict", "text", "between", "runs"]  # fmt: skip


@tables.register("at-density", AtDensityParams)
def at_density(frames: Frames, params: AtDensityParams) -> Table:
    """Ours at the published densities, between the neighbours in a sweep, beside the published numbers

    Rows are the sparse accuracies of the published items, of nets that the runs have. Each seed's accuracy is
    interpolated over log density between the neighbouring cells of its method, never beyond them (`matching`); mean ±
    std is over seeds. The verdict on the sparse accuracy is that of `statistics.verdicts`; where runs are reduced, or
    follow another protocol than the paper's, it says so, as they answer for their own setting. The long form has one
    row a (number, source, what), in percent or points. Where `counted` is `as-printed`, "between" has the density by
    masks beside.
    """
    counts = as_printed(frames) if params.counted == "as-printed" else {}
    known = cells(with_sparsest(frames) if "sparsest" in params.selections else frames.runs, params.where)
    numbers = list(published.sparse_accuracies(params.published))
    several = len(params.published) > 1
    printed_in = "published" if several or not numbers else f"published in {_item(numbers[0])}"
    heads: list[tuple[str, ...]] = [(printed_in, what) for what in WHAT]
    heads += [("ours", what) for what in (*WHAT, "verdict", "between")]
    labels, texts, behind, long = [], [], [], []
    for number in numbers:
        same = [c for c in known if (c.dataset, c.model) == (number["dataset"], number["model"])]
        if not same:
            continue
        label = [_item(number) if several else "", *names.row(number, ("model", "method"))]
        label.append(f"{published.decimals(number['density_percent'])} %")
        printed = _printed(number)
        rows = [*printed]
        for selection in params.selections:
            ours = _ours(number, selection, same, counts)
            labels.append((*label, HEADINGS[selection] if len(params.selections) > 1 else ""))
            texts.append([*(row["text"] for row in printed + ours), ours[1]["verdict"], ours[1]["told"]])
            behind.append([*(row.get("cells", "") for row in printed + ours), "", ""])
            rows += ours
        long += [{key: number[key] for key in LONG[:5]} | row for row in rows]
    titles = ["item", "model", "method", "density", "judged by"]
    return Table(pd.DataFrame(long, columns=LONG), titles, heads, labels, texts, behind).compact()


def _item(number: dict[str, Any]) -> str:
    """`SNIP, Table 1`; of a file its name."""
    return f"{names.paper(number['paper'])}, {number['item'].rpartition('/')[2]}"


def _printed(number: dict[str, Any]) -> list[dict[str, Any]]:
    """Dense, sparse and their difference as printed; `n` is the number of seeds, where it is stated."""
    dense = number["dense"] or {"value": math.nan, "spread": math.nan, "n_seeds": None}
    gap = {"value": number["value"] - dense["value"], "spread": math.nan, "n_seeds": None}
    return [
        {"source": "published", "what": what, "mean": row["value"], "std": row["spread"], "n": row["n_seeds"],
         "verdict": "", "text": "" if math.isnan(row["value"]) else _number(row["value"], row["spread"], what)}
        for what, row in zip(WHAT, (dense, number, gap), strict=True)
    ]  # fmt: skip


def _ours(number: dict[str, Any], selection: str, same: list[Cell], printed: Printed) -> list[dict[str, Any]]:
    """Dense, sparse and their difference of ours, judged by one epoch; `same` are the cells of the net."""
    slug = published.METHODS.get(number["method"], number["method"])
    sweep = {cell.id: cell for cell in same if cell.method == slug}
    curves: dict[int, list[Point]] = {int(seed): [] for cell in sweep.values() for seed in cell.runs["seed"]}
    by_masks: dict[int, list[Point]] = {seed: [] for seed in curves}
    for cell in sweep.values():
        for seed, counted, true, value in _values(cell, selection, printed):
            curves[seed].append(Point(counted, value, cell.id))
            by_masks[seed].append(Point(counted, true, cell.id))
    found = match(curves, number["density_percent"])
    dense = [cell for cell in same if cell.method == "dense"]
    level = {seed: value for seed, _, _, value in _values(dense[0], selection, {})} if len(dense) == 1 else {}
    gap = {seed: value - level[seed] for seed, value in found.values.items() if seed in level}
    used = [sweep[cell] for cell in found.between]
    between, told = _between(found, [cell.setting for cell in used]), _between(found, [cell.told for cell in used])
    if found.values and recorded((run for cell in sweep.values() for run in cell.runs["id"]), printed):
        by_mask = summarise(match(by_masks, number["density_percent"]).values.values())
        between, told = ("; ".join(filter(None, [t, f"by masks {by_mask.mean:.2f} %"])) for t in (between, told))
    tested = _verdict(number, summarise(found.values.values()), len(curves), used)
    common = {"source": selection, "verdict": "", "between": between, "told": told, "runs": _ids(used, found.values),
              "cells": " ".join(found.between)}  # fmt: skip
    return [
        {
            "source": selection,
            "runs": _ids(dense, level),
            "verdict": "",
            "between": "",
            "cells": " ".join(cell.id for cell in dense),
        }
        | _row("dense", level, dense[0].planned if dense else 0),
        common | _row("sparse", found.values, len(curves), found) | {"verdict": tested},
        common | _row("difference", gap, len(curves), found),
    ]


def _verdict(number: dict[str, Any], ours: Summary, planned: int, used: list[Cell]) -> str:
    """Of the sparse accuracy; `worse (reduced)` of runs that answer for their own setting; nothing without any."""
    if ours.n == 0:
        return ""
    points = margin("top1", number["dataset"], number["value"], number["status"])
    found = judge(ours, planned, number["value"], points, "top1").verdict
    runs = pd.concat([cell.runs for cell in used])
    if (runs["reduced"].fillna("") != "").any():
        return f"{found} (reduced)"
    own = runs["protocol"].map(lambda papers: number["paper"] in papers).all()
    return found if own else f"{found} (another protocol)"


def _values(cell: Cell, selection: str, printed: Printed) -> Iterator[tuple[int, float, float, float]]:
    """(seed, density as counted, density by masks, accuracy) of the finished runs with such an epoch, in percent."""
    for _, run in cell.finished.dropna(subset=[f"{selection}.test_accuracy"]).iterrows():
        row = {str(key): value for key, value in run.items()}
        densities = 100 * density(row, selection, printed), 100 * run[f"{selection}.density"]
        yield int(run["seed"]), *densities, 100 * run[f"{selection}.test_accuracy"]


def _ids(chosen: list[Cell], seeds: Collection[int]) -> str:
    return " ".join(str(run["id"]) for cell in chosen for _, run in cell.finished.iterrows() if run["seed"] in seeds)


def _row(what: str, values: Mapping[int, float], planned: int, found: Matched | None = None) -> dict[str, Any]:
    summary = summarise(values.values())
    text = _text(summary, planned, found, what)
    return {"what": what, **columns(values.values()), "planned": planned, "text": text}


def _text(summary: Summary, planned: int, found: Matched | None, what: str) -> str:
    """`97.71 ± 0.12 (5)`; `97.71 ± 0.12 (3 of 5; s1 s4 outside)`; `no run` where none is planned."""
    if planned == 0:
        return "no run"
    number = _number(summary.mean, summary.std, what) if summary.n else "—"
    if summary.n == planned:
        return f"{number} ({planned})"
    beyond = " ".join(f"s{seed}" for seed in sorted(found.outside)) if found and summary.n else ""
    return f"{number} ({summary.n} of {planned}{f'; {beyond} outside' if beyond else ''})"


def _number(mean: float, spread: float, what: str) -> str:
    """`97.69 ± 0.14`, without ± where there is no spread; a difference has its sign."""
    text = signed(mean) if what == "difference" else f"{mean:.2f}"
    return text if math.isnan(spread) else f"{text} ± {spread:.2f}"


def _between(found: Matched, settings: list[str]) -> str:
    return " to ".join(dict.fromkeys([settings[0], settings[-1]])) if settings else _span(found)


def _span(found: Matched) -> str:
    """`outside 2.59 to 15.1 %`: what the curves span where none of them reaches the density."""
    if not found.outside:
        return ""
    lows, highs = zip(*found.outside.values(), strict=True)
    return f"outside {min(lows):.3g} to {max(highs):.3g} %"
