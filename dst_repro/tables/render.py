"""A table as CSV (long), Markdown and HTML; as LaTeX see `latex`."""

from __future__ import annotations

import html
import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

EMPTY = "no run"


@dataclass(frozen=True)
class Table:
    """`texts[i][j]` stands in the row labelled `labels[i]`, under the heading `heads[j]` (outer level first)."""

    long: pd.DataFrame
    """One row a number, with the ids of the runs it comes from."""
    rows: list[str]
    heads: list[tuple[str, ...]]
    labels: list[tuple[str, ...]]
    texts: list[list[str]]
    behind: list[list[str]] = field(default_factory=list)
    """The cells whose runs `texts[i][j]` comes from, parted by blanks; empty for a table that is not of runs."""

    def compact(self) -> Table:
        """Without label columns that are empty in every row."""
        keep = [i for i in range(len(self.rows)) if any(label[i] for label in self.labels)]
        labels = [tuple(label[i] for i in keep) for label in self.labels]
        return replace(self, rows=[self.rows[i] for i in keep], labels=labels)

    @property
    def levels(self) -> list[list[tuple[str, int]]]:
        """For each level of the headings: (text, columns it spans), neighbours merged except at the lowest."""
        depth = len(self.heads[0]) if self.heads else 0
        return [
            [(key[-1], len(list(group))) for key, group in itertools.groupby(head[: level + 1] for head in self.heads)]
            for level in range(depth)
        ]


def shown_p(row: Mapping[str, Any]) -> str:
    """What stands below `p (Holm)`; the only test of a table has nothing to be corrected for, and stands below `p`."""
    p = row["p"] if math.isnan(row["p_holm"]) else row["p_holm"]
    return "" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"


def csv(table: Table) -> str:
    return frame_csv(table.long)


def frame_csv(frame: pd.DataFrame) -> str:
    """CSV with one spelling for every number (ten significant digits), so that equal frames are equal files."""
    return frame.to_csv(index=False, float_format="%.10g", lineterminator="\n")


def markdown(table: Table, title: str, caption: str, words: bool = False) -> str:
    """`words`: what stands in the cells are no numbers, and begins at the left."""
    head = [*table.rows, *(", ".join(head) for head in table.heads)]
    rule = ["---"] * len(table.rows) + ["---" if words else "---:"] * len(table.heads)
    body = [[*label, *texts] for label, texts in zip(table.labels, table.texts, strict=True)]
    lines = [[plain(word) for word in head], rule, *([plain(word) for word in line] for line in body)]
    grid = "\n".join("| " + " | ".join(line) + " |" for line in lines) if body else EMPTY
    return f"**{plain(title)}**\n\n{grid}\n\n{plain(caption)}\n"


def plain(word: str) -> str:
    """Text that Markdown shows as it is."""
    return re.sub(r"([\\`*_|<>\[\]#~])", r"\\\1", word)


STYLE = (
    "table{border-collapse:collapse;font:14px/1.4 system-ui,sans-serif}caption{text-align:left;max-width:60em;"
    "padding-bottom:.6em}th,td{padding:.2em .8em;white-space:nowrap}thead tr:last-child th,tbody tr:last-child>*"
    "{border-bottom:1px solid}thead tr:first-child th{border-top:1px solid}td{text-align:right}"
    "tbody th{text-align:left;font-weight:normal}"
)


def html_fragment(table: Table, title: str, caption: str) -> str:
    """The `<table>` alone, for a page that has a style of its own."""
    top = f"<caption><strong>{html.escape(title)}.</strong> {html.escape(caption)}</caption>"
    if not table.labels:
        return f"<table>{top}<tbody><tr><td>{EMPTY}</td></tr></tbody></table>\n"
    head = []
    for number, level in enumerate(table.levels):
        first = [f'<th rowspan="{len(table.levels)}" scope="col">{html.escape(w)}</th>' for w in table.rows]
        spans = [f'<th colspan="{n}" scope="{"col" if n == 1 else "colgroup"}">{html.escape(w)}</th>' for w, n in level]
        head.append("<tr>" + "".join((first if number == 0 else []) + spans) + "</tr>")
    body = [
        "<tr>" + "".join(f'<th scope="row">{html.escape(word)}</th>' if word else "<td></td>" for word in label)
        + "".join(f"<td{cells}>{html.escape(word)}</td>" for word, cells in zip(texts, behind, strict=True)) + "</tr>"
        for label, texts, behind in zip(table.labels, table.texts, _attributes(table), strict=True)
    ]  # fmt: skip
    parts = ["<table>", top, "<thead>", *head, "</thead>", "<tbody>", *body, "</tbody>", "</table>", ""]
    return "\n".join(parts)


def _attributes(table: Table) -> list[list[str]]:
    """Of each field its cells as an attribute, which the report makes links of."""
    return [
        [
            f' data-cells="{html.escape(cells)}"' if cells and word else ""
            for cells, word in zip(row, texts, strict=True)
        ]
        for row, texts in zip(table.behind or [[""] * len(texts) for texts in table.texts], table.texts, strict=True)
    ]


def html_page(table: Table, title: str, caption: str) -> str:
    """A whole page, for a browser."""
    head = f'<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n<style>{STYLE}</style>'
    body = html_fragment(table, title, caption)
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}</body>\n</html>\n'
