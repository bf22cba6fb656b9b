"""How much of each paper came out again: its published numbers and its claims, counted by verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dst_repro import compare
from dst_repro.claims.base import VERDICTS as ANSWERS
from dst_repro.columns import Column, count, share, text
from dst_repro.files import write_text
from dst_repro.tables import render

SMALL = "-small"
"""At the end of a paper's name: its items reduced to what a CPU trains. Their claims are the paper's."""
ALL = "all"
TITLE = "How much of each paper came out again"
CAPTION = (
    "Published numbers, each counted once however often it is printed; answered: a run by the paper's own protocol "
    "stands beside it. Reproduced: equal within a margin, by an equivalence test; better, worse, denser, sparser: "
    "different by more than the margin; inconclusive: neither is shown. Claims hold or fail by rules with thresholds, "
    "else they are undecided; in brackets, how many are answered by runs with fewer epochs, images or weights than the "
    "paper's. A dash: none is known to us, or none is written as a rule."
)
OF_CLAIMS = {verdict: f"claims_{verdict.replace(' ', '_')}" for verdict in ANSWERS}  # verdict -> column
OF_NUMBERS = {verdict: verdict.replace(" ", "_") for verdict in compare.VERDICTS}
MEANINGS: dict[str, Column] = {
    "paper": text("Slug of the paper; `all` in the last row"),
    "numbers": count("Its published numbers, reprinted ones once"),
    "in_reach": count("Of them those whose data set, model and method are among the planned runs"),
    "answered": count("Of them those beside which ours stand"),
    "share": share("Answered of all; null without any"),
    **{column: count(f"Numbers whose verdict is: {verdict}") for verdict, column in OF_NUMBERS.items()},
    "claims": count("Its claims that are written as rules"),
    **{column: count(f"Claims whose answer is: {verdict}") for verdict, column in OF_CLAIMS.items()},
    **{f"{column}_reduced": count(f"Of those that are {verdict}, by runs with a reduced protocol")
       for verdict, column in OF_CLAIMS.items() if verdict != "not run"},
}  # fmt: skip
DASH = "\N{EN DASH}"


def scorecard(comparison: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """One row for each paper that has numbers or claims, those with an answer first, and a last one for `all`.

    `numbers` are distinct (a reprinted one counts once where it was first printed), `in_reach` those of them whose data
    set, model and method are among the planned runs, `answered` those beside which ours stand, `share` is theirs of
    all (nan without any). Columns of claims begin with `claims`; those that end in `reduced` count what runs with a
    reduced protocol answered.
    """
    distinct = comparison[comparison["reprint_of"] == ""]
    claims = answers.assign(paper=answers["paper"].str.removesuffix(SMALL).astype(object))
    papers = sorted({*distinct["paper"], *claims["paper"]})
    rows = [_row(p, distinct[distinct["paper"] == p], claims[claims["paper"] == p]) for p in papers]
    rows.sort(key=lambda row: (answered(row) == 0, row["paper"]))
    return pd.DataFrame([*rows, _row(ALL, distinct, claims)])


def _row(paper: str, numbers: pd.DataFrame, claims: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {"paper": paper, "numbers": len(numbers), "in_reach": int(compare.in_reach(numbers).sum())}
    row["answered"] = int((numbers["verdict"] != "not run").sum())
    row["share"] = row["answered"] / row["numbers"] if row["numbers"] else math.nan
    row |= {column: int((numbers["verdict"] == verdict).sum()) for verdict, column in OF_NUMBERS.items()}
    row["claims"] = len(claims)
    for verdict, column in OF_CLAIMS.items():
        of_it = claims[claims["verdict"] == verdict]
        row[column] = len(of_it)
        if verdict != "not run":
            row[f"{column}_reduced"] = int((of_it["reduced"] != "").sum())
    return row


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


HEADS = ("numbers", "answered", *compare.VERDICTS, "claims", "hold", "fail", "undecided", "claims not run")


def _line(row: Mapping[str, Any]) -> Line:
    share = f"{row['answered']} ({100 * row['share']:.1f} %)" if row["answered"] else "0"
    numbers = [str(row["numbers"]), share, *(str(row[column]) for column in OF_NUMBERS.values())]
    claims = [str(row["claims"]), *(_with_reduced(row, column) for column in OF_CLAIMS.values())]
    texts = (numbers if row["numbers"] else [DASH] * len(numbers)) + (claims if row["claims"] else [DASH] * len(claims))
    reduced = sum(row.get(f"{column}_reduced", 0) for column in OF_CLAIMS.values())
    return Line(str(row["paper"]), texts, _side(row, OF_NUMBERS), _side(row, OF_CLAIMS)._replace(reduced=reduced))


def _side(row: Mapping[str, Any], columns: Mapping[Any, str]) -> Side:
    parts = [Part(verdict, row[column]) for verdict, column in columns.items() if row[column]]
    answers = [part for part in parts if part.verdict != "not run"]
    return Side(answers, sum(part.number for part in parts if part.verdict == "not run"))


def _with_reduced(row: Mapping[str, Any], column: str) -> str:
    reduced = row.get(f"{column}_reduced")
    return f"{row[column]} ({reduced})" if reduced else str(row[column])


def beyond(frame: pd.DataFrame) -> list[tuple[str, int]]:
    """(paper, its numbers) of the papers whose numbers no planned run could answer, and that have no claims."""
    none = frame[(frame["in_reach"] == 0) & (frame["claims"] == 0) & (frame["paper"] != ALL)]
    return list(zip(none["paper"], none["numbers"], strict=True))


def markdown(frame: pd.DataFrame) -> str:
    told = lines(frame)
    heads: list[tuple[str, ...]] = [(head,) for head in HEADS]
    table = render.Table(frame, ["paper"], heads, [(line.paper,) for line in told], [line.texts for line in told])
    return render.markdown(table, TITLE, CAPTION)


def write(frame: pd.DataFrame, folder: Path) -> None:
    """`scorecard.csv` and `scorecard.md`."""
    write_text(folder / "scorecard.csv", render.frame_csv(frame))
    write_text(folder / "scorecard.md", markdown(frame))
