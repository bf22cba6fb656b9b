"""Text to plain values: the core schema of YAML 1.2, and JSON. Each text has one meaning, or is refused in one line.

PyYAML splits the text; what its words mean is decided here, as it has YAML 1.1's: there `off` is false and `1e-5` text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from dst_repro.errors import ConfigError, shown

DEPTH = 50
"""Collections in collections that a file may have."""
VALUES = 100_000
"""Words, numbers and collections that a file may have, those that an alias repeats counted each time."""

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where it is: ten times as fast
UNSTORABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
KINDS: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile("|null|Null|NULL|~"), lambda text: None),
    (re.compile("true|True|TRUE"), lambda text: True),
    (re.compile("false|False|FALSE"), lambda text: False),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), lambda text: float(text.replace(".", ""))),
)
"""What a word without quotes is (YAML 1.2.2, section 10.3.2); text, if nothing fits."""


def plain(value: Any, depth: int = DEPTH, where: tuple[str, ...] = ()) -> Any:
    """A copy out of dicts with words for keys, lists, text, finite numbers, booleans and None.

    Raises `ConfigError` with the dotted key for anything else, and for what is nested more than `depth` deep.
    """
    if isinstance(value, dict | list | tuple):
        if len(where) > depth:
            raise ConfigError(f"nested more than {depth} deep", where[0])
        if isinstance(value, dict):
            return {_key(key, where): plain(inner, depth, (*where, key)) for key, inner in value.items()}
        return [plain(inner, depth, (*where, str(n))) for n, inner in enumerate(value)]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if found := UNSTORABLE.search(value):
            raise ConfigError(f"the character {found[0]!r} can't be in a text", ".".join(where))
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ConfigError("a whole number of more than 64 bits", ".".join(where))
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigError(f"must be finite, not {value}", ".".join(where))
        return value
    raise ConfigError(f"neither text nor number, but {shown(value)}", ".".join(where))


def _key(key: Any, where: tuple[str, ...]) -> str:
    if not isinstance(key, str) or UNSTORABLE.search(key):
        raise ConfigError(f"a key must be a word, not {shown(key)}", ".".join(where))
    return key


def from_json(text: str, depth: int = DEPTH) -> Any:
    """The value of a JSON text. Raises `ConfigError` for a key that stands twice, and for what `plain` refuses."""
    try:
        return plain(json.loads(text, object_pairs_hook=_once), depth)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"not valid JSON: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise ConfigError("the key stands twice", key)
        made[key] = value
    return made


def from_yaml(text: str) -> Any:
    """The value of a YAML text: None, if there is nothing in it.

    Aliases are copies. Raises `ConfigError` for tags, a second document, and what `plain` refuses.
    """
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=LOADER):
            reader.take(event)
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {error}") from None
    return plain(reader.value)


@dataclass
class _Open:
    """A collection whose end has not come. `size` is that of all before it."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    size: int
    key: str | None = None


@dataclass
class _Reader:
    """From PyYAML's events to a value, without recursion, and never larger than `VALUES`."""

    value: Any = None
    size: int = 0
    documents: int = 0
    open: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)  # value, size

    def take(self, event: Any) -> None:
        line = event.start_mark.line + 1
        match event:
            case yaml.DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    raise ConfigError(f"a second document begins (line {line}); one is expected")
                if event.version not in (None, (1, 2)):
                    raise ConfigError(f"must be YAML 1.2 (line {line})")
            case yaml.AliasEvent():
                if event.anchor not in self.anchors:
                    raise ConfigError(f"*{event.anchor} stands for nothing that ends before it (line {line})")
                value, size = self.anchors[event.anchor]
                self._grow(size, line)
                self._add(value, line)
            case yaml.ScalarEvent():
                self._grow(1, line)
                value = _meaning(event, line)
                if event.anchor:
                    self.anchors[event.anchor] = (value, 1)
                self._add(value, line)
            case yaml.CollectionStartEvent():
                _refuse_tag(event, line)
                if len(self.open) > DEPTH:  # here, as PyYAML takes ever longer for each further one
                    raise ConfigError(f"nested more than {DEPTH} deep", next(self._keys(), ""))
                self.anchors.pop(event.anchor or "", None)
                self.open.append(
                    _Open({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor, self.size)
                )
                self._grow(1, line)
            case yaml.CollectionEndEvent():
                ended = self.open.pop()
                if ended.anchor:
                    self.anchors[ended.anchor] = (ended.value, self.size - ended.size)
                self._add(ended.value, line)

    def _grow(self, size: int, line: int) -> None:
        self.size += size
        if self.size > VALUES:
            raise ConfigError(f"more than {VALUES:,} values (line {line})")

    def _add(self, value: Any, line: int) -> None:
        if not self.open:
            self.value = value
            return
        within = self.open[-1]
        if isinstance(within.value, list):
            within.value.append(value)
        elif within.key is None:
            if not isinstance(value, str):
                raise ConfigError(f"a key must be a word, not {shown(value)} (line {line})", ".".join(self._keys()))
            if value in within.value:
                raise ConfigError(f"the key stands twice (line {line})", ".".join([*self._keys(), value]))
            within.key = value
        else:
            within.value[within.key] = value
            within.key = None

    def _keys(self) -> Iterator[str]:
        return (collection.key for collection in self.open if collection.key is not None)


def _meaning(event: Any, line: int) -> Any:
    _refuse_tag(event, line)
    if event.style:  # quoted, or a block of text
        return event.value
    for pattern, read in KINDS:
        if pattern.fullmatch(event.value):
            try:
                return read(event.value)
            except ValueError:
                raise ConfigError(f"a whole number of more than 64 bits (line {line})") from None
    return event.value


def _refuse_tag(event: Any, line: int) -> None:
    if event.tag is not None:
        raise ConfigError(f"the tag {shown(event.tag)} is not read: write the value alone (line {line})")
