"""The tables and figures of each paper for the page, and which figures stand at its top."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from dst_repro.plan.grid import Item, Suite
from dst_repro.records.frames import Frames
from dst_repro.report import folding, links, picture, runs
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
    for of in papers.values():
        _entitle(of.shown)
    return papers


def _entitle(shown: list[dict[str, Any]]) -> None:
    """`title` of each: where a figure and a table share theirs, it says which is which."""
    counted = Counter(entry["item"].title for entry in shown)
    for entry in shown:
        item = entry["item"]
        entry["title"] = item.title if counted[item.title] == 1 else f"{item.title} ({item.kind})"


def headlines(papers: Iterable[Items]) -> list[dict[str, Any]]:
    """The figures that carry the story: those marked as such, the first of each paper before its second."""
    ranked = []
    for of in papers:
        figures = [entry for entry in of.shown if entry["item"].kind == "figure" and entry["content"] is not None]
        figures.sort(key=_late)
        ranked += [(*_late(entry), place, entry) for place, entry in enumerate(figures)]
    return [entry for *_, entry in sorted(ranked, key=lambda one: one[:3])[:HEADLINES]]


def _late(entry: dict[str, Any]) -> tuple[bool, bool]:
    """What is folded comes last, before it what is not marked."""
    return entry["folded"] != "", not entry["item"].headline


def _item(frames: Frames, item: Item, name: str, results: Path, figures: Path) -> dict[str, Any]:
    """What the template needs of a table or figure; `content` is None where its file does not exist."""
    folder = results if item.kind == "table" else figures
    part = frames.of(item.experiments).runs
    known = runs.titles(part[part["status"] != "missing"])
    table = item.kind == "table"
    content = _table(folder / f"{name}.html", known) if table else picture.data_uri(folder / f"{name}.svg")
    rows = _csv(folder / f"{name}.csv")
    drawn = {row["cell"] for row in rows if "cell" in row}
    behind = {cell: title for cell, title in known.items() if cell in drawn or not drawn}
    if table and content:  # what its numbers lead to themselves need not be said again
        behind = {cell: title for cell, title in behind.items() if f'"#{links.anchor(cell)}"' not in content}
    return {
        "item": item,
        "name": name,
        "content": content,
        "size": None if table else picture.size(folder / f"{name}.svg"),
        "folded": folding.reason(frames, item, rows),
        "caption": caption(frames, item),
        "files": [
            (suffix, links.to_file(path, results))
            for suffix in FILES
            if (path := folder / f"{name}.{suffix}").is_file()
        ],
        "cells": links.grouped(behind),
    }


def _csv(path: Path) -> list[dict[str, str]]:
    """The data that an item writes beside itself; nothing where it is not built."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))) if path.is_file() else []


def _table(path: Path, known: Iterable[str]) -> Markup | None:
    """The table in a page that our own renderer wrote (and escaped), without its caption, which would be as wide."""
    if not path.is_file():
        return None
    found = re.search(r"<table\b.*</table>", path.read_text(encoding="utf-8"), re.DOTALL)
    if not found:
        return None
    bare = re.sub(r"<caption>.*?</caption>\s*", "", found.group(), flags=re.DOTALL)
    unbroken = bare.replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")
    return Markup(links.to_cells(unbroken, known))  # noqa: S704
