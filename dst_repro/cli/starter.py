"""The files of a new project: the workflow, and the quickstart as a first suite.

They lie at the top of the repository; `setup.py` copies them into the package when it builds a wheel. It runs this file
alone, so that nothing else of the package is imported here.
"""

from __future__ import annotations

from pathlib import Path

PATTERNS = (
    "Snakefile",
    "workflow/report/*.rst",
    "workflow/rules/*.smk",
    "workflow/schemas/*.json",
    "profiles/*/*",
    "config/config.yaml",
    "config/experiments/digits.yaml",
    "config/papers/quickstart.yaml",
)
WITHIN = "dst_repro/starter"
"""Where a wheel has them."""


def files(root: Path) -> dict[str, Path]:
    """Name in the project -> file, of a repository or of what a wheel has of it."""
    return {path.relative_to(root).as_posix(): path for pattern in PATTERNS for path in sorted(root.glob(pattern))}


def project() -> dict[str, bytes]:
    """Name -> content of all that a project begins with. Rules name an environment, and one that has the repository
    installed would not do: theirs has this version of the package.
    """
    from dst_repro import __version__

    package = Path(__file__).parents[1]
    built = package.parent / WITHIN
    found = files(built if built.is_dir() else package.parent)
    environment = (package / "templates/environment.yml").read_text(encoding="utf-8").format(version=__version__)
    return {name: file.read_bytes() for name, file in found.items()} | {"environment.yml": environment.encode()}
