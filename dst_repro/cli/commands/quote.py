"""Write the results that README and docs quote anew.

Between `<!-- results/SUITE/FILE.md -->` and `<!-- end -->` stands what that file says.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", nargs="*", help="Markdown files [README.md and docs/*.md]")


def run(args: argparse.Namespace) -> int:
    from dst_repro.report.quoting import update

    for page in map(Path, args.page or ["README.md", *sorted(map(str, Path("docs").glob("*.md")))]):
        if update(page, Path.cwd()):
            print(page)
    return 0
