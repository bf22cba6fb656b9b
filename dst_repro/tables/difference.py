"""One treatment against others at equal density, seed by seed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from dst_repro.errors import UserError, did_you_mean
from dst_repro.records.frames import Frames
from dst_repro.registry import tables
from dst_repro.statistics.matching import Point, at_density
from dst_repro.statistics.paired import differences, family, paired
from dst_repro.statistics.summary import COLUMNS, columns, summarise
from dst_repro.tables import fields, names
from dst_repro.tables.cells import Cell, Selected, cells
from dst_repro.tables.render import Table, shown_p
from dst_repro.words import signed

LONG = ["dataset", "model", "place", "treatment", "setting", "control", "control_setting", "density_percent", *COLUMNS,
        "up", "planned", "p", "p_holm", "text", "runs", "outside", "left_out"]  # fmt: skip


class DifferenceParams(Selected):
    field: str = "method"
    """The field whose values are compared; a method without it stands for itself."""
    against: str
    """The value that the others are compared with: differences are theirs less its."""
    blocks: Annotated[tuple[str, ...], Field(strict=False)] = ("dataset", "model")
    """Fields, beside density, in which two that are compared are equal."""
    selection: Literal["last", "best_on_validation", "best_on_test"] = "last"
    """The epoch whose density and test accuracy are compared."""


@dataclass(frozen=True)
class Pair:
    """A cell and those of the other treatment, whose curve is read at its density; `turned`: the cell is the control.

    Where both were asked for a density the curve is one cell, of the same target.
    """

    cell: Cell
    others: tuple[Cell, ...]
    turned: bool
    asked: bool


def _pairs(treated: Sequence[Cell], control: Sequence[Cell]) -> Iterator[Pair]:
    """One for each density that both were asked for; where one has no target, for each of its cells."""
    targets = [{cell.field("density"): cell for cell in group} for group in (treated, control)]
    if "" not in targets[0] and "" not in targets[1]:
        for density, cell in targets[0].items():
            if density in targets[1]:
                yield Pair(cell, (targets[1][density],), False, True)
    elif "" in targets[1]:
        yield from (Pair(cell, tuple(treated), True, False) for cell in control)
    else:
        yield from (Pair(cell, tuple(control), False, False) for cell in treated)


def _values(cell: Cell, selection: str) -> dict[int, Point]:
    """Seed -> density and accuracy in percent of the finished runs that have such an epoch."""
    found = cell.finished.dropna(subset=[f"{selection}.test_accuracy"])
    rows = zip(found["seed"], found[f"{selection}.density"], found[f"{selection}.test_accuracy"], strict=True)
    return {int(seed): Point(100 * density, 100 * accuracy, cell.id) for seed, density, accuracy in rows}


def _row(pair: Pair, selection: str) -> dict[str, Any]:
    own = _values(pair.cell, selection)
    curves: dict[int, list[Point]] = defaultdict(list)
    for other in sorted(pair.others, key=lambda cell: float(cell.runs["density"].iloc[0])):
        for seed, point in _values(other, selection).items():
            curves[seed].append(point)
    both = [seed for seed in own if curves[seed]]
    if pair.asked:
        found = {seed: curves[seed][0].value for seed in both}
    else:
        found = {seed: at.value for seed in both if (at := at_density(curves[seed], own[seed].density))}
    mine = {seed: point.value for seed, point in own.items()}
    sides = (found, mine) if pair.turned else (mine, found)
    by_seed, tested = differences(*sides), paired(*sides)
    outside = sorted(set(both) - set(found))
    planned = {int(seed) for seed in pair.cell.runs["seed"]}
    used = [pair.cell, *pair.others]
    ids = [(int(seed), str(run)) for cell in used for seed, run in zip(cell.runs["seed"], cell.runs["id"], strict=True)]
    treated, control = (pair.others[0], pair.cell) if pair.turned else (pair.cell, pair.others[0])
    return {
        "dataset": pair.cell.dataset, "model": pair.cell.model,
        "setting": "" if pair.turned and not pair.asked else treated.setting,
        "control_setting": control.setting if pair.turned or pair.asked else "",
        "density_percent": summarise(own[seed].density for seed in by_seed or own).mean,
        **columns(by_seed.values()), "up": tested.up, "planned": len(planned), "p": tested.p,
        "text": _text(tested.mean, len(by_seed), planned, outside, set(own)),
        "runs": " ".join(run for seed, run in ids if seed in by_seed), "outside": " ".join(map(str, outside)),
        "left_out": " ".join(run for seed, run in ids if seed not in by_seed),
        "at": "" if pair.asked else f"{pair.cell.shown('method')}, {pair.cell.told}",
        "cells": " ".join(cell.id for cell in used),
    }  # fmt: skip


def _text(mean: float, n: int, planned: set[int], outside: list[int], have: set[int]) -> str:
    """`+0.47 (3)`; `+0.47 (1 of 3; s1 outside, s2 without a pair)`; `—` for none."""
    number = signed(mean) if n else "\N{EM DASH}"
    if n == len(planned):
        return f"{number} ({n})"
    reasons = {"outside": outside, "without a value": sorted(planned - have)}
    known = len(outside) + len(planned - have) + n
    words = [f"{' '.join(f's{seed}' for seed in seeds)} {reason}" for reason, seeds in reasons.items() if seeds]
    words += [f"{len(planned) - known} without a pair"] if known < len(planned) else []
    return f"{number} ({n} of {len(planned)}; {', '.join(words)})"


def difference(frames: Frames, params: DifferenceParams) -> list[dict[str, Any]]:
    """One row a comparison, `LONG` and what the table needs besides; accuracies in percent, differences in points.

    Raises `UserError` where nothing is the control, or two cells can not be told apart.
    """
    known = [cell for cell in cells(frames.runs, params.where) if cell.method != "dense"]
    groups: dict[tuple[str, ...], dict[str, list[Cell]]] = {}
    for cell in known:
        group = groups.setdefault(fields.texts(cell, params.blocks), {})
        group.setdefault(fields.treatment(cell, params.field), []).append(cell)
    treatments = {name for group in groups.values() for name in group}
    if known and params.against not in treatments:
        raise UserError(f"against: no '{params.against}' among them{did_you_mean(params.against, treatments)}")
    rows = []
    for place, group in groups.items():
        control = group.pop(params.against, [])
        for name, treated in sorted(group.items()) if control else ():
            for same in (treated, control):
                _told_apart(same, name)
            common = {"place": ", ".join(place), "labels": place, "treatment": name, "control": params.against}
            made = [common | _row(pair, params.selection) for pair in _pairs(treated, control)]
            rows += sorted(made, key=lambda row: (math.isnan(row["density_percent"]), -row["density_percent"]))
    return [row | {"p_holm": p} for row, p in zip(rows, family([row["p"] for row in rows]), strict=True)]


def _told_apart(same: Sequence[Cell], name: str) -> None:
    targets = [cell.field("density") for cell in same]
    twice = next((target for target in targets if target and targets.count(target) > 1), None)
    if twice:
        raise UserError(f"two cells are '{name}' at {twice}: choose by `where` or name the field in which they differ "
                        "in `blocks`")  # fmt: skip


@tables.register("difference", DifferenceParams)
def table(frames: Frames, params: DifferenceParams) -> Table:
    """Differences in accuracy at equal density, seed by seed, with 95 % intervals, signs and corrected p

    Where one of two was asked for no density, as DST, the other's accuracy is interpolated over log density between
    its own, seed by seed, at the density that was reached; a seed whose density lies beyond them counts as outside.
    """
    rows = difference(frames, params)
    titles = [*map(names.field, params.blocks), names.field(params.field), "at the density of"]
    heads = ["density (%)", f"difference to {names.treatment(params.against)} (points)", "95 % interval", "seeds up",
             "p (Holm)" if sum(row["p"] == row["p"] for row in rows) > 1 else "p"]  # fmt: skip
    labels = [
        (*(names.shown(field, word) for field, word in zip(params.blocks, row["labels"], strict=True)),
         names.treatment(row["treatment"]), row["at"])
        for row in rows
    ]  # fmt: skip
    texts = [_texts(row) for row in rows]
    behind = [[row["cells"]] * len(heads) for row in rows]
    frame = pd.DataFrame(rows, columns=LONG)
    return Table(frame, titles, [(head,) for head in heads], labels, texts, behind).compact()


def _texts(row: dict[str, Any]) -> list[str]:
    interval = "" if math.isnan(row["low"]) else f"{signed(row['low'])} to {signed(row['high'])}"
    signs = f"{row['up']} of {row['n']}" if row["n"] else ""
    density = "" if math.isnan(row["density_percent"]) else f"{row['density_percent']:.2f}"
    return [density, row["text"], interval, signs, shown_p(row)]
