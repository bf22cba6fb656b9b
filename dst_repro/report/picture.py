"""Figures inside the page: an SVG in as few bytes as look the same, or the PNG of one with very many marks."""

from __future__ import annotations

import base64
import re
from collections import Counter
from pathlib import Path

from markupsafe import Markup

SVG_LIMIT = 400_000
"""Bytes: a figure with more marks than that is shown as its PNG."""


def packed(svg: str) -> str:
    """An SVG of matplotlib's without what no eye sees: blanks, comments, metadata, names that nothing refers to, long
    names, styles said again, digits below a hundredth of a point and of a letter's width."""
    text = re.sub(r"^.*?(?=<svg\b)|<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    text = re.sub(r'(?<=\s)(d|x|y|points)="([^"]*)"', _coordinates, text)
    text = re.sub(r'(?<=\sstyle=)"[^"]*"', lambda found: re.sub(r"([:;]) ", r"\1", found[0]), text)
    text = re.sub(r">\s+<", "><", text).replace(" xlink:href=", " href=")
    letters = re.compile(r'(<use href="#[^"]*") transform="translate\(([\d.]+) 0\)"')
    text = letters.sub(lambda found: f'{found[1]} x="{float(found[2]):.0f}"', text)
    return _short_names(_classes(text))


def _coordinates(found: re.Match[str]) -> str:
    numbers = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), found[2])
    dense = re.sub(r"\s*([A-Za-z])\s*", r"\1", " ".join(numbers.split()))
    return f'{found[1]}="{dense}"'


def _short(number: int) -> str:
    """a, b, ..., z, ba, bb, ..."""
    head, last = divmod(number, 26)
    return (_short(head) if head else "") + chr(ord("a") + last)


def _classes(svg: str) -> str:
    """Styles that stand there twice or more become classes, where the SVG has a style sheet that can hold them."""
    if "</style>" not in svg:
        return svg
    counted = Counter(re.findall(r' style="([^"]*)"', svg)).most_common()
    name = {style: _short(n) for n, (style, times) in enumerate(counted) if times > 1}
    sheet = "".join(f".{short}{{{style}}}" for style, short in name.items())
    text = re.sub(r' style="([^"]*)"', lambda f: f' class="{name[f[1]]}"' if f[1] in name else f[0], svg)
    return text.replace("</style>", f"{sheet}</style>", 1)


def _short_names(svg: str) -> str:
    """Names that something refers to get short, others go."""
    used = dict.fromkeys(re.findall(r'(?:href="|url\()#([\w.-]+)', svg))
    name = {long: _short(n) for n, long in enumerate(used)}
    text = re.sub(r' id="([^"]*)"', lambda found: f' id="{name[found[1]]}"' if found[1] in used else "", svg)
    return re.sub(r'((?:href="|url\()#)([\w.-]+)', lambda found: found[1] + name[found[2]], text)


ESCAPED = {"'": "&apos;", '"': "'", "%": "%25", "&": "%26", "#": "%23", "\n": " "}
"""In this order: quotes of the SVG fit into those of HTML, and what ends a URI or begins an escape becomes one."""


def data_uri(svg: Path) -> Markup | None:
    """The figure as a data URI, None where there is no file. Inside an image the ids of two SVGs cannot clash, and no
    script of theirs runs."""
    png = svg.with_suffix(".png")
    if svg.is_file() and (svg.stat().st_size <= SVG_LIMIT or not png.is_file()):
        text = packed(svg.read_text(encoding="utf-8"))
        for letter, escape in ESCAPED.items():
            text = text.replace(letter, escape)
        return Markup(f"data:image/svg+xml,{text}")  # noqa: S704  # no double quote is left in it
    if not png.is_file():
        return None
    return Markup(f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode()}")  # noqa: S704
