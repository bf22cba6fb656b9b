"""Where the page leads: to a paper, to the files of a suite, and from a number to the runs behind it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from markupsafe import Markup, escape

ARXIV = re.compile(r"arXiv (\d{4}\.\d{4,5})")


def citation(text: str) -> Markup:
    """The text, its arXiv numbers as links."""
    return Markup(ARXIV.sub(r'<a href="https://arxiv.org/abs/\1">arXiv \1</a>', str(escape(text))))  # noqa: S704


def to_file(path: Path, results: Path) -> str:
    """From the page in `results`' folder of the suite to a file. It goes up first, so that the copy of the page one
    folder higher only has to leave out that step."""
    return f"../{Path(os.path.relpath(path, results.parent)).as_posix()}"


def anchor(cell: str) -> str:
    """The place of a cell in the list of runs: the hash at the end of its name."""
    return cell.rpartition("-")[2]


def to_cells(html: str, known: Iterable[str]) -> str:
    """The fields of tables that name their cells (`data-cells`) become links to them; those not in `known` do not."""
    here = set(known)
    return re.sub(
        r'<td([^>]*?) data-cells="([^"]*)"([^>]*)>(.*?)</td>',
        lambda found: f"<td{found[1]}{found[3]}>{_linked(found[4], [c for c in found[2].split() if c in here])}</td>",
        html,
        flags=re.DOTALL,
    )


def numbers(paper: str) -> str:
    """The place of a paper's first number in the comparison."""
    return f"numbers-{paper}"


def to_papers(html: str) -> str:
    """The first row of each paper (`data-paper`) becomes the place that its numbers are found at."""
    met: set[str] = set()

    def placed(row: re.Match[str]) -> str:
        first = row[1] not in met
        met.add(row[1])
        return f'{row[0]} id="{numbers(row[1])}"' if first else row[0]

    return re.sub(r'<tr data-paper="([\w.-]+)"', placed, html)


def _linked(text: str, cells: list[str]) -> str:
    """The first cell's link is the text itself, the others' are small numbers after it."""
    links = [f'<a href="#{anchor(cell)}">{text if n == 1 else n}</a>' for n, cell in enumerate(cells, 1)]
    return (links[0] + "".join(f" <sup>{link}</sup>" for link in links[1:])) if links else text


def grouped(cells: Mapping[str, str]) -> dict[str, list[str]]:
    """{cell: what it is called} as {name: its cells}, in the order of the cells."""
    found: dict[str, list[str]] = {}
    for cell, name in cells.items():
        found.setdefault(name, []).append(cell)
    return found
