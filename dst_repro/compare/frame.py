"""The comparison frame: one row for every published number, with ours, the verdict, and the reason for it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dst_repro.columns import Column, count, number, percent, text
from dst_repro.compare.answering import Row, answering
from dst_repro.compare.answers import answer
from dst_repro.compare.cells import Cell, cells
from dst_repro.compare.counting import with_counted
from dst_repro.compare.plans import ON_A_GPU, PLANNED, Plan
from dst_repro.compare.together import corrected
from dst_repro.published import loader as printed
from dst_repro.records.as_printed import as_printed
from dst_repro.records.frames import Frames
from dst_repro.records.sparsest import with_sparsest
from dst_repro.statistics.verdicts import UNSETTLED, VERDICTS, relative_margin

COLUMNS = {  # of the comparison frame -> type
    **dict.fromkeys(("paper", "item", "dataset", "model", "method"), "str"),
    "density_percent": "float64", "metric": "str", "published": "float64", "published_spread": "float64",
    "spread_kind": "str", "setting": "str", "status": "str", "reprint_of": "str", "verdict": "str", "unsettled": "str",
    "reading": "str",
    "ours_mean": "float64", "ours_std": "float64", "ours_n": "Int64", "ours_density": "float64",
    "difference": "float64", "margin": "float64", "p": "float64", "p_holm": "float64",
    **{f"{name}_{column}": kind for name in ("best_on_test", "sparsest", "at_density") for column, kind
       in (("mean", "float64"), ("std", "float64"), ("n", "Int64"), ("verdict", "str"))},
    "not_run": "str", "reason": "str", "cell": "str", "runs": "str", "other_cells": "str", "note": "str",
}  # fmt: skip

_READING = {
    "mean": percent("Ours {}, mean over seeds"), "std": percent("Its standard deviation"),
    "n": count("Seeds that count", "seeds"), "verdict": text("The verdict {}"),
}  # fmt: skip
_READINGS = {"best_on_test": "at the epoch that is best on the test", "sparsest": "at the sparsest epoch",
             "at_density": "at the published density, interpolated"}  # fmt: skip
MEANINGS: dict[str, Column] = {
    "paper": text("Slug of the paper that prints the number"),
    "item": text("Its table, figure, README or result file"),
    "dataset": text("Slug of the data set, as published/*.csv has it"),
    "model": text("Of the network, likewise"),
    "method": text("Of the method, likewise"),
    "density_percent": percent("Weights kept, as printed"),
    "metric": text("What the number is: " + ", ".join(printed.METRICS)),
    "published": percent("The number"),
    "published_spread": percent("The printed ±"),
    "spread_kind": text("What the ± is: std, se or unknown"),
    "setting": text("key=value pairs, parted by semicolons"),
    "status": text("How the number is known: read, derived or second-hand"),
    "reprint_of": text("The paper and item whose number this only repeats"),
    "verdict": text("One of " + ", ".join(VERDICTS)),
    "unsettled": text("In short why it is inconclusive: " + "; ".join(f"{k}, {v}" for k, v in UNSETTLED.items())),
    "reading": text("The epoch by which ours are judged"),
    "ours_mean": percent("Ours, mean over seeds"),
    "ours_std": percent("Its standard deviation"),
    "ours_n": count("Seeds that count", "seeds"),
    "ours_density": percent("The density of ours"),
    "difference": number("Ours less the published", "points"),
    "margin": number("Within which both count as equal", "points"),
    "p": number("Of the test that the verdict rests on"),
    "p_holm": number("The same, corrected by Holm over all tests of the item"),
    **{f"{name}_{key}": column._replace(meaning=column.meaning.format(when))
       for name, when in _READINGS.items() for key, column in _READING.items()},
    "not_run": text("In short why no run answers"),
    "reason": text("What the verdict rests on, or why there is none"),
    "cell": text("The cells that answer, parted by blanks"),
    "runs": text("Ids of their finished runs, parted by blanks"),
    "other_cells": text("Other cells that match"),
    "note": text("What published/*.csv notes"),
}  # fmt: skip


def comparison(frames: Frames, numbers: pd.DataFrame | None = None, plan: Plan | None = None) -> pd.DataFrame:
    """One row for each published number (`published.load()` by default); percent throughout.

    `plan` are runs of other suites, see `plans.of_suites`: they answer nothing, but a number that they would says so.

    `p` is that of the test that the verdict rests on, `p_holm` the same corrected over all tests of the published item.
    `not_run` is the reason in short, for counting; text columns are "" and number columns null where nothing is known.
    Densities are as the released code counts them where runs recorded that (DST's LSTMs); `reason` then has the true
    one. Of DST's own accuracies `best_on_test_*` and `sparsest_*` are read at the two epochs that its code keeps, and
    `at_density_*`, where alpha is stated, at the published density instead of at that alpha.
    """
    numbers = printed.load() if numbers is None else numbers
    known: dict[str, list[Cell]] = {}
    for cell in cells(with_counted(with_sparsest(frames), as_printed(frames))):
        known.setdefault(cell.get("dataset"), []).append(cell)
    rows: list[dict[str, Any]] = []
    for record in numbers.to_dict("records"):
        fields = {str(key): value for key, value in record.items()}
        base = {name: fields[name] for name in COLUMNS if name in fields}
        base |= {"published": fields["value"], "published_spread": fields["spread"]}
        asked = Row(*(fields[name] for name in Row._fields))
        found = answering(asked, known.get(asked.dataset, []), relative_margin(fields["status"]), plan)
        rows.append(base | answer(fields, found))
    frame = pd.DataFrame(corrected(rows), columns=list(COLUMNS))
    texts = [name for name, kind in COLUMNS.items() if kind == "str"]
    frame[texts] = frame[texts].astype(object).fillna("")
    return frame.astype(COLUMNS)


OUT_OF_REACH = ("no run of this model", "no run of this method", "another pipeline")
"""Why no planned run could answer: of no other number is it the data set, the model or the method."""


WAITING = {"planned": (PLANNED,), "needs_a_gpu": (ON_A_GPU,), "not_planned": OUT_OF_REACH}
"""Groups of the reasons why no run answers; all others are `otherwise`: there are runs, but by another setting."""


def why_not_run(frame: pd.DataFrame) -> dict[str, int]:
    """How many rows are not run, by group; the groups add up to all that are not."""
    kinds = frame.loc[frame["verdict"] == "not run", "not_run"]
    found = {group: int(kinds.isin(of).sum()) for group, of in WAITING.items()}
    return found | {"otherwise": len(kinds) - sum(found.values())}


def in_reach(frame: pd.DataFrame) -> pd.Series[bool]:
    """Of each row, whether its data set, model and method are among the planned runs."""
    return ~frame["not_run"].isin(OUT_OF_REACH)


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Per paper and for `all`: numbers printed, of these distinct (a reprinted one counts once), the verdicts over the
    distinct ones, how many are answered (ours stands beside them), and their share."""
    distinct = frame[frame["reprint_of"] == ""]
    papers = sorted(frame["paper"].unique())
    table = pd.crosstab(distinct["paper"], distinct["verdict"])
    table = table.reindex(index=papers, columns=list(VERDICTS), fill_value=0)
    table.insert(0, "printed", frame["paper"].value_counts())
    table.insert(1, "distinct", table.iloc[:, 1:].sum(axis=1))
    table.loc["all"] = table.sum()
    table["answered"] = table["distinct"] - table["not run"]
    table["share"] = table["answered"] / table["distinct"]
    return table.rename_axis(None, axis=1).reset_index()
