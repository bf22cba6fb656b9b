"""The answers as files: CSV with everything, Markdown to read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from dst_repro.claims.answering import COLUMNS
from dst_repro.claims.base import VERDICTS
from dst_repro.errors import UserError
from dst_repro.files import write_text
from dst_repro.tables.names import SMALL, paper, prose
from dst_repro.tables.render import Table, frame_csv, markdown
from dst_repro.words import NEGATIVE as NEGATIVE
from dst_repro.words import agreeing, how_many, minus

TITLE = "What the papers say, and what the runs say to it"
IN_WORDS = {"holds": ("holds", "hold"), "fails": ("fails", "fail"), "inconclusive": ("is inconclusive",
            "are inconclusive"), "not run": ("is not run", "are not run")}  # fmt: skip
"""Of one claim and of several."""
HEADS = ("claim", "answer", "evidence")
NUMBERS = ("statistic", "low", "high", "threshold", "stale", "n")


def caption(frame: pd.DataFrame) -> str:
    """How many claims have which answer."""
    found = Counter(frame["verdict"])
    each = ", ".join(agreeing(found[verdict], *IN_WORDS[verdict]) for verdict in VERDICTS)
    return (
        f"{how_many(len(frame), 'claim')}: {each}. A claim holds or fails by a rule with its threshold, over intervals "
        "of 95 %; reduced: by runs with fewer epochs, images or weights than the paper's, which speak for their own "
        "setting."
    )


def table(frame: pd.DataFrame) -> Table:
    """For readers: by paper, those of its reduced items behind its own; of a paper first those that have an answer."""
    place = {name: number for number, name in enumerate(dict.fromkeys(map(_whole, frame["paper"])))}
    order = pd.DataFrame({"paper": [place[_whole(paper)] for paper in frame["paper"]],
                          "small": frame["paper"].str.endswith(SMALL).to_numpy(),
                          "open": (frame["verdict"] == "not run").to_numpy()})  # fmt: skip
    frame = frame.iloc[order.sort_values(["paper", "small", "open"], kind="stable").index]
    rows: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
    labels: list[tuple[str, ...]] = [(paper(row["paper"]), row["claim"]) for row in rows]
    return Table(frame, ["paper", "id"], [(head,) for head in HEADS], labels, [_texts(row) for row in rows])


def _whole(slug: str) -> str:
    return slug.removesuffix(SMALL)


def _texts(row: dict[str, Any]) -> list[str]:
    marks = [
        row["verdict"],
        "reduced" if row["reduced"] else "",
        f"{how_many(row['stale'], 'run')} stale" if row["stale"] else "",
    ]
    return [row["states"], ", ".join(filter(None, marks)), minus(prose(row["evidence"]))]


def write(frame: pd.DataFrame, folder: Path) -> None:
    """`claims.csv` and `claims.md`."""
    write_text(folder / "claims.csv", frame_csv(frame))
    write_text(folder / "claims.md", markdown(table(frame), TITLE, caption(frame), words=True))


def read(folder: Path) -> pd.DataFrame:
    """What `write` wrote. Raises `UserError` where there is none."""
    path = folder / "claims.csv"
    try:
        frame = pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in NUMBERS})
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `python -m dst_repro claims` first") from None
    except ValueError as error:
        raise UserError(f"{path}: not a table of claims ({error}); run `python -m dst_repro claims` again") from None
    if list(frame.columns) != COLUMNS:
        raise UserError(f"{path}: not a table of claims; run `python -m dst_repro claims` again")
    return frame
