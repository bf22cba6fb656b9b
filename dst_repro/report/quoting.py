"""Results that README and docs quote, so that no number in them is copied by hand.

A quotation stands between `<!-- results/SUITE/FILE.md -->` and `<!-- end -->`. Names after the file choose the rows of
its table that begin with them, or with the short name of the paper that they are slugs of:
`<!-- results/all/claims.md dst -->`, without title, caption, that column, and what was
not run.
"""

from __future__ import annotations

import re
from pathlib import Path

from dst_repro.errors import UserError
from dst_repro.files import write_text
from dst_repro.tables.names import paper

QUOTATION = re.compile(r"(<!-- (results/\S+\.md)((?: [\w-]+)*) -->\n)((?:(?!<!-- ).)*?)(<!-- end -->)", re.DOTALL)
OPENING = re.compile(r"<!-- results/.*?-->")


def quoted(page: str, root: Path) -> str:
    """The page with every quotation as the files under `root` have it today.

    Raises `UserError` where a file, a row by such a name, or the end of a quotation is not there.
    """

    def today(found: re.Match[str]) -> str:
        path, names = root / found[2], found[3].split()
        if not path.is_file():
            raise UserError(f"{path}: no such file; the page quotes it")
        text = path.read_text(encoding="utf-8").strip()
        return f"{found[1]}{_rows(text, names, path) if names else text}\n{found[5]}"

    for begun in OPENING.findall(QUOTATION.sub("", page)):
        raise UserError(f"{begun}: a quotation without its <!-- end -->, or not of a .md file")
    return QUOTATION.sub(today, page)


def _rows(text: str, names: list[str], path: Path) -> str:
    """Rows of the Markdown table in `text` whose first field is one of `names` and that were run, with its head."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    head, rows = lines[:2], lines[2:]
    answered = [row for row in rows if "| not run |" not in row]
    chosen = [row for name in names for row in answered if row.startswith((f"| {name} |", f"| {paper(name)} |"))]
    if not chosen:
        raise UserError(f"{path}: no answered row begins with {' or '.join(names)}; the page quotes one")
    return "\n".join(f"| {line.split('| ', 2)[2]}" for line in (*head, *chosen))


def update(page: Path, root: Path) -> bool:
    """Write the page with today's quotations; whether that changed it. Raises as `quoted` does."""
    old = page.read_text(encoding="utf-8")
    new = quoted(old, root)
    if new != old:
        write_text(page, new)
    return new != old
