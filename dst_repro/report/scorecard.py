"""How much of each paper came out again: its published numbers and its claims, counted by verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dst_repro import compare
from dst_repro.claims.base import VERDICTS as ANSWERS
from dst_repro.columns import Column, count, share, text
from dst_repro.files import write_text
from dst_repro.report import told
from dst_repro.statistics.verdicts import UNSETTLED
from dst_repro.tables import names, render

SMALL = names.SMALL
"""Claims of a paper's reduced items are the paper's."""
ALL = "all"
TITLE = "How much of each paper came out again"
CAPTION = (
    "Distinct published numbers: one that is printed several times counts once. Answered: a run by the paper's own "
    "protocol stands beside it. Reproduced: equal within a margin, by an equivalence test over three seeds at least, "
    "most of those planned; in brackets, how many of them are of dense networks. Better, worse, denser, sparser: "
    "different by more than the margin; inconclusive: neither is shown. Claims hold or fail by rules with thresholds, "
    "else they are inconclusive; in brackets, how many are answered by runs with fewer epochs, images or weights than "
    "the paper's. A dash: none is known to us, or none is written as a rule."
)
OF_CLAIMS = {verdict: f"claims_{verdict.replace(' ', '_')}" for verdict in ANSWERS}  # verdict -> column
OF_NUMBERS = {verdict: verdict.replace(" ", "_") for verdict in compare.VERDICTS}
OF_UNSETTLED = {kind: f"inconclusive_{kind.replace(' ', '_')}" for kind in UNSETTLED}
MEANINGS: dict[str, Column] = {
    "paper": text("Slug of the paper; `all` in the last row"),
    "printed": count("Its published numbers"),
    "distinct": count("Of them those that repeat no other: what all other columns count"),
    "in_reach": count("Of them those whose data set, model and method are among the planned runs"),
    "answered": count("Of them those beside which ours stand"),
    "share": share("Answered of all; null without any"),
    **{column: count(f"Numbers whose verdict is: {verdict}") for verdict, column in OF_NUMBERS.items()},
    "reproduced_dense": count("Of the reproduced those of dense networks"),
    **{column: count(f"Of the inconclusive those by {UNSETTLED[kind]}") for kind, column in OF_UNSETTLED.items()},
    **{f"not_run_{group}": count(f"Not run: those that {words[1]}") for group, words in told.NOT_RUN.items()},
    "claims": count("Its claims that are written as rules"),
    **{column: count(f"Claims whose answer is: {verdict}") for verdict, column in OF_CLAIMS.items()},
    **{f"{column}_reduced": count(f"Of those that are {verdict}, by runs with a reduced protocol")
       for verdict, column in OF_CLAIMS.items() if verdict != "not run"},
    "says": text("The row in one sentence"),
}  # fmt: skip
DENSE = ("dense", "small-dense")
"""Methods whose accuracies say nothing of sparse training."""
DASH = "\N{EN DASH}"


def scorecard(comparison: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """One row for each paper that has numbers or claims, those with an answer first, and a last one for `all`.

    Numbers are distinct (a reprinted one counts once where it was first printed), but for `printed`, which counts all;
    `answered` and `not_run` add up to them, and so do the columns that begin with `not_run_` to `not_run`. Columns of
    claims begin with `claims`; those that end in `reduced` count what runs with a reduced protocol answered.
    """
    claims = answers.assign(paper=answers["paper"].str.removesuffix(SMALL).astype(object))
    papers = sorted({*comparison["paper"], *claims["paper"]})
    rows = [_row(p, comparison[comparison["paper"] == p], claims[claims["paper"] == p]) for p in papers]
    rows.sort(key=lambda row: (answered(row) == 0, row["paper"]))
    return pd.DataFrame([*rows, _row(ALL, comparison, claims)])


def _row(paper: str, printed: pd.DataFrame, claims: pd.DataFrame) -> dict[str, Any]:
    numbers = printed[printed["reprint_of"] == ""]
    row: dict[str, Any] = {"paper": paper, "printed": len(printed), "distinct": len(numbers)}
    row["in_reach"] = int(compare.in_reach(numbers).sum())
    row["answered"] = int((numbers["verdict"] != "not run").sum())
    row["share"] = row["answered"] / row["distinct"] if row["distinct"] else math.nan
    row |= {column: int((numbers["verdict"] == verdict).sum()) for verdict, column in OF_NUMBERS.items()}
    row["reproduced_dense"] = int((numbers["method"].isin(DENSE) & (numbers["verdict"] == "reproduced")).sum())
    row |= {column: int((numbers["unsettled"] == kind).sum()) for kind, column in OF_UNSETTLED.items()}
    why = compare.why_not_run(numbers)
    row |= {f"not_run_{group}": why[group] for group in told.NOT_RUN}
    row["claims"] = len(claims)
    for verdict, column in OF_CLAIMS.items():
        of_it = claims[claims["verdict"] == verdict]
        row[column] = len(of_it)
        if verdict != "not run":
            row[f"{column}_reduced"] = int((of_it["reduced"] != "").sum())
    return row | {"says": told.sentence(row)}


def answered(row: Mapping[str, Any]) -> int:
    """Numbers and claims of a row that have an answer."""
    return int(row["answered"] + row["claims"] - row["claims_not_run"])


class Part(NamedTuple):
    """A stretch of a bar."""

    verdict: str
    number: int


class Side(NamedTuple):
    """A paper's numbers, or its claims, by verdict; `reduced` of them are answered by runs with a reduced protocol."""

    parts: list[Part]
    """Those with an answer."""
    not_run: int
    reduced: int = 0

    @property
    def answered(self) -> int:
        return sum(part.number for part in self.parts)


