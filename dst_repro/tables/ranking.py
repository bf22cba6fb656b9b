"""Which treatment is best over many settings: average ranks, and whether they differ."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import Field

from dst_repro.errors import UserError
from dst_repro.records.frames import Frames
from dst_repro.registry import tables
from dst_repro.statistics.ranking import rank
from dst_repro.statistics.summary import summarise
from dst_repro.tables import fields, names
from dst_repro.tables.cells import Cell, Selected, cells, percent
from dst_repro.tables.render import Table

Fields = Annotated[tuple[str, ...], Field(strict=False)]
Block = tuple[str, ...]


class RankingParams(Selected):
    treatment: str = "method_params.drop"
    """The field whose values are compared."""
    also: Fields = ()
    """Methods without that field that are ranked too, e.g. static. Where they lack a field of the blocks, as the
    growth criterion, they take part in all of them."""
    blocks: Fields | None = None
    """The fields that tell settings apart: each is one vote. A setting that lacks a treatment is left out. By default
    data set, network and density, and the growth criterion where methods are not what is ranked."""
    seeds: bool = False
    """Whether each seed is a vote of its own, not the mean over the finished seeds."""
    by: Fields = ()
    """Fields by which the settings are ranked apart."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = 0.1
    """Target densities up to this one are ranked apart from those above."""
    selection: Literal["last", "best_on_validation", "best_on_test"] = "last"
    """The epoch whose test accuracy is compared."""


BLOCKS = {False: ("dataset", "model", "density", "method_params.grow"), True: ("dataset", "model", "density")}
"""By default, of other treatments and of methods."""
LONG = ["group", "treatment", "rank", "blocks", "incomplete", "chi2", "chi2_p", "f", "f_p", "cd", "p"]


def ranked(frames: Frames, params: RankingParams) -> pd.DataFrame:
    """One row a (group, treatment), the best first. `p` is that of the difference from the best treatment."""
    groups: dict[str, dict[Block, dict[str, float]]] = {}
    for group, block, treatment, value in _votes(cells(frames.runs, params.where), params):
        votes = groups.setdefault(group, {}).setdefault(block, {})
        if treatment in votes:
            raise UserError(f"ranking: two cells are '{treatment}' in {', '.join(filter(None, block))}: "
                            "choose by `where` or name the field in which they differ in `blocks`")  # fmt: skip
        votes[treatment] = value
    rows: list[dict[str, Any]] = []
    for group in sorted(groups, key=lambda name: (">" in name, not name.startswith("random growth"), name)):
        found = rank(pd.DataFrame.from_dict(groups[group], orient="index").sort_index(axis=1))
        common = {"group": group, **{name: getattr(found, name) for name in LONG if name in found._fields}}
        each = zip(found.ranks.index, found.ranks, found.p, strict=True)
        rows += [common | {"treatment": name, "rank": mean, "p": p} for name, mean, p in each]
    return pd.DataFrame(rows, columns=LONG)


def _votes(known: list[Cell], params: RankingParams) -> list[tuple[str, Block, str, float]]:
    """(group, block, treatment, accuracy), nan where no seed has finished."""
    place_of = (*params.by, *(BLOCKS[params.treatment == "method"] if params.blocks is None else params.blocks))
    main = [(cell, fields.texts(cell, place_of)) for cell in known if cell.field(params.treatment)]
    also = [cell for cell in known if cell.method in params.also and not cell.field(params.treatment)]
    settings = {place: _group(cell, params) for cell, place in main}
    placed = main + [(cell, place) for cell in also for place in settings if _fits(fields.texts(cell, place_of), place)]
    return [
        (settings[place], (*place[len(params.by) :], seed), fields.treatment(cell, params.treatment), value)
        for cell, place in placed
        for seed, value in _values(cell, params)
    ]


def _fits(own: Block, place: Block) -> bool:
    return all(word in ("", other) for word, other in zip(own, place, strict=True))


def _values(cell: Cell, params: RankingParams) -> list[tuple[str, float]]:
    """(seed, accuracy in percent) of all planned seeds, or their mean under no seed's name."""
    runs = cell.runs.assign(value=100 * cell.runs[f"{params.selection}.test_accuracy"])
    runs["value"] = runs["value"].where(runs["status"] == "finished")
    if params.seeds:
        return [(f"seed {seed}", value) for seed, value in zip(runs["seed"], runs["value"], strict=True)]
    return [("", summarise(runs["value"]).mean)]


def _group(cell: Cell, params: RankingParams) -> str:
    words = [fields.heading(name, cell.field(name)) for name in params.by]
    density = float(cell.runs["density"].iloc[0])
    if params.threshold is not None and not math.isnan(density):
        sign = "\N{LESS-THAN OR EQUAL TO}" if density <= params.threshold else ">"
        words.append(f"density {sign} {percent(params.threshold)}")
    return ", ".join(filter(None, words))


HEADS = ["average rank", "blocks", "left out", "Friedman", "Friedman, p", "Iman-Davenport", "Iman-Davenport, p",
         "critical difference", "against the best, p"]  # fmt: skip


@tables.register("ranking", RankingParams)
def ranking(frames: Frames, params: RankingParams) -> Table:
    """Average ranks of treatments over settings, with the tests of Friedman and Nemenyi

    One row a treatment; rank 1 has the highest test accuracy. Settings that lack a treatment are counted as left out.
    """
    long = ranked(frames, params)
    rows = long.to_dict("records")
    labels: list[tuple[str, ...]] = [(_told(row["group"]), names.treatment(row["treatment"])) for row in rows]
    first = ~long["group"].duplicated()
    texts = [_texts(row, best) for row, best in zip(rows, first, strict=True)]
    return Table(long, ["settings", "treatment"], [(head,) for head in HEADS], labels, texts).compact()


def _told(group: str) -> str:
    """`random growth` by the label of the growth criterion."""
    return ", ".join(f"{names.shown('grow', w.removesuffix(' growth'))} growth" if w.endswith(" growth") else w
                     for w in group.split(", "))  # fmt: skip


def _texts(row: dict[Any, Any], best: bool) -> list[str]:
    tests = [_number(row["chi2"]), _p(row["chi2_p"]), _number(row["f"]), _p(row["f_p"]), _number(row["cd"])]
    counts = [str(row["blocks"]), str(row["incomplete"])]
    return [_number(row["rank"]), *counts, *tests, "" if best else _p(row["p"])]


def _number(value: float) -> str:
    return "\N{EM DASH}" if math.isnan(value) else f"{value:.2f}"


def _p(value: float) -> str:
    return "\N{EM DASH}" if math.isnan(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
