"""A hash of the source that can change a run's numbers: the loop, its method, model, data set, and what they import."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import io
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dst_repro import plugins
from dst_repro.plan.catalogue import look_up
from dst_repro.plan.config import PLUGGED, RunConfig

ROOT = Path(__file__).parents[2]
LOOP = ("dst_repro.training.loop", "dst_repro.training.state", "dst_repro.machine.device")
"""What trains every run, and hands the network of one over to another. What resumes it, writes down what came of it and
keeps its files changes no number."""

INERT = frozenset(
    f"dst_repro.{name}"
    for name in (
        "plan.catalogue",
        "plan.config",
        "plan.optimisation",
        "cli",
        "data.known",
        "machine.environment",
        "errors",
        "ending",
        "files",
        "plan.fingerprint",
        "machine.lease",
        "records.record",
        "registry",
        "sparsity.health",
        "training.checkpoint",
        "training.progress",
    )
)
"""Modules that find, check, describe or store. The settings that pass through them stand in the run's configuration,
and the data's hash in its record."""


def _path(module: str) -> Path | None:
    """The file of a module of this package, or of a plug-in; none for any other."""
    if module.partition(".")[0] != "dst_repro":
        return plugins.path(module)
    base = ROOT.joinpath(*module.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.is_file()), None)


def _text(path: Path) -> str:
    """As Python reads it: with a mark of the byte order, in another encoding, with any line ends."""
    return importlib.util.decode_source(path.read_bytes())


@functools.cache
def _imports(module: str) -> frozenset[str]:
    """Modules of this package and of plug-ins that `module` imports anywhere in its text; of a plug-in that imports the
    package, its API.
    """
    path = _path(module)
    if path is None:
        return frozenset()
    found: set[str] = set()
    for node in ast.walk(ast.parse(_text(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = _origin(module, path, node)
            found |= {origin} | {f"{origin}.{alias.name}" for alias in node.names}
    outside = module.partition(".")[0] != "dst_repro"
    names = {("dst_repro.api" if outside else "") if name == "dst_repro" else name for name in found}
    return frozenset(name for name in names if _path(name))


def _origin(module: str, path: Path, node: ast.ImportFrom) -> str:
    """The absolute name of what a `from ... import` imports from."""
    if node.level == 0:
        return node.module or ""
    parts = module.split(".")
    up = node.level - (path.name == "__init__.py")  # one dot in a package is the package itself
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def _packages(module: str) -> list[str]:
    """The packages that a module lies in: importing it runs them first."""
    parts = module.split(".")
    return [".".join(parts[:n]) for n in range(2 if parts[0] == "dst_repro" else 1, len(parts))]


def closure(*modules: str) -> set[str]:
    """`modules` and everything of this package that they import, inert modules left out."""
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module not in seen and module not in INERT:
            seen.add(module)
            todo += [*_imports(module), *_packages(module)]
    return seen


def _strings(source: str) -> Iterator[tuple[bool, ast.expr]]:
    """Every string of a source, and whether it stands alone as a statement: such a one says nothing to Python."""
    tree = ast.parse(source)
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)):
            yield id(node) in alone and isinstance(node, ast.Constant), node


def essence(source: str) -> str:
    """Source text without comments, docstrings, blank lines and trailing space: what the interpreter goes by.

    Text, not a syntax tree: a dump of the tree differs between Python versions.
    """
    text = source.split("\n")
    lines = [line.encode() for line in text]  # a tree counts columns in bytes
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = text[row - 1][:column].encode()
    values = set[int]()
    for alone, node in _strings(source):
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        if not alone:
            values |= set(range(first, last))  # the ends of these lines are part of a value
        elif first == last:
            lines[first] = lines[first][: node.col_offset] + lines[first][node.end_col_offset :]
        else:
            lines[first] = lines[first][: node.col_offset]
            lines[first + 1 : last] = [b""] * (last - first - 1)
            lines[last] = lines[last][node.end_col_offset :]
    kept = (line if n in values else line.rstrip() for n, line in enumerate(lines) if n in values or line.strip())
    return b"\n".join(kept).decode()


@functools.cache
def _module_hash(module: str) -> str:
    path = _path(module)
    return hashlib.sha256(essence(_text(path)).encode()).hexdigest() if path else ""


@functools.cache
def _fingerprint(roots: tuple[str, ...]) -> str:
    text = "\n".join(f"{module} {_module_hash(module)}" for module in sorted(closure(*roots)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _named(value: Any, schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, slug) of every plug-in that a parameter names, by its schema."""
    if "plug-in" in schema and isinstance(value, str):
        yield schema["plug-in"], value
    for inner in schema.get("anyOf", []):
        yield from _named(value, inner)
    if isinstance(value, list) and "items" in schema:
        for item in value:
            yield from _named(item, schema["items"])


def selected(run: RunConfig) -> Iterator[tuple[str, str]]:
    """(kind, slug) of every registered object that takes part in a run: data set, model, method, tricks, what the
    parameters of these name, and what they use besides, as the fact `uses` of their registration says.
    """
    fields = run.full()
    plugged = [(kind, fields[kind], fields[f"{kind}_params"]) for kind in PLUGGED]
    for kind, slug, params in [*plugged, *(("trick", slug, params) for slug, params in fields["tricks"].items())]:
        yield kind, slug
        entry = look_up(kind, slug)
        properties = entry["schema"].get("properties", {})
        for name, value in params.items():
            yield from _named(value, properties[name])
        yield from map(tuple, entry["facts"].get("uses", ()))


def fingerprint(run: RunConfig) -> str:
    """16 hex digits that change exactly when source that this run, or one it starts from, uses changes."""
    chain = [run, *run.ancestors]
    modules = {look_up(kind, slug)["module"] for r in chain for kind, slug in selected(r)}
    return _fingerprint((*LOOP, *sorted(modules)))


READ: Mapping[str, str] = {
    "dst_repro.published.loader": "published/*.csv",
    "dst_repro.report.page": "templates/[rs]*.*",  # report.html.j2 and style.css
    "dst_repro.compare.write": "templates/[cs]*.*",  # comparison*.html.j2 and style.css
}
"""Module -> the files of this package that it reads."""


def source_of(*modules: str) -> str:
    """16 hex digits that change when source changes that these modules use, or a file of this package that they read.

    For what is made of records: a table, a figure, a page.
    """
    found = closure(*modules)
    files = [path for module, pattern in READ.items() if module in found for path in (ROOT / "dst_repro").glob(pattern)]
    digest = hashlib.sha256(_fingerprint(modules).encode())
    for path in sorted(files):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]
