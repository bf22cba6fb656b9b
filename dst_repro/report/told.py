"""A row of the scorecard in one sentence, and what to know before reading it, all by rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from dst_repro.claims.write import IN_WORDS
from dst_repro.statistics.ranking import LEVEL
from dst_repro.statistics.verdicts import DIFFERENT, UNSETTLED
from dst_repro.tables import names
from dst_repro.words import agreeing, how_many

NOT_RUN = {
    "planned": ("would take no more than a CPU", "would take no more than a CPU"),
    "needs_a_gpu": ("needs a GPU", "need a GPU"),
    "otherwise": ("has runs near it, of another setting, density or protocol",
                  "have runs near them, of another setting, density or protocol"),
    "not_planned": ("is of a network, method or pipeline that is not planned here",
                    "are of networks, methods or pipelines that are not planned here"),
}  # fmt: skip
"""Why numbers are not run: last part of a column of the scorecard -> in words, of one and of several."""


def sentence(row: Mapping[str, Any]) -> str:
    """`Dynamic Sparse Training: 5 of 12 answered numbers reproduced (2 of them dense), 7 inconclusive; ...`"""
    parts = [_numbers(row) if row["distinct"] else "", _not_run(row) if row["not_run"] else "", _claims(row)]
    return f"{names.paper(row['paper'])}: {'; '.join(filter(None, parts)) or 'nothing to answer'}."


def _numbers(row: Mapping[str, Any]) -> str:
    if not row["answered"]:
        return f"none of {how_many(row['distinct'], 'number')} answered"
    words = [f"{row[word]} {word}" for word in (*DIFFERENT, "inconclusive") if row[word]]
    dense = f" ({row['reproduced_dense']} of them dense)" if row["reproduced_dense"] else ""
    head = f"{row['reproduced']} of {how_many(row['answered'], 'answered number')} reproduced{dense}"
    return ", ".join([head, *words])


def _not_run(row: Mapping[str, Any]) -> str:
    """The reason that most of them have; where none has that, how many have each."""
    whole = row["not_run"]
    group = max(NOT_RUN, key=lambda group: row[f"not_run_{group}"])
    most = row[f"not_run_{group}"]
    if whole > 1 and 2 * most > whole:
        return f"{'all' if most == whole else 'most'} of {whole:,} not run {NOT_RUN[group][1]}"
    return f"of {whole:,} not run {_why(row)}"


def _why(row: Mapping[str, Any]) -> str:
    found = {group: row[f"not_run_{group}"] for group in NOT_RUN}
    return ", ".join(agreeing(number, *NOT_RUN[group]) for group, number in found.items() if number)


def _claims(row: Mapping[str, Any]) -> str:
    if not row["claims"]:
        return ""
    columns = {verdict: f"claims_{verdict.replace(' ', '_')}" for verdict in IN_WORDS}
    words = [agreeing(row[column], *IN_WORDS[verdict]) for verdict, column in columns.items() if row[column]]
    reduced = sum(row.get(f"{column}_reduced", 0) for column in columns.values())
    by = f" ({reduced} of the answers by reduced runs)" if reduced else ""
    return f"of its {how_many(row['claims'], 'claim')} {', '.join(words)}{by}"


def caveats(comparison: pd.DataFrame, answers: pd.DataFrame, whole: Mapping[str, Any], runs: pd.DataFrame) -> list[str]:
    """What to know before reading, one sentence each: on what was answered, what is dense, open, reduced, and of which
    data. `whole` is the scorecard's row of all papers, `runs` the rows of the frames."""
    distinct = comparison[(comparison["reprint_of"] == "") & (comparison["verdict"] != "not run")]
    found = [bridge(whole)] if whole["in_reach"] else []
    if len(distinct):
        nets = distinct.groupby("dataset", sort=True)["model"].unique()
        places = [f"{names.shown('dataset', str(d))} ({', '.join(names.shown('model', m) for m in ms)})"
                  for d, ms in nets.items()]  # fmt: skip
        cells = {cell for text in distinct["cell"] for cell in text.split()}
        found.append(f"All answered numbers are of {' and '.join(places)}; they rest on {how_many(len(cells), 'cell')} "
                     "of runs.")  # fmt: skip
    reproduced = distinct[distinct["verdict"] == "reproduced"]
    if len(reproduced):
        by_holm = int((reproduced["p_holm"] < LEVEL).sum())
        found.append(f"Reproduced means within a margin of ours, {_margins(reproduced)}, which neighbouring densities "
                     f"may share; of these {len(reproduced)}, {agreeing(by_holm, 'is', 'are')} so after Holm's "
                     "correction, too.")  # fmt: skip
    if whole["reproduced_dense"]:
        found.append(f"{whole['reproduced_dense']} of the {whole['reproduced']} reproduced are accuracies of dense "
                     "networks, which say nothing of sparse training.")  # fmt: skip
    if whole["inconclusive"]:
        open_ = {words: whole[f"inconclusive_{kind.replace(' ', '_')}"] for kind, words in UNSETTLED.items()}
        found.append(f"Inconclusive are {'; '.join(f'{n} by {words}' for words, n in open_.items() if n)}.")
    known = answers[answers["verdict"] != "not run"]
    reduced = int((known["reduced"] != "").sum())
    if reduced:
        found.append(f"{reduced} of {how_many(len(known), 'answered claim')} rest on runs with fewer epochs, images or "
                     "weights than the paper's, which speak for their own setting.")  # fmt: skip
    noted = runs[runs["note"].fillna("") != ""] if "note" in runs else runs.iloc[:0]
    for (dataset, note), group in noted.groupby(["dataset", "note"]):
        said = f"{names.shown('dataset', str(dataset))}, {str(note).rstrip('.')}"
        found.append(f"Data of {how_many(len(group), 'run')}: {said}.")
    return found


def _margins(rows: pd.DataFrame) -> str:
    """`0.3 points on MNIST, 0.5 points on CIFAR-10`, of accuracies and errors."""
    of = rows[rows["metric"].isin(("top1", "top5", "error"))].groupby("dataset", sort=True)["margin"].max()
    return ", ".join(f"{margin:g} points on {names.shown('dataset', str(d))}" for d, margin in of.items())


def bridge(whole: Mapping[str, Any]) -> str:
    """From all numbers that are printed to those with an answer; its parts add up."""
    again = whole["printed"] - whole["distinct"]
    why = f", of which {_why(whole)}" if whole["not_run"] else ""
    return (
        f"{how_many(whole['printed'], 'number')} are printed, of which {agreeing(again, 'repeats', 'repeat')} another: "
        f"of {how_many(whole['distinct'], 'distinct number')} {whole['answered']:,} are answered and "
        f"{whole['not_run']:,} not run{why}."
    )
