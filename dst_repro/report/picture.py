"""Figures inside the page: an SVG in as few bytes as look the same, or the PNG of one with very many marks."""

from __future__ import annotations

import base64
import re
from collections import Counter
from pathlib import Path

from markupsafe import Markup

from dst_repro.report import outlines

SVG_LIMIT = 400_000
"""Bytes: a figure with more marks than that is shown as its PNG."""


def packed(svg: str) -> str:
    """An SVG of matplotlib's without what no eye sees: blanks, comments, metadata, names that nothing refers to, long
    names, groups around nothing, styles said again, digits below a tenth of a point and a hundredth of a letter."""
    text = re.sub(r"^.*?(?=<svg\b)|<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    text = outlines.letters(EMPTY.sub("", text))
    text = re.sub(r'(?<=\s)d="([^"]*)"(?! transform)', lambda found: f'd="{outlines.closer(found[1])}"', text)
    text = re.sub(r'(?<=\s)(x|y|width|height|points)="([^"]*)"', _coordinates, text)
    text = re.sub(r"translate\([^)]*\)", lambda found: _short_digits(found[0]), text)
    text = re.sub(r'(?<=\sstyle=)"[^"]*"', lambda found: re.sub(r"([:;]) ", r"\1", found[0]), text)
    text = _unwrapped(re.sub(r">\s+<", "><", text).replace(" xlink:href=", " href="))
    letters = re.compile(r'(<use href="#[^"]*") transform="translate\(([\d.]+) 0\)"')
    text = letters.sub(lambda found: f'{found[1]} x="{float(found[2]):.0f}"', text)
    return _short_names(_classes(MARKS.sub(_hoisted, text)))


EMPTY = re.compile(r'<g(?: id="[^"]*")?\s*/>')
"""Groups with nothing in them; nothing refers to one."""


def _unwrapped(svg: str) -> str:
    """Groups that say nothing of what is in them go; those whose name is referred to stay."""
    used = set(re.findall(r'(?:href="|url\()#([\w.-]+)', svg))
    kept: list[bool] = []

    def tag(found: re.Match[str]) -> str:
        if found[0] == "</g>":
            return found[0] if kept.pop() else ""
        bare = found[1] in ("", f' id="{found[2]}"')
        kept.append(not bare or found[2] in used)
        return found[0] if kept[-1] else ""

    return re.sub(r'</g>|<g\b((?: id="([^"]*)")?[^>]*)(?<!/)>', tag, svg)


MARKS = re.compile(r'<g clip-path="([^"]*)">(<use [^>]*? (style="[^"]*")/>(?:<use [^>]*? \3/>)+)</g>')


def _hoisted(found: re.Match[str]) -> str:
    """Marks that all look the same have their look from their group, but for an opacity, which would be the group's."""
    if re.search(r"(?<!-)opacity", found[3]):
        return found[0]
    return f'<g clip-path="{found[1]}" {found[3]}>{found[2].replace(" " + found[3], "")}</g>'


def _coordinates(found: re.Match[str]) -> str:
    return f'{found[1]}="{" ".join(_short_digits(found[2]).split())}"'


def _short_digits(text: str) -> str:
    """Tenths of a point."""
    return re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.1f}".rstrip("0").rstrip("."), text)


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


SCALE = 2.0
"""CSS pixels a point: letters of seven points are as large as those around them."""


def size(svg: Path) -> tuple[int, int] | None:
    """Width and height in CSS pixels at which the figure is shown, None where its file says none."""
    head = svg.read_text(encoding="utf-8")[:2000] if svg.is_file() else ""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)
    return (round(SCALE * float(found[1])), round(SCALE * float(found[2]))) if found else None


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
