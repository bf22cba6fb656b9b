"""Plug-ins from outside of the package: files and modules that a suite names, and entry points of installed packages.

They are named first and imported when a registry is first looked into, as planning must not wait for torch.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from dst_repro.errors import ConfigError, UserError, did_you_mean

GROUP = "dst_repro.plugins"
"""Entry points of this group name modules; an installed package that has one needs not be named by a suite."""
PREFIX = "dst_repro_plugins"
"""The package, in name only, of plug-in files: `my_method.py` is dst_repro_plugins.my_method."""

_named: dict[str, Path | None] = {}
"""Module -> its file, or none for a module that Python finds itself. In the order in which they were named."""


def use(names: Iterable[str]) -> None:
    """Files (`my_method.py`, from the working directory) and importable modules, to be imported when they are needed.

    Raises `ConfigError` for one that is not there, or two files of one name.
    """
    for name in names:
        file = Path(name).resolve() if name.endswith(".py") else None
        module = f"{PREFIX}.{file.stem}" if file else name
        if file and not file.is_file():
            beside = {path.name for path in file.parent.glob("*.py")} if file.parent.is_dir() else set()
            hint = did_you_mean(file.name, beside) if beside else ""
            raise ConfigError(f"there is no file {name}{hint}", "plugins")
        if file and _named.get(module, file) != file:
            raise ConfigError(f"{name} and {_named[module]} have one name, rename one", "plugins")
        if file is None and not _found(name):
            raise ConfigError(f"there is no module {name}; for a file write its path with .py", "plugins")
        _named.setdefault(module, file)
        if file and str(file.parent) not in sys.path:
            sys.path.append(str(file.parent))  # for what it imports from beside, whatever the working directory is


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def modules() -> tuple[str, ...]:
    """Every plug-in module: of entry points, then those that were named."""
    return (*_offered(), *_named)


@functools.cache
def _offered() -> tuple[str, ...]:
    return tuple(sorted({point.module for point in importlib.metadata.entry_points(group=GROUP)}))


def path(module: str) -> Path | None:
    """The file of a plug-in module, or of one from its package or from beside its file; none for any other."""
    if module in _named and (file := _named[module]):
        return file
    head = module.partition(".")[0]
    beside = any(_beside(file, head) for file in _named.values() if file)
    if beside or head in {known.partition(".")[0] for known in modules()}:
        spec = importlib.util.find_spec(module) if _found(module) else None
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    return None


def _beside(file: Path, name: str) -> bool:
    """Whether a module or a package of this name lies beside a file."""
    return any((file.parent / there).is_file() for there in (f"{name}.py", f"{name}/__init__.py"))


def load() -> None:
    """Import all of them, each once. Raises `ConfigError` with the error and its line for one that can't be."""
    for module in modules():
        if module not in sys.modules:
            try:
                _import(module)
            except UserError:
                raise
            except (Exception, SystemExit) as error:  # a script that leaves at its end would leave us, too
                sys.modules.pop(module, None)
                said = error.msg if isinstance(error, SyntaxError) else error
                raise ConfigError(
                    f"{type(error).__name__}: {said}{_line(error, module)}", "plugins", _title(module)
                ) from error


def _import(module: str) -> ModuleType:
    file = _named.get(module)
    if file is None:
        return importlib.import_module(module)
    spec = importlib.util.spec_from_file_location(module, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    found = sys.modules[module] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def _title(module: str) -> str:
    file = _named.get(module)
    return file.name if file else module


def _line(error: BaseException, module: str) -> str:
    """` (line 12)`: where in the plug-in's own file it happened."""
    file = str(path(module))
    if isinstance(error, SyntaxError):
        return f" (line {error.lineno})" if error.filename == file else ""
    own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f" (line {own[-1]})" if own else ""


def digest() -> str:
    """Changes when a plug-in changes, or a file or package beside it."""
    found = hashlib.sha256()
    for module in modules():
        if file := path(module):
            for source in _sources(file.parent, module.startswith(PREFIX)):
                found.update(f"{module}\0{source.relative_to(file.parent)}\0".encode() + source.read_bytes())
    return found.hexdigest()


def _sources(folder: Path, alone: bool) -> list[Path]:
    """Python files of a package, or of the folder and the packages in it that a file alone can import from."""
    packages = [start.parent for start in folder.glob("*/__init__.py")] if alone else [folder]
    paths = {*folder.glob("*.py"), *(path for package in packages for path in package.rglob("*.py"))}
    return sorted(path for path in paths if path.is_file())  # neither a folder nor an editor's link to nowhere
