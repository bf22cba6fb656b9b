"""The runs of a suite for the page: by cell, with their learning curves, and what they were computed on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dst_repro.records import record
from dst_repro.records.frames import STATUSES, Frames
from dst_repro.report import links
from dst_repro.report.terminal import plus_minus, readings
from dst_repro.statistics.summary import summarise
from dst_repro.tables import names
from dst_repro.words import how_many

POINTS = 12
"""Of a learning curve at most."""
WIDTH, HEIGHT = 120, 24
NAMED = ("seed", "dataset", "model", "method", "density")
"""Fields that stand in a cell's name, not among its settings."""
PARENTS = ("weights_from", "mask_from")
"""Fields that are the settings of another run."""


def counts(runs: pd.DataFrame) -> list[tuple[str, int]]:
    """How many runs are planned, of each status, and stale."""
    found = Counter(runs["status"])
    return [("planned", len(runs)), *((s, found[s]) for s in STATUSES), ("stale", int(runs["stale"].sum()))]


def statements(runs: pd.DataFrame) -> list[str]:
    """What was reduced."""
    reduced = Counter(v for v in runs["reduced"] if isinstance(v, str) and v)
    return [f"Reduced ({number:,} of {how_many(len(runs), 'run')}): {value}" for value, number in reduced.items()]


def stale(runs: pd.DataFrame) -> list[tuple[str, int]]:
    """(commit that trained them, number) of the stale runs."""
    commits = runs.loc[runs["stale"], "trained_at"].fillna("unknown")
    return sorted(Counter(map(str, commits)).items())


def titles(runs: pd.DataFrame) -> dict[str, str]:
    """Cell -> what a reader calls it: `DST, LeNet-300-100, MNIST`."""
    firsts: list[dict[Any, Any]] = runs.drop_duplicates("cell").to_dict("records")
    return {row["cell"]: ", ".join(names.row(row, ("method", "model", "dataset"))) for row in firsts}


def cells(frames: Frames, results: Path, folder: Path, computed_on: Mapping[str, str]) -> list[dict[str, Any]]:
    """All runs under their cell. `folder` is that of the suite, `results` the one that holds `runs`; `computed_on` are
    the names of the runs' environments."""
    runs = frames.runs
    told = runs.assign(accuracy=100 * readings(runs, "test_accuracy"), reached=100 * readings(runs, "density"))
    told["curve"] = told["id"].map(curves(frames.history))
    told["folder"] = [links.to_file(record.folder(results, run), folder) for run in told["id"]]
    told["environment"] = told["id"].map(computed_on)
    called = titles(runs)
    return [
        {
            "cell": cell,
            "anchor": links.anchor(str(cell)),
            "title": called[str(cell)],
            "target": group["density"].iloc[0],
            "experiments": sorted({e for of_run in group["experiments"] for e in of_run}),
            "config": _settings(group["config"].iloc[0]),
            "accuracy": plus_minus(summarise(group["accuracy"])),
            "reached": summarise(group["reached"]).mean,
            "seconds": group["wall_seconds"].sum(),
            "computed": _same(group[["environment", "trained_at"]]),
            "planned": bool((group["status"] == "missing").all()),
            "runs": group.sort_values("seed").to_dict("records"),
        }
        for cell, group in told.groupby("cell", sort=False)
    ]


def _same(told: pd.DataFrame) -> tuple[Any, ...] | None:
    """Environment and commit, where all runs of a cell with a record have the same."""
    known = told.astype(object).where(told.notna(), None).dropna(how="all")
    found = set(known.itertuples(index=False, name=None))
    return found.pop() if len(found) == 1 else None


def _settings(config: str) -> str:
    """The configuration but for what the cell's name says: `alpha 0.001, epochs 20`."""
    fields = {key: value for key, value in json.loads(config).items() if key not in NAMED}
    return ", ".join(f"{key} {_plain(value, int(key in PARENTS))}" for key, value in fields.items())


def _plain(value: Any, parents: int = 0) -> str:
    """What a run starts from is itself told, but not what that one starts from: tickets have chains of twenty."""
    if not isinstance(value, dict):
        return value if isinstance(value, str) else json.dumps(value)
    told = []
    for key, inner in value.items():
        again = key in PARENTS and parents > 0
        told.append(f"{key} …" if again else f"{key} {_plain(inner, parents + (key in PARENTS))}")
    return "{" + ", ".join(told) + "}"


def curves(history: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Run -> the path of its test accuracy over the epochs, in a box of `WIDTH` and `HEIGHT`, and what it says."""
    found = history[history["name"] == "test_accuracy"]
    return {
        str(run): _curve(rows["epoch"].to_numpy(float), 100 * rows["value"].to_numpy(float))
        for run, rows in found.groupby("id", observed=True, sort=False)
        if len(rows) > 1
    }


def _curve(epochs: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> dict[str, str]:
    chosen = np.unique(np.linspace(0, len(values) - 1, POINTS).round().astype(int))
    low, high = values.min(), values.max()
    x = WIDTH * (epochs[chosen] - epochs[0]) / max(epochs[-1] - epochs[0], 1)
    y = HEIGHT - HEIGHT * (values[chosen] - low) / (high - low or 1)
    at = np.column_stack([x, y]).round().astype(int)
    steps = "l" + " ".join(f"{dx} {dy}" for dx, dy in np.diff(at, axis=0)).replace(" -", "-")
    said = f"{values[0]:.1f} to {values[-1]:.1f} in {len(values)} epochs, highest {high:.1f}"
    return {"path": f"M{at[0][0]} {at[0][1]}{steps}", "said": said}


def environments(ids: Iterable[str], results: Path) -> tuple[list[tuple[str, str, int]], dict[str, str]]:
    """What the runs were computed on: (name, what it is, number of runs), the commonest first, and the name of each
    run's own. A run without a `runtime.json` has none."""
    found = {run: text for run in ids if (text := _computed_on(record.runtime(results, run)))}
    common = Counter(found.values()).most_common()
    named = {text: f"E{number}" for number, (text, _) in enumerate(common, 1)}
    return [(named[text], text, count) for text, count in common], {run: named[text] for run, text in found.items()}


def _computed_on(runtime: Mapping[str, Any]) -> str:
    """`AMD EPYC, 2 cores, cpu, Linux x86_64, torch 2.13.0`; the commit is told of each run by itself."""
    facts = [str(runtime[key]) for key in ("processor", "device", "system") if runtime.get(key)]
    facts += [f"{runtime['cores']} cores"] if runtime.get("cores") else []
    return ", ".join(facts + [f"{name} {version}" for name, version in runtime.get("versions", {}).items()])
