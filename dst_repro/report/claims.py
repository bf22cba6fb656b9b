"""The claims for the page: by paper, each with the cells whose runs answer it."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd

from dst_repro.report import links, runs, scorecard
from dst_repro.tables import names
from dst_repro.words import minus


class Claims(NamedTuple):
    """Of a paper, whose reduced items count as its own: rows with an answer, and those without."""

    answered: list[dict[str, Any]]
    waiting: list[dict[str, Any]]


def by_paper(answers: pd.DataFrame, every: pd.DataFrame) -> dict[str, Claims]:
    """Slug -> its claims, in the order of the answers; `every` are the runs."""
    cell_of = dict(zip(every["id"], every["cell"], strict=True))
    called = runs.titles(every)
    papers: dict[str, Claims] = {}
    for row in answers.to_dict("records"):
        of = papers.setdefault(str(row["paper"]).removesuffix(scorecard.SMALL), Claims([], []))
        told = {str(key): value for key, value in row.items()}
        told["evidence"] = minus(names.prose(row["evidence"]))
        if row["verdict"] == "not run":
            of.waiting.append(told)
        else:
            behind = {cell_of[run]: called[cell_of[run]] for run in row["runs"].split()}
            of.answered.append(told | {"cells": links.grouped(behind)})
    return papers
