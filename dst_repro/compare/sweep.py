"""The runs of a method over alpha as one curve, read at the density of a published number."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dst_repro.compare.cells import HARMLESS, Cell
from dst_repro.compare.verdicts import percent
from dst_repro.statistics.matching import Matched, Point, match
from dst_repro.statistics.summary import Summary, summarise

ALPHA = "method_params.alpha"
READINGS = ("last", "best_on_test", "sparsest")


@dataclass(frozen=True)
class Sweep:
    """Cells that differ in alpha alone, by rising alpha, and the density at which they are read, in percent."""

    cells: tuple[Cell, ...]
    percent: float

    @property
    def planned(self) -> int:
        """Seeds of all its runs, finished or not."""
        return len({run["seed"] for cell in self.cells for run in cell.runs})

    def at(self, metric: str, reading: str) -> Matched:
        """Accuracies, errors or densities by masks (`metric`), in percent, at the density as it is compared
        (`counting`); both are those of the epoch `reading`.
        """
        curves: dict[int, list[Point]] = {}
        for cell in self.cells:
            for run in cell.finished:
                accuracy = 100 * run[f"{reading}.test_accuracy"]
                values = {
                    "error": 100 - accuracy,
                    "density": 100 * run[f"{reading}.density"],
                    "top5": percent(run.get(f"{reading}.test_top5")),
                }
                point = Point(100 * run[f"{reading}.counted"], values.get(metric, accuracy), cell.id)
                curves.setdefault(run["seed"], []).append(point)
        return match(curves, self.percent)

    def sample(self, metric: str, reading: str) -> Summary:
        return summarise(self.at(metric, reading).values.values())

    def used(self, metric: str, reading: str) -> list[Cell]:
        """The cells that enclose the density, the sparser first; all where none do."""
        between = self.at(metric, reading).between
        return sorted((c for c in self.cells if c.id in between), key=lambda c: between.index(c.id)) or list(self.cells)

    def says(self, metric: str, reading: str) -> str:
        """How the value came about, or why there is none."""
        found = self.at(metric, reading)
        alphas = [f"{_alpha(cell):g}" for cell in self.used(metric, reading)]
        beyond = [f"seed {s} reaches {low:.3g} to {high:.3g} %" for s, (low, high) in sorted(found.outside.items())]
        if not found.values:
            return f"no seed's runs enclose the density ({', '.join(beyond)})"
        ends = " to ".join(dict.fromkeys([alphas[0], alphas[-1]]))
        text = f"at the published density, interpolated seed by seed over log density (alpha {ends})"
        return f"{text}; outside: {', '.join(beyond)}" if beyond else text


def sweep_at(cells: Iterable[Cell], percent: float) -> Sweep | None:
    """Of the sweeps among the cells the plainest that encloses the density at some reading."""
    groups: dict[str, list[Cell]] = {}
    for cell in sorted(cells, key=lambda c: c.plainness):
        if cell.get("density") is None and cell.get(ALPHA) is not None:
            groups.setdefault(_but_for_alpha(json.loads(cell.get("config"))), []).append(cell)
    sweeps = [Sweep(tuple(sorted(group, key=_alpha)), percent) for group in groups.values()]
    return next((s for s in sweeps if any(s.at("top1", reading).values for reading in READINGS)), None)


def _alpha(cell: Cell) -> float:
    return float(cell.get(ALPHA))


def _but_for_alpha(config: dict[str, Any]) -> str:
    fields = {key: value for key, value in config.items() if key not in HARMLESS}
    fields["method_params"] = {k: v for k, v in fields.get("method_params", {}).items() if k != "alpha"}
    return json.dumps(fields, sort_keys=True)
