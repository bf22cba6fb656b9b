"""`docs/data.md`: every column of the files that the suite writes, from the descriptions beside their definitions."""

from __future__ import annotations

import importlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from dst_repro.claims import answering
from dst_repro.columns import Column
from dst_repro.compare import frame as comparison
from dst_repro.plan.catalogue import catalogue
from dst_repro.plan.config import PLUGGED, RunConfig
from dst_repro.plan.optimisation import OPTIMIZERS, SCHEDULES
from dst_repro.published.loader import Published
from dst_repro.records.frames import HISTORY, MEASURED, OPTIONAL, RUNS
from dst_repro.records.record import LayerCount
from dst_repro.registry import tables
from dst_repro.report import scorecard
from dst_repro.tables import long

HEAD = """# Columns of the results

`make dictionary` writes this page from the definitions in the source. Accuracies and densities are shares of 1 in
`runs.parquet` and `history.parquet`; in the CSVs of tables, of the comparison and of published numbers they are
percent, and differences are points. Texts are empty, numbers null where nothing is known.
"""
TYPES = {
    "string[pyarrow]": "text",
    "str": "text",
    "object": "list",
    "bool": "yes or no",
    "float64": "number",
    "int64": "integer",
}

Row = tuple[str, ...]


def page() -> str:
    """The whole page, Markdown."""
    parts = [HEAD]
    for title, about, heads, rows in _sections():
        parts.append(f"## {title}\n\n{about}\n\n{_grid(heads, rows)}\n")
    return "\n".join(parts)


def _sections() -> Iterator[tuple[str, str, Row, list[Row]]]:
    named = ("column", "type", "unit", "meaning")
    yield "runs.parquet", "`results/<suite>/runs.parquet`: one row a planned run.", named, list(_runs())
    about = (
        "What plug-ins take, as `method_params.alpha`; with `weights_from.` or `mask_from.` before the name that of "
    )
    about += "the run whose weights or mask this one takes."
    yield "Parameters in runs.parquet", about, ("column", "type", "meaning", "of"), list(_parameters())
    yield "layers in runs.parquet", "One object a layer, in JSON.", ("key", "meaning"), list(_fields(LayerCount))
    history: list[Row] = [(f"`{f.name}`", _arrow(f.type), f.metadata[b"description"].decode()) for f in HISTORY]
    about = "`results/<suite>/history.parquet`, and without `id` that of each run: one row a value."
    yield "history.parquet", about, ("column", "type", "meaning"), history
    yield (
        "name in history.parquet",
        "What is measured.",
        ("name", "meaning"),
        [(f"`{k}`", v) for k, v in MEASURED.items()],
    )
    about = "`results/<suite>/<table>.csv`: one row a number. The last column says which tables have it."
    yield "CSVs of tables", about, (*named, "tables"), list(_long())
    yield "comparison.csv", "One row a published number.", named, list(_described(comparison.MEANINGS))
    yield "claims.csv", "One row a claim.", named, list(_described(answering.MEANINGS))
    yield "scorecard.csv", "One row a paper.", named, list(_described(scorecard.MEANINGS))
    about = "`dst_repro/published/*.csv`: one row a printed number."
    yield "Published numbers", about, ("column", "meaning"), list(_fields(Published))


def _runs() -> Iterator[Row]:
    """The checked columns, then the fields of a configuration that have a column of their own."""
    for name, column in {**RUNS.columns, **OPTIONAL}.items():
        yield (
            f"`{name}`",
            TYPES[str(column.dtype)],
            (column.metadata or {}).get("unit", ""),
            _sentence(column.description or ""),
        )
    properties = RunConfig.model_json_schema()["properties"]
    for name, field in RunConfig.model_fields.items():
        if name not in (*RUNS.columns, *OPTIONAL) and not name.endswith("_params"):
            yield f"`{name}`", _kind(properties[name]), "", _sentence(field.description or "")


def _parameters() -> Iterator[Row]:
    """One row a parameter and meaning, with the plug-ins that have it."""
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for prefix, slug, schema in _schemas():
        for name, spec in schema.get("properties", {}).items():
            found[f"{prefix}.{name}", _kind(spec)][spec.get("description", "")].append(slug)
    meanings = {name: next(filter(None, told), "") for (name, _), told in found.items()}
    for (name, kind), told in sorted(found.items()):
        merged: dict[str, list[str]] = defaultdict(list)
        for meaning, slugs in told.items():
            merged[meaning or next(filter(None, told), meanings[name])] += slugs
        for meaning, slugs in merged.items():
            yield f"`{name}`", kind, _sentence(meaning), ", ".join(sorted(slugs))


def _schemas() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for kind in PLUGGED:
        yield from ((f"{kind}_params", slug, entry["schema"]) for slug, entry in catalogue()[kind].items())
    yield from ((f"tricks.{slug}", slug, entry["schema"]) for slug, entry in catalogue()["trick"].items())
    for kind, models in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        yield from ((f"{kind}_params", slug, model.model_json_schema()) for slug, model in models.items())


def _kind(spec: Mapping[str, Any]) -> str:
    words = {"string": "text", "boolean": "yes or no", "array": "list", "object": "JSON"}
    kinds = [inner.get("type", "text") for inner in spec.get("anyOf", [spec])]
    return " or ".join(words.get(kind, kind) for kind in kinds if kind != "null")


def _fields(model: type[BaseModel]) -> Iterator[Row]:
    return ((f"`{name}`", _sentence(field.description or "")) for name, field in model.model_fields.items())


def _long() -> Iterator[Row]:
    have = defaultdict(list)
    for slug, entry in sorted(tables.discover().items()):
        for name in getattr(importlib.import_module(entry.module), "LONG", ()):
            have[name].append(slug)
    every = len(set().union(*have.values()))
    for name, column in long.COLUMNS.items():
        slugs = "all" if len(have[name]) == every else ", ".join(have[name])
        yield f"`{name}`", column.type, column.unit, _sentence(column.meaning), slugs


def _described(columns: Mapping[str, Column]) -> Iterator[Row]:
    return ((f"`{name}`", c.type, c.unit, _sentence(c.meaning)) for name, c in columns.items())


def _arrow(kind: Any) -> str:
    words = {"int64": "integer", "double": "number"}
    return words.get(str(kind), "text")


def _sentence(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _grid(heads: Row, rows: Iterable[Row]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join("| " + " | ".join(word.replace("|", r"\|") for word in line) + " |" for line in lines)
