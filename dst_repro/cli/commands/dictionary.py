"""Write what every column of the results means."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", default="docs/data.md")


def run(args: argparse.Namespace) -> int:
    from dst_repro.cli import dictionary
    from dst_repro.files import write_text

    write_text(Path(args.out), dictionary.page())
    return 0
