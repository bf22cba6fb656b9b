"""`report.html`: one file that shows what a suite found, and where each number comes from.

It reads the frames, the comparison, the files that tables and figures wrote, and every run's `runtime.json`. Nothing in
it is loaded from elsewhere, and nothing depends on when it is written.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from dst_repro import compare
from dst_repro.claims.write import NEGATIVE
from dst_repro.files import write_text
from dst_repro.plan.grid import Paper, Suite
from dst_repro.records.frames import Frames
from dst_repro.report import items, links, runs, scorecard
from dst_repro.tables import names
from dst_repro.templates.loader import environment


def render(
    suite: Suite, frames: Frames, comparison: pd.DataFrame, answered: pd.DataFrame, results: Path, figures: Path
) -> str:
    """The report of a suite as one HTML document.

    `answered` are the claims' answers. `results` and `figures` are the suite's own folders: items are
    `results/<paper>-<item>.html` (and `.csv`) and `figures/<paper>-<item>.svg` or `.png`. One that is not there is
    shown as not built. Links to files lead from `results`.
    """
    every = frames.runs
    papers = items.of_papers(suite, frames, results, figures)
    environments, computed_on = runs.environments(every["id"], Path(suite.file.results_dir))
    cells = runs.cells(frames, Path(suite.file.results_dir), results, computed_on)
    begun = [cell["cell"] for cell in cells if not cell["planned"]]
    isnt = answered["verdict"] == "not run"
    called = functools.partial(_called, suite.papers)
    top = items.headlines(papers.values())
    shown = [slug for slug, of in papers.items() if of.shown or of.waiting]
    fragment = links.to_cells(compare.html_fragment(comparison), begun)
    context = {
        "suite": suite.file,
        "scorecard": Markup(_scorecard(comparison, answered, called, shown)),  # noqa: S704  # escaped by its own template
        "headlines": top,
        "at_top": {entry["name"] for entry in top},
        "papers": [(suite.papers[slug], papers[slug]) for slug in shown],
        "claims": _claims(answered[~isnt], every),
        "open_claims": answered[isnt].to_dict("records"),
        "comparison": Markup(fragment),  # noqa: S704  # escaped by its own template
        "experiments": _experiments(suite, every),
        "counts": runs.counts(every),
        "hours": every["wall_seconds"].sum() / 3600,
        "statements": runs.statements(every),
        "unfinished": every[every["status"] != "finished"].to_dict("records"),
        "stale": runs.stale(every),
        "cells": [cell for cell in cells if not cell["planned"]],
        "planned": [cell for cell in cells if cell["planned"]],
        "box": (runs.WIDTH, runs.HEIGHT),
        "environments": environments,
        "files": {name: links.to_file(results / name, results) for name in ("comparison.csv", "claims.csv")},
        "citation": links.citation,
        "anchor": links.anchor,
        "called": called,
    }
    return environment().get_template("report.html.j2").render(context)


def write(
    suite: Suite, frames: Frames, comparison: pd.DataFrame, answered: pd.DataFrame, results: Path, figures: Path
) -> Path:
    """Write `report.html` in `results` and return its path."""
    path = results / "report.html"
    write_text(path, render(suite, frames, comparison, answered, results, figures))
    return path


def _called(papers: Mapping[str, Paper], paper: str) -> str:
    """A paper's title up to its colon, also where the suite has only its reduced items; else the name of its method."""
    known = papers.get(paper) or papers.get(f"{paper}{scorecard.SMALL}")
    return known.title.partition(":")[0].partition(", reduced")[0] if known else names.shown("method", paper)


def _scorecard(
    comparison: pd.DataFrame, answered: pd.DataFrame, called: Callable[[str], str], shown: Collection[str]
) -> str:
    """`shown` are the papers that have a place on the page."""
    found = scorecard.scorecard(comparison, answered)
    beyond = scorecard.beyond(found)
    lines = [line for line in scorecard.lines(found) if line.paper not in dict(beyond)]
    used = {part.verdict for line in lines for part in (*line.numbers.parts, *line.claims.parts)}
    context = {
        "title": scorecard.TITLE,
        "caption": scorecard.CAPTION,
        "lines": lines,
        "called": called,
        "here": shown,
        "verdicts": [v for v in dict.fromkeys((*compare.VERDICTS, *scorecard.OF_CLAIMS)) if v in used],
        "beyond": beyond,
    }
    return environment().get_template("scorecard.html.j2").render(context)


def _claims(answered: pd.DataFrame, every: pd.DataFrame) -> list[dict[Any, Any]]:
    """Claims with an answer, and the cells whose runs answer: name -> cells."""
    cell_of = dict(zip(every["id"], every["cell"], strict=True))
    called = runs.titles(every)
    found = []
    for row in answered.to_dict("records"):
        cells = {cell_of[run]: called[cell_of[run]] for run in row["runs"].split()}
        evidence = NEGATIVE.sub("\N{MINUS SIGN}", names.prose(row["evidence"]))
        found.append(row | {"evidence": evidence, "cells": links.grouped(cells)})
    return found


def _experiments(suite: Suite, every: pd.DataFrame) -> list[dict[str, Any]]:
    recorded = set(every.loc[every["status"] != "missing", "id"])
    return [
        {"experiment": experiment, "runs": len(members), "recorded": len(recorded.intersection(members))}
        for slug, experiment in suite.experiments.items()
        for members in [suite.members[slug]]
    ]
