"""What the registries hold, as data: slugs, parameter schemas and planning facts, without importing torch.

Planning thousands of runs must not wait for torch. The catalogue is read from a cache whose key is the source of
every plug-in; only when a plug-in has changed are the modules imported to describe them again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema

from dst_repro import plugins, registry
from dst_repro.errors import ConfigError, did_you_mean, shown
from dst_repro.files import cache_folder, write_text
from dst_repro.reading import plain

PACKAGE = Path(__file__).parents[1]


def _key() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes())
    digest.update(plugins.digest().encode())
    return digest.hexdigest()[:16]


def _described(entry: registry.Entry) -> dict[str, Any]:
    return {
        "module": entry.module,
        "label": entry.label,
        "title": entry.title,
        "schema": entry.params.model_json_schema(),
        "facts": entry.facts,
    }


def _describe() -> dict[str, Any]:
    return {
        kind: {slug: _described(e) for slug, e in sorted(r.discover().items()) if not _of_this_process(e)}
        for kind, r in registry.ALL.items()
    }


def _of_this_process(entry: registry.Entry) -> bool:
    """Registered by a module that is no plug-in: a script's own. Another process knows nothing of it."""
    return not entry.module.startswith(f"{PACKAGE.name}.") and plugins.path(entry.module) is None


def catalogue() -> dict[str, Any]:
    """{kind: {slug: {module, label, title, schema, facts}}}, from the cache where the source is unchanged; and what
    this process has registered by itself."""
    known = _catalogue(plugins.modules())
    own = {kind: r.from_outside() for kind, r in registry.ALL.items()}
    if not any(own.values()):
        return known
    return {
        kind: entries | {slug: _described(e) for slug, e in own[kind].items() if slug not in entries}
        for kind, entries in known.items()
    }


@functools.cache
def _catalogue(outside: tuple[str, ...]) -> dict[str, Any]:
    """With the plug-ins of these modules from outside."""
    path = cache_folder() / f"catalogue-{_key()}.json"
    try:
        loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return loaded
    except (OSError, ValueError):
        pass
    described = _describe()
    with contextlib.suppress(OSError):  # a read-only home costs a slower start, nothing else
        write_text(path, json.dumps(described))
    return described


def look_up(kind: str, slug: str) -> dict[str, Any]:
    """The description of one plug-in; `ConfigError` names the near misses."""
    known = catalogue()[kind]
    if slug not in known:
        raise ConfigError(f"unknown {kind} '{slug}'{did_you_mean(slug, known)}", kind)
    found: dict[str, Any] = known[slug]
    return found


def label(kind: str, slug: str) -> str:
    """What readers call a plug-in: `DST` for the method `dst`. A slug that nothing is registered for stays one."""
    found = catalogue()[kind].get(slug)
    return str(found["label"]) if found else slug


def labels() -> dict[str, dict[str, str]]:
    """{kind: {slug: label}}"""
    return {kind: {slug: entry["label"] for slug, entry in known.items()} for kind, known in catalogue().items()}


_TYPES = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda checker, value: type(value) is int)
_Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=_TYPES)
"""To JSON Schema 2.0 is an integer; to the models of parameters it is none."""


@functools.cache
def _validator(kind: str, slug: str, outside: tuple[str, ...]) -> jsonschema.protocols.Validator:
    return _Validator(look_up(kind, slug)["schema"])


def _finding(error: jsonschema.ValidationError) -> str:
    """One line out of a finding: values are shown in short, and words where true or false is meant get advice.

    Of something or null, what is wrong is told of the something.
    """
    others = [inner for inner in error.context or () if inner.validator_value != "null"]
    if error.validator == "anyOf" and len(others) == len(error.validator_value) - 1 == 1:
        error = others[0]
    advice = "; write true or false" if error.validator_value == "boolean" and isinstance(error.instance, str) else ""
    return str(error.message).replace(repr(error.instance), shown(error.instance)) + advice


def check_params(kind: str, slug: str, params: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The parameters that differ from their default, numbers in the type the schema asks for.

    Raises `ConfigError` with `key.name` for an unknown name, a missing one, a number that is not finite, or a value
    outside the schema.
    """
    params = plain(params, where=(key,))
    properties: dict[str, Any] = look_up(kind, slug)["schema"].get("properties", {})
    for name in params:
        if name not in properties:
            hint = did_you_mean(name, properties) if properties else f"; {kind} '{slug}' takes no parameters"
            raise ConfigError(f"unknown key{hint}", f"{key}.{name}")
    for error in _validator(kind, slug, plugins.modules()).iter_errors(params):
        raise ConfigError(f"{_finding(error)} ({kind} '{slug}')", ".".join([key, *map(str, error.absolute_path)]))
    checked = {name: _as_number(value, properties[name]) for name, value in params.items()}
    return {n: v for n, v in checked.items() if "default" not in properties[n] or v != properties[n]["default"]}


def defaults(kind: str, slug: str) -> dict[str, Any]:
    properties = look_up(kind, slug)["schema"].get("properties", {})
    return {name: spec["default"] for name, spec in properties.items() if "default" in spec}


def required(kind: str, slug: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Of the parameters those that have no default: where one's own data lie, for a data set."""
    return {name: params[name] for name in look_up(kind, slug)["schema"].get("required", []) if name in params}


def _as_number(value: Any, schema: Mapping[str, Any]) -> Any:
    """2 becomes 2.0 where only a float is allowed, so that one setting has one spelling and one id."""
    types = {schema.get("type"), *(s.get("type") for s in schema.get("anyOf", []))}
    if type(value) is int and "number" in types and "integer" not in types:
        return float(value)
    return value
