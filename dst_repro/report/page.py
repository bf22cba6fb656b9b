"""`report.html`: one file that shows what a suite found, and where each number comes from.

It reads the frames, the comparison, the files that tables and figures wrote, and every run's `runtime.json`. Nothing in
it is loaded from elsewhere, and nothing depends on when it is written.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from dst_repro import compare
from dst_repro.files import write_text
from dst_repro.plan.grid import Suite
from dst_repro.records.frames import Frames
from dst_repro.report import claims, items, links, runs, scorecard
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
    titles = {slug: paper.title for slug, paper in suite.papers.items()}
    top = items.headlines(papers.values())
    shown = [slug for slug, of in papers.items() if of.shown or of.waiting]
    fragment = links.to_papers(links.to_cells(compare.html_fragment(comparison), begun))
    found = scorecard.scorecard(comparison, answered)
    of_claims = claims.by_paper(answered, every)
    context = {
        "suite": suite.file,
        "scorecard": Markup(_scorecard(found, titles, shown, fragment)),  # noqa: S704  # escaped by its own template
        "answers": [sentence.partition(": ") for sentence in scorecard.sentences(found)],
        "caveats": scorecard.caveats(found, comparison, answered, every),
        "headlines": top,
        "at_top": {entry["name"] for entry in top},
        "papers": [(suite.papers[slug], papers[slug]) for slug in shown],
        "claims": {slug: of.answered for slug, of in of_claims.items() if of.answered},
        "open_claims": [row for of in of_claims.values() for row in of.waiting],
        "comparison": Markup(fragment),  # noqa: S704  # escaped by its own template
        "experiments": _experiments(suite, every),
        "counts": runs.counts(every),
        "hours": every["wall_seconds"].sum() / 3600,
        "statements": runs.statements(every),
        "unfinished": every[every["status"] != "finished"].to_dict("records"),
        "stale": runs.stale(every),
        "cells": [cell for cell in cells if not cell["planned"]],
        "planned": [cell for cell in cells if cell["planned"]],
        "environments": environments,
        "files": {name: links.to_file(results / name, results) for name in ("comparison.csv", "claims.csv")},
        "citation": links.citation,
        "anchor": links.anchor,
        "called": functools.partial(_called, titles),
    }
    return environment().get_template("report.html.j2").render(context)


def write(
    suite: Suite, frames: Frames, comparison: pd.DataFrame, answered: pd.DataFrame, results: Path, figures: Path
) -> Path:
    """Write `report.html` in `results` and return its path."""
    path = results / "report.html"
    write_text(path, render(suite, frames, comparison, answered, results, figures))
    return path


def _called(titles: Mapping[str, str], paper: str) -> str:
    return names.paper(paper, titles.get(paper, ""))


def _scorecard(found: pd.DataFrame, titles: Mapping[str, str], shown: Collection[str], numbers: str) -> str:
    """`titles` are those of the papers that the suite has items of, `shown` are the papers that have a place on the
    page, `numbers` is the comparison, where rows have theirs.
    """
    beyond = scorecard.beyond(found)
    lines = [line for line in scorecard.lines(found) if line.paper not in dict(beyond)]
    used = {part.verdict for line in lines for part in (*line.numbers.parts, *line.claims.parts)}
    places = {line.paper: next((p for p in (line.paper, f"{line.paper}{scorecard.SMALL}") if p in shown), "")
              for line in lines}  # fmt: skip
    context = {
        "title": scorecard.TITLE,
        "caption": scorecard.CAPTION,
        "lines": lines,
        "called": functools.partial(_called, titles),
        "places": places,
        "numbers": {line.paper: links.numbers(line.paper) for line in lines
                    if f'id="{links.numbers(line.paper)}"' in numbers},
        "verdicts": [v for v in dict.fromkeys((*compare.VERDICTS, *scorecard.OF_CLAIMS)) if v in used],
        "beyond": beyond,
    }  # fmt: skip
    return environment().get_template("scorecard.html.j2").render(context)


def _experiments(suite: Suite, every: pd.DataFrame) -> list[dict[str, Any]]:
    recorded = set(every.loc[every["status"] != "missing", "id"])
    return [
        {"experiment": experiment, "runs": len(members), "recorded": len(recorded.intersection(members))}
        for slug, experiment in suite.experiments.items()
        for members in [suite.members[slug]]
    ]
