"""`report.html`: one file that shows what a suite found, and where each number comes from.

It reads the frames, the comparison, the files that tables and figures wrote, and every run's `runtime.json`. Nothing in
it is loaded from elsewhere, and nothing depends on when it is written.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup

from dst_repro import compare
from dst_repro.claims import write as claims
from dst_repro.files import write_text
from dst_repro.plan.grid import Item, Suite
from dst_repro.records import record
from dst_repro.records.frames import STATUSES, Frames
from dst_repro.report import scorecard
from dst_repro.report.terminal import plus_minus, readings
from dst_repro.statistics.summary import summarise
from dst_repro.tables.caption import caption
from dst_repro.templates.loader import environment

SVG_LIMIT = 400_000
"""Bytes: a figure with more marks than that is shown as its PNG."""

LABELS = ("dataset", "model", "method", "setting", "text")  # of a table's CSV, beside `cell` and `runs`


def render(
    suite: Suite, frames: Frames, comparison: pd.DataFrame, answered: pd.DataFrame, results: Path, figures: Path
) -> str:
    """The report of a suite as one HTML document.

    `answered` are the claims' answers. `results` and `figures` are the suite's own folders: items are
    `results/<paper>-<item>.html` (and `.csv`) and `figures/<paper>-<item>.svg` or `.png`. One that is not there is
    shown as not built.
    """
    names = {key: name for kind in ("table", "figure") for name, key in suite.files(kind).items()}
    runs = frames.runs
    begun = set(runs.loc[runs["status"] == "finished", "experiments"].explode())
    papers: dict[str, _Items] = {slug: _Items([], []) for slug in suite.papers}
    for key, item in suite.items.items():
        of = papers[key.partition("/")[0]]
        if begun.isdisjoint(item.experiments):
            planned = runs["experiments"].map(lambda names, item=item: not set(item.experiments).isdisjoint(names))
            of.waiting.append((item, int(planned.sum())))
        else:
            of.shown.append(_item(frames, item, names[key], results, figures))
    recorded = set(runs.loc[runs["status"] != "missing", "id"])
    cells = _cells(runs)
    isnt = answered["verdict"] == "not run"
    context = {
        "suite": suite.file,
        "scorecard": Markup(_scorecard(comparison, answered)),  # noqa: S704  # escaped by its own template
        "experiments": [
            {"experiment": e, "runs": len(members), "recorded": len(recorded.intersection(members))}
            for slug, e in suite.experiments.items()
            for members in [suite.members[slug]]
        ],
        "counts": _counts(runs),
        "hours": runs["wall_seconds"].sum() / 3600,
        "cells": [cell for cell in cells if not cell["planned"]],
        "planned": [cell for cell in cells if cell["planned"]],
        "statements": _statements(runs),
        "unfinished": runs[runs["status"] != "finished"].to_dict("records"),
        "stale": _stale(runs),
        "papers": [(suite.papers[slug], items) for slug, items in papers.items() if items.shown or items.waiting],
        "comparison": Markup(compare.html_fragment(comparison)),  # noqa: S704  # escaped by its own template
        "claims": Markup(claims.html(answered[~isnt])) if len(answered) else None,  # noqa: S704  # escaped by its renderer
        "open_claims": answered[isnt].to_dict("records"),
        "environment": _environment(runs["id"], Path(suite.file.results_dir)),
    }
    return environment().get_template("report.html.j2").render(context)


def write(
    suite: Suite, frames: Frames, comparison: pd.DataFrame, answered: pd.DataFrame, results: Path, figures: Path
) -> Path:
    """Write `report.html` in `results` and return its path."""
    path = results / "report.html"
    write_text(path, render(suite, frames, comparison, answered, results, figures))
    return path


class _Items(NamedTuple):
    """Of a paper: what there is something to show of, and (item, runs) of what waits for its first finished run."""

    shown: list[dict[str, Any]]
    waiting: list[tuple[Item, int]]


def _scorecard(comparison: pd.DataFrame, answered: pd.DataFrame) -> str:
    found = scorecard.scorecard(comparison, answered)
    beyond = scorecard.beyond(found)
    lines = [line for line in scorecard.lines(found) if line.paper not in dict(beyond)]
    used = {part.verdict for line in lines for part in (*line.numbers, *line.claims)}
    context = {
        "title": scorecard.TITLE,
        "caption": scorecard.CAPTION,
        "heads": scorecard.HEADS,
        "lines": lines,
        "verdicts": [v for v in dict.fromkeys((*compare.VERDICTS[:-2], *scorecard.OF_CLAIMS)) if v in used],
        "beyond": beyond,
    }
    return environment().get_template("scorecard.html.j2").render(context)


def _counts(runs: pd.DataFrame) -> list[tuple[str, int]]:
    found = Counter(runs["status"])
    return [("planned", len(runs)), *((s, found[s]) for s in STATUSES), ("stale", int(runs["stale"].sum()))]


def _statements(runs: pd.DataFrame) -> list[str]:
    """What was reduced, and data sets that are not the canonical copy."""
    lines = []
    for head, column in (("Reduced", "reduced"), ("Data", "note")):
        for value, number in Counter(v for v in runs[column] if isinstance(v, str) and v).items():
            lines.append(f"{head} ({number} of {len(runs)} runs): {value}")
    return lines


def _stale(runs: pd.DataFrame) -> list[tuple[str, int]]:
    commits = runs.loc[runs["stale"], "trained_at"].fillna("unknown")
    return sorted(Counter(map(str, commits)).items())


def _item(frames: Frames, item: Item, name: str, results: Path, figures: Path) -> dict[str, Any]:
    """What the template needs of a table or figure; `content` is None where its file does not exist."""
    folder = results if item.kind == "table" else figures
    content = _table(folder / f"{name}.html") if item.kind == "table" else _image(folder / f"{name}.svg")
    rows = _csv(folder / f"{name}.csv")
    part = frames.of(item.experiments).runs
    if cells := {row["cell"] for row in rows if "cell" in row}:
        part = part[part["cell"].isin(cells)]
    return {
        "item": item,
        "name": name,
        "content": content,
        "caption": caption(frames, item),
        "numbers": _numbers(rows, part) if item.kind == "table" else [],
        "cells": _seeds(part),
    }


def _csv(path: Path) -> list[dict[str, str]]:
    """The data that an item writes beside itself; nothing where it is not built."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))) if path.is_file() else []


