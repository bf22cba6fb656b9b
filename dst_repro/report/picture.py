"""Figures inside the page: an SVG in as few bytes as look the same, or the PNG of one with very many marks."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from markupsafe import Markup

SVG_LIMIT = 400_000
"""Bytes: a figure with more marks than that is shown as its PNG."""


def packed(svg: str) -> str:
    """An SVG of matplotlib's without what no eye sees: blanks, comments, metadata, names that nothing refers to, and
    digits below a hundredth of a point."""
    text = re.sub(r"^.*?(?=<svg\b)|<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    text = re.sub(r'(?<=\s)(d|x|y|points)="([^"]*)"', _coordinates, text)
    text = re.sub(r'(?<=\sstyle=)"[^"]*"', lambda found: re.sub(r"([:;]) ", r"\1", found[0]), text)
    text = re.sub(r">\s+<", "><", text).replace(" xlink:href=", " href=")
    used = set(re.findall(r"#([\w.-]+)", text))
    return re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)


def _coordinates(found: re.Match[str]) -> str:
    numbers = re.sub(r"-?\d+\.\d+", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), found[2])
    dense = re.sub(r"\s*([A-Za-z])\s*", r"\1", " ".join(numbers.split()))
    return f'{found[1]}="{dense}"'


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
