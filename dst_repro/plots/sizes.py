"""How wide a figure is drawn, and how many of its panels stand side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

WIDTH = 7.0  # inches: the text width of a two-column paper
NARROW = 3.6
"""Inches: a column of such a paper, and on a screen a third of the report's page, where letters still are large."""
HALF = WIDTH / 2 + 0.3
"""Inches: of a figure with a single panel."""
PANEL = 1.75
"""Inches: so much a panel takes at least."""
MOST = 3
"""Panels side by side, so that they have room for their ticks."""

_width: ContextVar[float] = ContextVar("width", default=WIDTH)


@contextmanager
def drawn_across(inches: float) -> Iterator[None]:
    """What is drawn inside has so much room from left to right."""
    before = _width.set(inches)
    try:
        yield
    finally:
        _width.reset(before)


def width(whole: bool = True, half: float = HALF) -> float:
    """Inches of a figure that takes the whole width, or of one with a single panel."""
    return _width.get() if whole else min(half, _width.get())


def across(panels: int) -> int:
    """How many of them stand in a row, so that all rows are about as long: four are two and two."""
    most = max(1, min(MOST, int(width() / PANEL)))
    return math.ceil(panels / math.ceil(panels / most)) if panels else 1