def _table(path: Path) -> Markup | None:
    """The table in a page that our own renderer wrote (and escaped)."""
    if not path.is_file():
        return None
    found = re.search(r"<table\b.*</table>", path.read_text(encoding="utf-8"), re.DOTALL)
    return Markup(found.group()) if found else None  # noqa: S704


def _image(svg: Path) -> str | None:
    """A data URI: inside an image the ids of two SVGs cannot clash, and no script of theirs runs."""
    png = svg.with_suffix(".png")
    small = svg.is_file() and (svg.stat().st_size <= SVG_LIMIT or not png.is_file())
    chosen, kind = (svg, "svg+xml") if small else (png, "png")
    if not chosen.is_file():
        return None
    return f"data:image/{kind};base64,{base64.b64encode(chosen.read_bytes()).decode()}"


def _seeds(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Each cell with its runs, in the order of the plan."""
    return [
        {"cell": cell, "runs": group.sort_values("seed")[["id", "seed", "status"]].to_dict("records")}
        for cell, group in runs.groupby("cell", sort=False)
    ]


def _numbers(rows: list[dict[str, str]], runs: pd.DataFrame) -> list[dict[str, Any]]:
    """Of each number of a table the labels and the runs behind it."""
    known = {run["id"]: run for run in runs.to_dict("records")}
    return [
        {
            "labels": [row.get(column, "") for column in LABELS],
            "cell": row.get("cell", ""),
            "runs": [known[run] for run in row.get("runs", "").split() if run in known],
        }
        for row in rows
    ]


def _cells(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """All runs under their cell, with what the run table shows of them."""
    told = runs.assign(accuracy=100 * readings(runs, "test_accuracy"), reached=100 * readings(runs, "density"))
    return [
        {
            "cell": cell,
            "experiments": ", ".join(sorted({e for names in group["experiments"] for e in names})),
            "config": re.sub(r'"seed":\d+,?', "", group["config"].iloc[0]).replace(",}", "}"),
            "accuracy": plus_minus(summarise(group["accuracy"])),
            "planned": bool((group["status"] == "missing").all()),
            "runs": group.sort_values("seed").to_dict("records"),
        }
        for cell, group in told.groupby("cell", sort=False)
    ]


def _environment(ids: Iterable[str], results: Path) -> list[tuple[str, list[tuple[str, int]]]]:
    """What the runs were computed on: fact -> (value, number of runs), the commonest value first."""
    facts: dict[str, Counter[str]] = {}
    for run_id in ids:
        found = record.runtime(results, run_id)
        told = {key: found.get(key) for key in ("processor", "cores", "device", "system", "commit")}
        for key, value in {**told, **found.get("versions", {})}.items():
            if found:
                facts.setdefault(key, Counter())[str("unknown" if value is None else value)] += 1
    return [(key, counter.most_common()) for key, counter in facts.items()]
