"""Every plug-in describes itself; two of one name are an error."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dst_repro.errors import ConfigError
from dst_repro.plan.catalogue import catalogue, check_params, label, look_up
from dst_repro.plan.config import PLUGGED
from dst_repro.registry import ALL, Entry, Params, Registry

ENTRIES = [
    pytest.param(kind, entry, id=f"{kind}-{slug}")
    for kind, registry in ALL.items()
    for slug, entry in sorted(registry.discover().items())
]


@pytest.mark.parametrize(("kind", "entry"), ENTRIES)
def test_entry_describes_itself(kind: str, entry: Entry) -> None:
    assert re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", entry.slug)
    assert entry.title, "the first line of the docstring is the title"
    assert len(entry.title) <= 120
    assert entry.module.startswith(ALL[kind].package + ".")
    assert json.loads(json.dumps(entry.facts)) == entry.facts
    assert issubclass(entry.params, Params)


READ = ("method", "model", "dataset", "prune rule", "growth rule", "trick")
"""Kinds whose names stand in figures and tables."""


@pytest.mark.parametrize("kind", READ)
def test_readers_have_a_short_name_for_each(kind: str) -> None:
    labels = [entry.label for entry in ALL[kind].discover().values()]
    assert len(set(labels)) == len(labels)
    for entry in ALL[kind].discover().values():
        assert entry.title.startswith(f"{entry.label}: "), "`Label: what it is`, in the docstring's first line"
        assert len(entry.label) <= 24
        assert label(kind, entry.slug) == entry.label


def test_labels_where_there_is_none() -> None:
    assert label("method", "no-such-method") == "no-such-method"
    assert Entry("thing", thing, Params, "here").label == "thing"


@pytest.mark.parametrize(("kind", "entry"), [case for case in ENTRIES if case.values[0] in PLUGGED])
def test_parameters_of_runs_have_a_schema_with_defaults(kind: str, entry: Entry) -> None:
    """Ids are made of what differs from the schema's defaults."""
    schema = look_up(kind, entry.slug)["schema"]
    properties = schema.get("properties", {})
    required = set(schema.get("required", []))
    assert {name for name, spec in properties.items() if "default" not in spec} == required
    assert schema["additionalProperties"] is False
    filled = {name: spec["default"] for name, spec in properties.items() if name not in required}
    if not required:
        assert check_params(kind, entry.slug, filled, "params") == {}
        assert entry.params(**filled) == entry.params()


@pytest.mark.parametrize(("kind", "entry"), ENTRIES)
def test_unknown_parameters_are_refused(kind: str, entry: Entry) -> None:
    with pytest.raises(ConfigError, match=r"^params\.no-such-key: unknown key"):
        check_params(kind, entry.slug, {"no-such-key": 1}, "params")


def test_catalogue_and_registries_agree() -> None:
    assert {kind: sorted(entries) for kind, entries in catalogue().items()} == {
        kind: sorted(registry.discover()) for kind, registry in ALL.items()
    }


def thing() -> None:
    """A thing"""


def test_second_entry_of_a_name_is_refused() -> None:
    registry = Registry("thing", "dst_repro.sparsity")
    assert registry.register("one")(thing) is thing
    with pytest.raises(ValueError, match="thing 'one' is registered twice"):
        registry.register("one")(lambda: None)
    assert registry["one"].object is thing


def test_unknown_name_has_a_suggestion() -> None:
    registry = Registry("thing", "dst_repro.sparsity")
    registry.register("static")(thing)
    with pytest.raises(ConfigError, match=r"^unknown thing 'statik'; did you mean 'static'\?$"):
        registry["statik"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alpha": "much"}, "p.alpha: 'much' is not of type 'number' (method 'dst')"),
        ({"alpha": True}, "p.alpha: True is not of type 'number' (method 'dst')"),
        ({"alpha": 0.1, "reset": 1}, "p.reset: 1 is not of type 'boolean' (method 'dst')"),
        ({"alpha": 0.1, "rest": 1}, "p.rest: unknown key; did you mean 'reset'?"),
    ],
)
def test_wrong_parameters_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_params("method", "dst", given, "p")
    assert str(caught.value) == message
