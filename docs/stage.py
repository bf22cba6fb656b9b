"""What the site is built of (`make docs`): the pages as they lie in the repository, and whatever they link to.

The site has the layout of the repository, so that one relative link works in it, on a code-hosting page and in an
editor. `python docs/stage.py FOLDER` fills a folder.
"""

from __future__ import annotations

import argparse
import html
import inspect
import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
LINK = re.compile(r"\]\(([^)\s#]+)")
"""Of links within the repository, up to their anchor."""
KINDS = ("method", "trick", "prune rule", "growth rule", "model", "dataset", "table", "plot", "claim rule")


def stage(folder: Path) -> None:
    """Fill the folder, which is made anew. One that is or holds the repository is refused."""
    if ROOT.is_relative_to(folder.resolve()):
        sys.exit(f"{folder}: would be removed, and the repository with it; name a folder of its own")
    shutil.rmtree(folder, ignore_errors=True)
    for path in sorted(reached()):
        name = path.relative_to(ROOT)
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".md":
            target.write_text(page(name.as_posix(), path.read_text(encoding="utf-8")), encoding="utf-8")
        else:
            shutil.copyfile(path, target)


def reached() -> set[Path]:
    """All pages, the style, and the files that pages link to; of these, Markdown is searched on."""
    ahead = [*(ROOT / name for name in PAGES), *(ROOT / "docs").glob("*.md"), ROOT / "docs/site.css"]
    found: set[Path] = set()
    while ahead:
        path = ahead.pop()
        if path in found or not path.is_file() or not path.is_relative_to(ROOT):
            continue
        found.add(path)
        if path.suffix == ".md":
            links = LINK.findall(path.read_text(encoding="utf-8"))
            ahead += [(path.parent / link).resolve() for link in links if ":" not in link]
    return found


def page(name: str, text: str) -> str:
    """A page, with what is made of the source in the place of a comment that names it."""
    if name.startswith("results/"):  # a table under its title, as wide as may be
        return "---\nhide: [toc]\n---\n\n" + re.sub(r"\A\*\*(.+)\*\*$", r"# \1", text, count=1, flags=re.M)
    for mark, made in (("<!-- commands -->", commands), ("<!-- catalogue -->", catalogue)):
        if mark in text:
            text = text.replace(mark, "\n".join(made()))
    return text


def commands() -> Iterator[str]:
    """What `--help` of each command says."""
    from dst_repro.cli import parser

    (found,) = (a for a in parser._parser()._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in found.choices.items():
        command.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=88)
        yield f"## {name}\n\n```text\n{command.format_help().strip()}\n```\n"


def catalogue() -> Iterator[str]:
    """Every plug-in with its docstring and its parameters."""
    from dst_repro.registry import ALL

    for kind in KINDS:
        yield f"## {kind.capitalize()}s\n"
        for slug, entry in sorted(ALL[kind].discover().items()):
            title, _, rest = (inspect.getdoc(entry.object) or "").partition("\n")
            yield f"### {slug} {{ #{kind.replace(' ', '-')}-{slug} }}\n\n**{plain(title)}**\n\n{plain(rest.strip())}\n"
            yield from parameters(entry.params.model_json_schema())


def parameters(schema: dict[str, Any]) -> Iterator[str]:
    """The table of a plug-in's parameters, if it has any."""
    fields = schema.get("properties", {})
    if fields:
        yield "| parameter | default | meaning |\n| --- | --- | --- |"
    for name, field in fields.items():
        default = f"`{json.dumps(field['default'])}`" if "default" in field else "none: has to be given"
        one_of = " · ".join(f"`{json.dumps(value)}`" for value in field.get("enum", []))
        meaning = plain(" ".join(field.get("description", "").split()))
        cells = [f"`{name}`", default, meaning + (f" One of {one_of}." if one_of else "")]
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
    yield ""


def plain(text: str) -> str:
    """A docstring as Markdown: its code stays code, nothing else of it is mark-up."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if i % 2 else re.sub(r"([\\*_\[\]#])", r"\\\1", html.escape(part, quote=False))
        for i, part in enumerate(parts)
    )


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
