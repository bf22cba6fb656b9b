"""Begin a project in an empty folder: the workflow, and the quickstart as its first suite."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="new or empty [this one]")


def run(args: argparse.Namespace) -> int:
    import shlex

    from dst_repro.cli import starter
    from dst_repro.errors import UserError, shown
    from dst_repro.files import write_with

    folder = Path(args.folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: is a file, where the project's folder should be; name a new or an empty folder")
    project = starter.project()
    for name in _foreign(folder, project):
        raise UserError(f"{folder}: holds {shown(name)}, and nothing is overwritten; name a new or an empty folder")
    for name, content in project.items():
        write_with(folder / name, lambda stream, content=content: stream.write(content))  # type: ignore[misc]
    step = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    print(f"{folder}: a project with a suite, config/config.yaml; `{step}snakemake --cores 2` trains and draws it")
    return 0


def _foreign(folder: Path, project: Mapping[str, bytes], within: str = "") -> Iterator[str]:
    """What is there, not hidden, and was not left by a call that was killed."""
    for path in sorted(folder.glob("[!.]*")):
        name = f"{within}{path.name}"
        if any(known.startswith(f"{name}/") for known in project) and path.is_dir() and not path.is_symlink():
            yield from _foreign(path, project, f"{name}/")
        elif name not in project or path.is_symlink() or not path.is_file() or path.read_bytes() != project[name]:
            yield name
