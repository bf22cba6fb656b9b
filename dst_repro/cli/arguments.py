"""What several commands take: the suite, plug-ins, numbers and times."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

from dst_repro.errors import shown

QUICKSTART = "config/config.yaml"


def takes_suite(parser: argparse.ArgumentParser) -> None:
    """`--suite`, and what messages call it."""
    parser.add_argument("--suite", default=QUICKSTART, help="config file of the suite [%(default)s]")
    parser.add_argument("--source", default="--suite", help=argparse.SUPPRESS)


def takes_plugins(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plugin", action="append", default=[], metavar="FILE.py", help="a plug-in, or its module")


def count(most: int) -> Callable[[str], int]:
    """Reads a whole number from 1 to `most`."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else 0
        if not 1 <= number <= most:
            raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most}, not {shown(text)}")
        return number

    return read


def positive(text: str) -> float:
    """Reads a number above 0."""
    try:
        number = math.nan if "_" in text else float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {shown(text)}")
    return number
