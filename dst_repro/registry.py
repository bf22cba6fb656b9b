"""What can be plugged in: one decorator a kind, found by importing the modules of its package.

A plug-in is one file. Its decorator gives it a slug, for configurations, and the first line of its docstring a label,
for readers, and a title; nothing else has to be edited.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from dst_repro import plugins
from dst_repro.errors import ConfigError, did_you_mean

T = TypeVar("T")


class Params(BaseModel):
    """Parameters of a plug-in, as they stand in YAML: frozen, finite, no unknown key, no silent conversion."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


@dataclass(frozen=True)
class Entry:
    """One plug-in: its slug, the object behind it, and the model of its parameters."""

    slug: str
    object: Any
    params: type[Params]
    module: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What readers call it: the title up to its colon, `DST` of `DST: Dynamic Sparse Training`; else the slug."""
        name, colon, _ = self.title.partition(": ")
        return name if colon else self.slug

    @property
    def title(self) -> str:
        return (self.object.__doc__ or "").strip().splitlines()[0].rstrip(".") if self.object.__doc__ else ""


class Registry:
    """All plug-ins of one kind. `package` is imported module by module on the first look-up, and what lies outside
    of it (`dst_repro.plugins`) with it."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self._entries: dict[str, Entry] = {}
        self._outside: dict[str, Entry] = {}
        self._discovered = False

    def register(self, slug: str, params: type[Params] = Params, **facts: Any) -> Callable[[T], T]:
        """Decorator. `facts` are JSON values that planning needs without importing the module."""

        def add(thing: T) -> T:
            if slug in self._entries:
                raise ValueError(f"{self.kind} '{slug}' is registered twice: {self._entries[slug].module}")
            module: str = thing.__module__
            self._entries[slug] = Entry(slug, thing, params, module, json.loads(json.dumps(facts)))
            if not module.startswith("dst_repro."):
                self._outside[slug] = self._entries[slug]
            return thing

        return add

    def discover(self) -> dict[str, Entry]:
        if not self._discovered:
            root = importlib.import_module(self.package)
            for found in pkgutil.iter_modules(root.__path__, prefix=f"{self.package}."):
                importlib.import_module(found.name)
            self._discovered = True
        plugins.load()
        return self._entries

    def from_outside(self) -> dict[str, Entry]:
        """What modules outside of this package have registered so far."""
        return {slug: entry for slug, entry in self._outside.items() if slug in self._entries}

    def __getitem__(self, slug: str) -> Entry:
        entries = self.discover()
        if slug not in entries:
            raise ConfigError(f"unknown {self.kind} '{slug}'{did_you_mean(slug, entries)}")
        return entries[slug]


methods = Registry("method", "dst_repro.methods")
models = Registry("model", "dst_repro.models")
datasets = Registry("dataset", "dst_repro.data")
plots = Registry("plot", "dst_repro.plots")
tables = Registry("table", "dst_repro.tables")
drops = Registry("prune rule", "dst_repro.sparsity")
grows = Registry("growth rule", "dst_repro.sparsity")
tricks = Registry("trick", "dst_repro.tricks")
claims = Registry("claim rule", "dst_repro.claims")

ALL = {r.kind: r for r in (methods, models, datasets, plots, tables, drops, grows, tricks, claims)}
