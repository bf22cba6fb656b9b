"""Paths of an SVG in as few letters as look the same: each point by its distance to the one before."""

from __future__ import annotations

import re
from itertools import pairwise

TOKEN = re.compile(r"[A-Za-z]|-?[\d.]+")
PLAIN = re.compile(r"[MLQCz\s\d.-]*")
"""What matplotlib writes: all in absolute coordinates."""
SMALL = 20.0
"""Points: the digits of what is no larger, as a mark, count."""
GLYPH = re.compile(r'd="([^"]*)" transform="scale\(0\.015625\)"')
COARSER = 16
"""Units of an outline of a letter, 1/6400 of its height, that are rounded to one."""


def closer(d: str) -> str:
    """The path by distances, to a tenth of a point; one as small as a mark to a hundredth."""
    numbers = [float(token) for token in TOKEN.findall(d) if not token[0].isalpha()]
    if not PLAIN.fullmatch(d) or not numbers:
        return d
    return _relative(d, 1.0, 2 if max(map(abs, numbers)) < SMALL else 1)


def letters(svg: str) -> str:
    """Outlines of letters, in units that still are far below a pixel."""
    scale = f"{COARSER / 64:g}".removeprefix("0")

    def drawn(found: re.Match[str]) -> str:
        if not PLAIN.fullmatch(found[1]):
            return found[0]
        return f'd="{_relative(found[1], 1 / COARSER, 0)}" transform="scale({scale})"'

    return GLYPH.sub(drawn, svg)


def _relative(d: str, scale: float, digits: int) -> str:
    """Rounded are positions, not distances: no error adds up."""
    unit = 10**digits
    at = start = (0, 0)
    parts: list[str] = []
    for command, rest in re.findall(r"([A-Za-z])([^A-Za-z]*)", d):
        if command == "z":
            parts.append("z")
            at = start
            continue
        values = [round(float(value) * scale * unit) for value in TOKEN.findall(rest)]
        points = list(zip(values[::2], values[1::2], strict=True))
        each = {"Q": 2, "C": 3}.get(command, 1)
        for n in range(0, len(points), each):
            chunk = points[n : n + each]
            steps = [value for x, y in chunk for value in (x - at[0], y - at[1])]
            parts.append(command.lower() + _numbers(steps, unit))
            at = chunk[-1]
            if command == "M":
                start = at
    return _joined(parts)


def _numbers(values: list[int], unit: int) -> str:
    told = [re.sub(r"^(-?)0(?=\.)", r"\1", f"{value / unit:.7g}") for value in values]
    return "".join(text if n == 0 or text.startswith("-") else f" {text}" for n, text in enumerate(told))


def _joined(parts: list[str]) -> str:
    """A command that is that of the part before need not be said again."""
    out = parts[:1]
    for before, part in pairwise(parts):
        same = part[0] == before[0] and part[0] in "lqc"
        out.append(part if not same else part[1:] if part[1] == "-" else f" {part[1:]}")
    return "".join(out)
