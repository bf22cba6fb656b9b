"""What tricks gain: a run with them against the same run without, seed by seed."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import replace
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from dst_repro.records.frames import TOGETHER, Frames
from dst_repro.records.ghosts import with_epochs
from dst_repro.registry import tables
from dst_repro.statistics.paired import differences, family, paired
from dst_repro.statistics.summary import COLUMNS, columns, summarise
from dst_repro.tables import names
from dst_repro.tables.cells import Cell, Selected, cells, gaps, plain
from dst_repro.tables.judging import GHOSTLESS, Selection, accuracies, with_ghosts
from dst_repro.tables.render import Table, shown_p
from dst_repro.words import minus

LONG = ["dataset", "model", "method", "setting", "density", "tricks", "without", "gain", *COLUMNS[1:],
        "up", "planned", "p", "p_holm", "last_gain", "early", "text", "runs", "left_out"]  # fmt: skip
HEADS = ("without (%)", "gain (points)", "95 % interval", "seeds up")
BESIDE = ("gain at the last epoch", "best epoch has ghosts")
"""Beside what is judged by an epoch without ghosts."""

Tricks = dict[str, dict[str, Any]]


class GainsParams(Selected):
    selection: Selection = "last"
    """The epoch by which a run is judged, with tricks and without. `best_without_ghosts` is the best on images held out
    of those in which neither of the two has ghosts."""
    whole: Annotated[tuple[str, ...], Field(strict=False)] = (
        "ghost-skips", "label-smoothing", "rescaled-init", "soft-neurons"
    )  # fmt: skip
    """The tricks that are called `all`; with one of them missing they are `all but` that."""


def gains(frames: Frames, params: GainsParams) -> pd.DataFrame:
    """One row a cell with tricks whose like without them is planned; accuracies in percent, gains in points.

    Single tricks come first, then sets. `p_holm` is corrected for all rows of the frame together; the p of a single one
    is not.
    """
    known = cells(with_epochs(frames), params.where)
    called = _names({cell.id: _tricks(cell) for cell in known}, params.whole)
    alike: dict[str, list[Cell]] = defaultdict(list)
    for cell in known:
        alike[_rest(cell)].append(cell)
    rows = []
    for group in alike.values():
        control = next((cell for cell in group if not _tricks(cell)), None)
        treated = sorted((c for c in group if _tricks(c)), key=lambda c: (len(_tricks(c)), called[c.id]))
        rows += [_row(cell, control, called[cell.id], params) for cell in treated if control is not None]
    frame = pd.DataFrame(rows, columns=LONG)
    return frame.assign(p_holm=family(list(frame["p"])))


def _config(cell: Cell) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cell.runs["config"].iloc[0])
    return found


def _tricks(cell: Cell) -> Tricks:
    found: Tricks = _config(cell).get("tricks", {})
    return found


def _rest(cell: Cell) -> str:
    """What a run and the same without tricks have in common."""
    rest = {key: value for key, value in _config(cell).items() if key not in ("tricks", "seed")}
    return json.dumps(rest, sort_keys=True)


def _names(shown: dict[str, Tricks], whole: tuple[str, ...]) -> dict[str, str]:
    """Cell -> what its tricks are called: parameters only where another cell has the same tricks with others."""
    variants: dict[str, list[str]] = defaultdict(list)
    for found in shown.values():
        for slug, params in found.items():
            if (text := json.dumps(params, sort_keys=True)) not in variants[slug]:
                variants[slug].append(text)
    return {cell: _name(found, whole, variants) for cell, found in shown.items()}


def _name(found: Tricks, whole: tuple[str, ...], variants: dict[str, list[str]]) -> str:
    missing = sorted(set(whole) - set(found))
    own = {slug: _words(found[slug], [json.loads(text) for text in variants[slug]]) for slug in sorted(found)}
    if len(missing) <= 1 and len(whole) > 2 and set(found) <= set(whole):
        name = f"all but {missing[0]}" if missing else "all"
    else:
        name = TOGETHER.join(sorted(found))
    told = {slug: words for slug, words in own.items() if words}
    if len(set(told.values())) <= 1:  # of one trick, or the same of several: said once, without its name
        words = next(iter(told.values()), "")
    else:
        words = "; ".join(f"{slug} {words}" for slug, words in told.items())
    return f"{name} ({words})" if words else name


def _words(params: dict[str, Any], variants: list[dict[str, Any]]) -> str:
    """The parameters in which the variants of a trick differ, where they are not the defaults."""
    differ = [key for key in params if any(other.get(key, ...) != params[key] for other in variants)]
    return ", ".join(f"{key} {'never' if params[key] is None else plain(params[key])}" for key in differ)


def _row(cell: Cell, control: Cell, name: str, params: GainsParams) -> dict[str, Any]:
    values, last = (
        [accuracies(one, selection, other) for one, other in ((cell, control), (control, cell))]
        for selection in (params.selection, "last")
    )
    found = paired(*values)
    ids = cell.runs.set_index("seed")["id"]
    both = [seed for seed in ids.index if seed in values[0] and seed in values[1]]
    return {
        **{key: control.field(key) for key in LONG[:4]},
        "density": 100 * float(cell.runs["density"].iloc[0]), "tricks": name,
        "without": summarise(values[1][seed] for seed in both).mean, "gain": found.mean,
        **columns(differences(*values).values()), "up": found.up, "planned": cell.planned, "p": found.p,
        "last_gain": paired(*last).mean, "early": sum(with_ghosts(cell).get(seed, False) for seed in both),
        "text": _text(cell, control, found.mean, found.n, [set(one) for one in values],
                      "with ghosts in every epoch" if params.selection in GHOSTLESS else "without a value"),
        "runs": " ".join(ids[ids.index.isin(both)]), "left_out": " ".join(ids[~ids.index.isin(both)]),
    }  # fmt: skip


def _text(cell: Cell, control: Cell, mean: float, n: int, have: list[set[int]], why: str) -> str:
    """`+1.23 (3)`; `+0.40 (1 of 3; s1 missing, without tricks s2 diverged)`; `—` for none.

    `have` are the seeds that have a value, with tricks and without; `why` is said of those finished with tricks.
    """
    number = f"{mean:+.2f}" if n else "\N{EM DASH}"
    if n == cell.planned:
        return f"{number} ({n})"
    seeds = {int(seed) for seed in cell.runs["seed"]}
    own = gaps(cell, seeds - have[0], why)
    planned = {int(seed) for seed in control.runs["seed"]}
    wanting = replace(control, runs=control.runs[control.runs["seed"].isin(seeds & have[0])])
    other = gaps(wanting, planned - have[1])
    unplanned = " ".join(f"s{seed}" for seed in sorted((seeds & have[0]) - planned))
    without = ", ".join(filter(None, [other, f"{unplanned} not planned" if unplanned else ""]))
    return (
        f"{number} ({n} of {cell.planned}; {', '.join(filter(None, [own, without and f'without tricks {without}']))})"
    )


@tables.register("gains", GainsParams)
def table(frames: Frames, params: GainsParams) -> Table:
    """What tricks gain over the same run without them, with 95 % intervals and the number of seeds that gain

    Differences are taken seed by seed: the seeds of both share mask, initial weights and order of the data. Where they
    are judged by an epoch without ghosts, the gain at the last epoch stands beside, and in how many of the pairs the
    best epoch of all has ghosts.
    """
    long = gains(frames, params)
    rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in long.to_dict("records")]
    told = {cell.setting: cell.told for cell in cells(with_epochs(frames), params.where)}
    labels = [(*names.row(r, LONG[:3]), told[r["setting"]], names.prose(r["tricks"])) for r in rows]
    for place in (1, 0):  # said once for all in the title, unless they differ
        if len({label[place] for label in labels}) == 1:
            labels = [(*label[:place], "", *label[place + 1 :]) for label in labels]
    beside = params.selection in GHOSTLESS
    heads = [*HEADS, "p (Holm)" if long["p"].count() > 1 else "p", *(BESIDE if beside else ())]
    texts = [[_minus(word) for word in _texts(row, beside)] for row in rows]
    cell_of = dict(zip(frames.runs["id"], frames.runs["cell"], strict=True))
    behind = [[cell_of.get(row["runs"].partition(" ")[0], "")] * len(heads) for row in rows]  # those with tricks
    titles = ["data set", "model", "mask", "setting", "tricks"]
    return Table(long, titles, [(head,) for head in heads], labels, texts, behind).compact()


def _texts(row: dict[str, Any], beside: bool) -> list[str]:
    interval = "" if math.isnan(row["low"]) else f"{row['low']:+.2f} to {row['high']:+.2f}"
    texts = [f"{row['without']:.2f}" if row["n"] else "\N{EM DASH}", row["text"], interval,
             f"{row['up']} of {row['n']}" if row["n"] else "", shown_p(row)]  # fmt: skip
    if beside:
        texts.append("" if math.isnan(row["last_gain"]) else f"{row['last_gain']:+.2f}")
        texts.append(f"{row['early']} of {row['n']}" if row["n"] else "")
    return texts


def _minus(word: str) -> str:
    return minus(word.replace("-0.00", "0.00").replace("+0.00", "0.00"))
