"""Reading and writing files: whole or not at all, and YAML without its traps."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from dst_repro.errors import ConfigError


def write_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: readers never see half a file."""
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


class _Loader(yaml.SafeLoader):
    """A key that stands twice is an error, not a silent choice of the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise ConfigError(f"a key must be a plain word (line {key_node.start_mark.line + 1})")
            if key in seen:
                raise ConfigError(f"the key stands twice (line {key_node.start_mark.line + 1})", str(key))
            seen.add(key)
        return super().construct_mapping(node, deep)


NUMBER_AS_TEXT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")


def refuse_number_as_text(value: Any, *where: str) -> None:
    """YAML reads `1e-5` as text. Say so, with the spelling that works, before anything else complains."""
    if isinstance(value, dict):
        for key, inner in value.items():
            refuse_number_as_text(inner, *where, str(key))
    elif isinstance(value, list):
        for inner in value:
            refuse_number_as_text(inner, *where)
    elif isinstance(value, str) and NUMBER_AS_TEXT.fullmatch(value):
        mantissa, exponent = re.split("[eE]", value)
        right = f"{float(mantissa)}e{int(exponent):+d}"
        raise ConfigError(f"'{value}' is text to YAML, not a number; write {right}", ".".join(where))


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; `ConfigError` names the file for anything else."""
    try:
        loaded = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader
        if not isinstance(loaded, dict):
            raise ConfigError("a mapping (key: value lines) is expected")
        refuse_number_as_text(loaded)
        return loaded
    except FileNotFoundError:
        raise ConfigError("no such file", str(path)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"not valid YAML: {' '.join(str(error).split())}", str(path)) from None
    except ConfigError as error:
        raise error.within(str(path)) from None
