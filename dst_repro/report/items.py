"""The tables and figures of each paper for the page, and which figures stand at its top."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from dst_repro.plan.grid import Item, Suite
from dst_repro.records.frames import Frames
from dst_repro.report import links, picture, runs
from dst_repro.tables.caption import caption

HEADLINES = 3
"""Figures at the top of the page."""
FILES = ("svg", "pdf", "png", "csv", "md", "tex")
"""Of an item, as far as they are there."""


class Items(NamedTuple):
    """Of a paper: what there is something to show of, and (item, runs) of what waits for its first finished run."""

    shown: list[dict[str, Any]]
    waiting: list[tuple[Item, int]]


def of_papers(suite: Suite, frames: Frames, results: Path, figures: Path) -> dict[str, Items]:
    """Slug of a paper -> its items, in the order of its file."""
    names = {key: name for kind in ("table", "figure") for name, key in suite.files(kind).items()}
    begun = set(frames.runs.loc[frames.runs["status"] == "finished", "experiments"].explode())
    papers: dict[str, Items] = {slug: Items([], []) for slug in suite.papers}
    for key, item in suite.items.items():
        of = papers[key.partition("/")[0]]
        if begun.isdisjoint(item.experiments):
            of.waiting.append((item, len(frames.of(item.experiments).runs)))
        else:
            of.shown.append(_item(frames, item, names[key], results, figures))
    return papers


def headlines(papers: Iterable[Items]) -> list[dict[str, Any]]:
    """The figures that carry the story: those marked as such, the first of each paper before its second."""
    ranked = []
    for of in papers:
        figures = [entry for entry in of.shown if entry["item"].kind == "figure" and entry["content"] is not None]
        figures.sort(key=lambda entry: not entry["item"].headline)
        ranked += [(not entry["item"].headline, place, entry) for place, entry in enumerate(figures)]
    return [entry for _, _, entry in sorted(ranked, key=lambda one: one[:2])[:HEADLINES]]


def _item(frames: Frames, item: Item, name: str, results: Path, figures: Path) -> dict[str, Any]:
    """What the template needs of a table or figure; `content` is None where its file does not exist."""
    folder = results if item.kind == "table" else figures
    part = frames.of(item.experiments).runs
    known = runs.titles(part[part["status"] != "missing"])
    table = item.kind == "table"
    content = _table(folder / f"{name}.html", known) if table else picture.data_uri(folder / f"{name}.svg")
    drawn = {row["cell"] for row in _csv(folder / f"{name}.csv") if "cell" in row}
    return {
        "item": item,
        "name": name,
        "content": content,
        "caption": caption(frames, item),
        "files": [
            (suffix, links.to_file(path, results))
            for suffix in FILES
            if (path := folder / f"{name}.{suffix}").is_file()
        ],
        "cells": links.grouped({cell: title for cell, title in known.items() if cell in drawn or not drawn}),
    }


def _csv(path: Path) -> list[dict[str, str]]:
    """The data that an item writes beside itself; nothing where it is not built."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))) if path.is_file() else []


def _table(path: Path, known: Iterable[str]) -> Markup | None:
    """The table in a page that our own renderer wrote (and escaped)."""
    if not path.is_file():
        return None
    found = re.search(r"<table\b.*</table>", path.read_text(encoding="utf-8"), re.DOTALL)
    unbroken = found.group().replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}") if found else ""
    return Markup(links.to_cells(unbroken, known)) if found else None  # noqa: S704
