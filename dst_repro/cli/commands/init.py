"""Begin a project in an empty folder: the workflow, and the quickstart as its first suite."""

from __future__ import annotations

import argparse
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="new or empty [this one]")


def run(args: argparse.Namespace) -> int:
    from dst_repro.cli import starter
    from dst_repro.errors import UserError, shown
    from dst_repro.files import write_with

    folder = Path(args.folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file, where the project's folder should be; name a new or an empty folder")
    there = sorted(path.name for path in folder.glob("[!.]*"))
    if there:
        raise UserError(f"{folder}: holds {shown(there[0])}, and nothing is overwritten; name a new or an empty folder")
    for name, file in starter.project().items():
        content = file.read_bytes()
        write_with(folder / name, lambda stream, content=content: stream.write(content))  # type: ignore[misc]
    step = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    print(f"{folder}: a project with a suite, config/config.yaml; `{step}snakemake --cores 2` trains and draws it")
    return 0
