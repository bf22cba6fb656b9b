"""What there is, as text: plug-ins, suites, one run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

from dst_repro.cli.standing import standing
from dst_repro.plan.catalogue import catalogue
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import Suite
from dst_repro.records import record
from dst_repro.records.record import Record


def plug_ins(outside: bool = False) -> Iterator[str]:
    """Every method, model, data set, table and plot, with its parameters and their defaults; or only those from
    outside of this package.
    """
    for kind, entries in catalogue().items():
        listed = {s: e for s, e in entries.items() if not (outside and e["module"].startswith("dst_repro."))}
        if not listed:
            continue
        yield f"{kind}s"
        for slug, entry in listed.items():
            params = entry["schema"].get("properties", {})
            shown = ", ".join(f"{n}={json.dumps(p['default'])}" if "default" in p else n for n, p in params.items())
            yield f"  {slug:<23} {entry['title']}" + (f"\n  {'':<24}{shown}" if shown else "")
        yield ""


def contents(suite: Suite) -> Iterator[str]:
    """What a suite selects."""
    yield f"suite {suite.file.suite}: {suite.file.title}"
    yield f"  {len(suite.runs)} runs in {len(suite.cells)} cells"
    for slug, experiment in suite.experiments.items():
        reduced = f" [reduced: {experiment.reduced}]" if experiment.reduced else ""
        yield f"  experiment {slug:<22}{len(suite.members[slug]):>5} runs  {experiment.title}{reduced}"
    for key, item in suite.items.items():
        yield f"  {item.kind:<7}{key:<35} {item.title}"


def explain(suite: Suite, run: RunConfig) -> Iterator[str]:
    """One run: where it is used, every setting, what came of it, and its files."""
    results = Path(suite.file.results_dir)
    found = record.read(results, run.id, lambda line: None)  # the next line says it
    yield f"{run.id}: {standing(run, results).text}"
    members = suite.experiments_of.get(run.id, [])
    yield f"experiments: {', '.join(members) or 'none of this suite'}"
    items = [key for key, item in suite.items.items() if not set(members).isdisjoint(item.experiments)]
    yield f"used in:     {', '.join(items) or 'no item'}"
    for key, value in run.full().items():
        mark = "*" if key in run.nondefault else " "
        yield f"  {mark} {key:<18}{json.dumps(value)}"
    if found and found.metrics:
        for name, metrics in found.metrics:
            if metrics is None:
                yield f"{name:<20}none"
            else:
                yield (
                    f"{name:<20}epoch {metrics.epoch}, test accuracy {100 * metrics.test_accuracy:.2f} %, "
                    f"density {100 * metrics.density:.2f} %"
                )
    if found and found.layers:
        yield from _layers(found)
    yield f"files:       {record.folder(results, run.id)}"


def _layers(found: Record) -> Iterator[str]:
    """How many weights each layer has kept, how many of them lie on a path, and where none does."""
    for layer in found.layers:
        kept = f"{layer.kept:>10} of {layer.numel:>10} kept ({100 * layer.kept / layer.numel:.2f} %)"
        on_path = layer.effective
        known = "" if on_path is None else f", {on_path:>10} effective ({100 * on_path / layer.numel:.2f} %)"
        yield f"  {layer.name:<20}{kept}{known}"
    if found.density_of_all is not None and found.unmasked:
        for name, shape in found.unmasked.items():
            yield f"  {name:<20}{math.prod(shape):>24} not masked"
        yield f"density:     {100 * found.density_of_all:.2f} % of all weights"
    collapsed = found.collapsed
    yield f"collapsed:   {'not recorded' if collapsed is None else ', '.join(collapsed) or 'no layer'}"
