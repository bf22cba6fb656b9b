"""What the builders share: how inputs are described, how networks are narrowed, and which images are refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dst_repro.errors import ConfigError
from dst_repro.registry import Params

Shape = tuple[int, ...]  # of one input: (channels, height, width) of an image, (numbers,) of a row of a table


class WidthParams(Params):
    width: Annotated[float, Field(gt=0)] = 1.0
    """Multiplies all channels and hidden units, each rounded and at least 8. The published network is 1."""


def scaled(units: int, width: float) -> int:
    """Channels or hidden units of a layer at this width."""
    return max(8, round(units * width))


def image(slug: str, shape: Shape, smallest: int) -> tuple[int, int, int]:
    """(channels, height, width) of an image; `ConfigError` if it isn't one or has an edge below `smallest` pixels."""
    if len(shape) == 3 and min(shape[1:]) >= smallest:
        return shape[0], shape[1], shape[2]
    given = f"{shape[1]}x{shape[2]}" if len(shape) == 3 else f"inputs of shape {shape}"
    raise ConfigError(f"{slug} needs images of at least {smallest}x{smallest}, not {given}", "model")
