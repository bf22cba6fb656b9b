"""Reading and writing files: whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from dst_repro.ending import uninterrupted
from dst_repro.errors import ConfigError
from dst_repro.reading import from_yaml

LARGEST = 10_000_000
"""Bytes of a file of configuration at most."""


def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: readers never see half a file.

    Who interrupts it or ends it waits until the file is whole.
    """
    with uninterrupted():
        _write_with(path, write)


def _write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """As UTF-8, whatever the locale is."""
    write_with(path, lambda stream: stream.write(text.encode()))


def write_json(path: Path, value: Any) -> None:
    """Sorted keys and a fixed layout, so that equal values are equal files. NaN is refused."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def cache_folder() -> Path:
    """Where things lie that can be made again: `$XDG_CACHE_HOME/dst_repro`, by default below `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "dst_repro"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_text(path: Path) -> str:
    """The text of a file, UTF-8 whatever the locale is. Raises `ConfigError` for what is no such file."""
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device might never end
            raise ConfigError(f"a file is expected, not a {'folder' if path.is_dir() else 'device'}", str(path))
        if path.stat().st_size > LARGEST:
            raise ConfigError(f"larger than {LARGEST:,} bytes", str(path))
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError("no such file", str(path)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"not UTF-8 text (byte {error.start})", str(path)) from None
    except (OSError, ValueError) as error:  # of names that no file can have, too
        raise ConfigError(getattr(error, "strerror", None) or str(error), str(path)) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML 1.2 file; `ConfigError` names the file for anything else."""
    text = read_text(path)
    try:
        loaded = from_yaml(text)
        if not isinstance(loaded, dict):
            raise ConfigError("a mapping (key: value lines) is expected")
        return loaded
    except ConfigError as error:
        raise error.within(str(path)) from None