class Line(NamedTuple):
    """A row of the scorecard as text, and its two bars."""

    paper: str
    texts: list[str]
    numbers: Side
    claims: Side


def lines(frame: pd.DataFrame) -> list[Line]:
    """For readers: the columns of `HEADS`."""
    return [_line({str(k): v for k, v in row.items()}) for row in frame.to_dict("records")]


HEADS = ("distinct numbers", "answered", *compare.VERDICTS, "claims", "claims hold", "claims fail",
         "claims inconclusive", "claims not run")  # fmt: skip


def _line(row: Mapping[str, Any]) -> Line:
    share = f"{row['answered']} ({100 * row['share']:.1f} %)" if row["answered"] else "0"
    numbers = [str(row["distinct"]), share, *(_number(row, column) for column in OF_NUMBERS.values())]
    claims = [str(row["claims"]), *(_with_reduced(row, column) for column in OF_CLAIMS.values())]
    texts = (numbers if row["distinct"] else [DASH] * len(numbers)) + (
        claims if row["claims"] else [DASH] * len(claims)
    )
    reduced = sum(row.get(f"{column}_reduced", 0) for column in OF_CLAIMS.values())
    return Line(str(row["paper"]), texts, _side(row, OF_NUMBERS), _side(row, OF_CLAIMS)._replace(reduced=reduced))


def _side(row: Mapping[str, Any], columns: Mapping[Any, str]) -> Side:
    parts = [Part(verdict, row[column]) for verdict, column in columns.items() if row[column]]
    answers = [part for part in parts if part.verdict != "not run"]
    return Side(answers, sum(part.number for part in parts if part.verdict == "not run"))


def _number(row: Mapping[str, Any], column: str) -> str:
    dense = row["reproduced_dense"] if column == "reproduced" else 0
    return f"{row[column]} ({dense} dense)" if dense else str(row[column])


def _with_reduced(row: Mapping[str, Any], column: str) -> str:
    reduced = row.get(f"{column}_reduced")
    return f"{row[column]} ({reduced})" if reduced else str(row[column])


def beyond(frame: pd.DataFrame) -> list[tuple[str, int]]:
    """(paper, its numbers) of the papers whose numbers no planned run could answer, and that have no claims."""
    none = frame[(frame["in_reach"] == 0) & (frame["claims"] == 0) & (frame["paper"] != ALL)]
    return list(zip(none["paper"], none["distinct"], strict=True))


def caveats(frame: pd.DataFrame, comparison: pd.DataFrame, answers: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """What to know before reading a scorecard; `runs` are those of the frames, or their part with a note."""
    (whole,) = frame[frame["paper"] == ALL].to_dict("records")
    return told.caveats(comparison, answers, {str(k): v for k, v in whole.items()}, runs)


def sentences(frame: pd.DataFrame) -> list[str]:
    """The answer in words of each paper that has one, and one sentence for others that planned runs could answer."""
    rows = [{str(k): v for k, v in row.items()} for row in frame.to_dict("records") if row["paper"] != ALL]
    none = [row for row in rows if not answered(row) and (row["in_reach"] or row["claims"])]
    others = [f"{names.paper(row['paper'])} ({row['distinct']})" for row in none if row["distinct"]]
    said = [str(row["says"]) for row in rows if answered(row)]
    return said + ([f"No answer to any number of {', '.join(others)}."] if others else [])


def markdown(frame: pd.DataFrame, before: Sequence[str] = ()) -> str:
    """The table, each paper in words, and below what is to be known `before` reading."""
    shown = lines(frame)
    heads: list[tuple[str, ...]] = [(head,) for head in HEADS]
    labels: list[tuple[str, ...]] = [("all" if line.paper == ALL else names.paper(line.paper),) for line in shown]
    table = render.Table(frame, ["paper"], heads, labels, [line.texts for line in shown])
    lists = {"In words": sentences(frame), "To know before reading": before}
    parts = [
        f"**{head}**\n\n" + "".join(f"- {render.plain(line)}\n" for line in of) for head, of in lists.items() if of
    ]
    return "\n".join([render.markdown(table, TITLE, CAPTION), *parts])


def write(frame: pd.DataFrame, folder: Path, before: Sequence[str] = ()) -> None:
    """`scorecard.csv` and `scorecard.md`."""
    write_text(folder / "scorecard.csv", render.frame_csv(frame))
    write_text(folder / "scorecard.md", markdown(frame, before))
