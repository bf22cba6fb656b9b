"""The suite as one HTML page."""

from __future__ import annotations

import argparse

from dst_repro.cli import suites
from dst_repro.cli.arguments import takes_suite as arguments

__all__ = ["arguments", "run"]


def run(args: argparse.Namespace) -> int:
    from dst_repro import compare
    from dst_repro.claims.write import read
    from dst_repro.files import write_text
    from dst_repro.report import page

    suite = suites.load(args)
    results, figures = suites.folders(suite)
    text = page.render(suite, suites.frames(results), compare.read(results), read(results), results, figures)
    write_text(results / "report.html", text)
    return 0
