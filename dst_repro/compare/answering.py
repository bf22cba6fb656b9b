"""Which cells of runs may answer a published number, and if none, why not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from dst_repro.compare.cells import Cell, missing_seeds
from dst_repro.compare.nets import models
from dst_repro.compare.plans import Plan
from dst_repro.compare.sweep import Sweep, sweep_at
from dst_repro.records.frames import TOGETHER

# slug of the published tables, of all papers or of one, `paper/slug` -> slug of the suite and what its parameters must
# be; others have one name in both
METHODS: dict[str, tuple[str, dict[str, str]]] = {
    "random": ("static", {}),
    "static-erk": ("static", {"method_params.distribution": "erk"}),
    "lth": ("imp", {}),
    "prune-from-dense": ("gmp", {}),
    "magnitude-init": ("one-shot", {"method_params.scope": "global"}),
    # as its mask generators draw and prune: all weights of the network compete
    "tost/random": ("static", {"method_params.distribution": "global"}),
    "tost/lth": ("imp", {"method_params.scope": "global"}),
}
STARTS_TRAINED = {"gmp": False, "prune-from-dense": True, "magnitude-init": False, "lth": False}
"""Whether the network that is pruned or trained comes from another run."""
AS_FOUND = {"initialisation": "original", "method_params.positions": "scored"}
"""No control with other weights or other positions answers for its method."""
SETTINGS = {
    "alpha": "method_params.alpha",
    "dist": "method_params.distribution",
    "epochs": "epochs",
    "lr": "learning_rate",
    "prune_rate": "method_params.prune_rate",
}
DESCRIBES_THE_NUMBER = frozenset({"baseline_of", "compression", "layer", "run_set"})  # not how the net was trained
ABSENT = {"label_smoothing": "no", "length": "1x", "dist": "none"}  # what a run has that says nothing of the key
TOST = frozenset({"ghost-skips", "label-smoothing", "rescaled-init", "soft-neurons"})
"""The tricks of a method that is published with `+tost`."""


class Row(NamedTuple):
    """What a published number says about the runs that could answer it."""

    paper: str
    dataset: str
    model: str
    method: str
    density_percent: float
    settings: dict[str, str | float]


class NotRun(NamedTuple):
    kind: str  # for counting
    reason: str  # in plain words


def equal(ours: Any, published: str | float) -> bool:
    """Numbers to nine digits (a column of mixed types holds numbers as text), words to the letter."""
    try:
        return math.isclose(float(ours), float(published), rel_tol=1e-9)
    except (TypeError, ValueError):
        return bool(ours == published)


def same_density(target: float, percent: float) -> bool:
    """A target density in [0, 1] and a printed one: equal but for rounding (56.2341 % is printed of 10^-0.25)."""
    return math.isclose(100 * target, percent, rel_tol=5e-3)


def _same_method(row: Row, cell: Cell) -> bool:
    mask, _, tost = row.method.partition("+")
    slug, wanted = METHODS.get(f"{row.paper}/{mask}", METHODS.get(mask, (mask, {})))
    tricks = set(str(cell.get("tricks")).split(TOGETHER)) if cell.get("tricks") else set()
    trained = _has(cell, "weights_from") and not _has(cell, "weights_at")  # rewound weights are no trained ones
    return (
        cell.get("method") == slug
        and all(cell.get(column) == value for column, value in wanted.items())
        and tricks == (TOST if tost else set())
        and all(cell.get(column) in (None, value) for column, value in AS_FOUND.items())
        and STARTS_TRAINED.get(mask, trained) == trained
    )


def _has(cell: Cell, field: str) -> bool:
    return any(column.startswith(field) and cell.get(column) is not None for column in cell.runs[0])


def _same_setting(key: str, value: str | float, cell: Cell) -> bool:
    ours = cell.get(SETTINGS.get(key, key))
    return value == ABSENT.get(key) if ours is None else equal(ours, value)


def _listed(values: Iterable[Any]) -> str:
    found = sorted({v for v in values if v is not None}, key=lambda v: (isinstance(v, str), v))
    return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in found) or "none"


Filter = tuple[str, Callable[[Cell], Cell | None], Callable[[list[Cell]], str]]


def _whole(keep: Callable[[Cell], bool]) -> Callable[[Cell], Cell | None]:
    return lambda cell: cell if keep(cell) else None


def _setting_filter(key: str, value: str | float) -> Filter:
    column = SETTINGS.get(key, key)
    return (
        "no run at this setting",
        _whole(lambda c: _same_setting(key, value, c)),
        lambda left: f"no run with {key} {_listed([value])} (there is: {_listed(c.get(column) for c in left)})",
    )


def _filters(row: Row) -> Iterable[Filter]:
    """(kind, what stays of a cell, why none is left) in the order in which a reader would ask."""
    place = f"{row.model} on {row.dataset}"
    yield (
        "no run of this model",
        _whole(lambda c: c.get("dataset") == row.dataset and c.get("model") in models(row.paper, row.model)),
        lambda _: f"no run of {place}",
    )
    yield (
        "no run of this method",
        _whole(lambda c: _same_method(row, c)),
        lambda left: f"no run of {row.method} with {place} (there is: {_listed(c.get('method') for c in left)})",
    )
    yield from (_setting_filter(k, v) for k, v in row.settings.items() if k not in DESCRIBES_THE_NUMBER)
    yield (
        "no run at this density",
        _whole(lambda c: c.get("density") is None or same_density(c.get("density"), row.density_percent)),
        lambda left: f"no run at this density (there is: {_listed(100 * c.get('density') for c in left)} %)",
    )
    yield (
        "another protocol",
        lambda c: c.only(lambda run: row.paper in run["protocol"]),
        lambda left: (
            "the runs follow another protocol:"
            f" {_listed(p for c in left for run in c.runs for p in run['protocol'])} instead of {row.paper}"
        ),
    )
    yield (
        "reduced",
        lambda c: c.only(lambda run: not isinstance(run["reduced"], str)),
        lambda left: f"the runs are reduced: {_listed(run['reduced'] for c in left for run in c.runs)}",
    )
    yield (
        "no finished run",
        _whole(lambda c: bool(c.finished)),
        lambda left: f"no finished run: {'; '.join(missing_seeds(c) for c in left)}",
    )


@dataclass(frozen=True)
class Found:
    """What may answer a published number: the first of `cells`, or `sweep` at its density; if nothing, why."""

    cells: tuple[Cell, ...] = ()
    why: NotRun | None = None
    by_density: bool = False
    """Whether its density alone made the first cell, or the sweep, the one that answers."""
    sweep: Sweep | None = None
    """For numbers of methods without a target density, where runs at several alphas enclose the printed one."""


def answering(row: Row, known: list[Cell], margin: float, plan: Plan | None = None) -> Found:
    """The cells that may answer, the first of which does; if none, why.

    Only finished runs answer, and only they are said to be there. If none does, the runs that are not trained, in the
    frames or in the plan, are sifted too: what is planned is told from what nobody planned.
    """
    baseline = row.settings.get("baseline_of", row.paper)
    if baseline != row.paper:
        return Found(why=NotRun("another pipeline", f"the dense net of {baseline}'s own pipeline: no run follows it"))
    found = _among(row, [cell for cell in known if cell.finished], margin)
    if found.why is None or (found.by_density and found.sweep):
        return found
    return replace(found, why=_waiting(row, known, plan or Plan(), found.why))


def _among(row: Row, known: list[Cell], margin: float) -> Found:
    """Of cells with finished runs.

    Where the paper does not state what makes a net as sparse as it is (DST's alpha), a sweep that encloses the density
    answers, else a cell whose mean density lies within `margin` (relative) of the printed one, the nearest first:
    never chosen by accuracy.
    """
    at_any = row._replace(settings={key: value for key, value in row.settings.items() if key != "alpha"})
    sweep = sweep_at(_sift(at_any, known)[0], row.density_percent)
    left, why = _sift(row, known)
    if why is not None:
        return Found(why=why, sweep=sweep)
    if _has_target(row, left[0]) or "alpha" in row.settings:
        return Found(tuple(sorted(left, key=lambda c: _preference(row, c))), sweep=sweep)
    left.sort(key=lambda c: (_distance(c, row), c.plainness))
    near = tuple(c for c in left if abs(c.density.mean - row.density_percent) <= margin * row.density_percent)
    if near:
        return Found(near, by_density=True, sweep=sweep)
    unstated = "alpha not stated" if row.method == "dst" else "what sets the density is not stated"
    reason = f"{unstated}; no run within {100 * margin:g} % of the published density"
    why = NotRun("alpha not stated", f"{reason} (nearest: {left[0].density.mean:.2f} %)")
    return Found(why=why, by_density=True, sweep=sweep)


def _has_target(row: Row, cell: Cell) -> bool:
    return row.method in ("dense", "small-dense") or cell.get("density") is not None


def _preference(row: Row, cell: Cell) -> tuple[int, int, int]:
    return (models(row.paper, row.model).index(cell.get("model")), *cell.plainness)


def _waiting(row: Row, known: list[Cell], plan: Plan, why: NotRun) -> NotRun:
    """Why no run answers, once more, with those in mind that are planned; `why` is what the finished ones say."""
    left, none = _sift(row, [*known, *plan.of(row.dataset)], unfinished=True)
    if none is not None:
        same = none.kind == why.kind or not known
        return why if same else NotRun(none.kind, f"{why.reason}; planned, but {none.reason}")
    left = sorted((cell for cell in left if not cell.finished), key=lambda c: _preference(row, c))
    tried = [cell for cell in left if any(run["status"] != "missing" for run in cell.runs)]
    if tried:
        return NotRun("no finished run", f"no finished run: {'; '.join(missing_seeds(cell) for cell in tried)}")
    if not left:  # other alphas are finished, and no more of them are planned
        return why
    one = _has_target(row, left[0]) or "alpha" in row.settings
    plainest = [cell for cell in left if _preference(row, cell)[:2] == _preference(row, left[0])[:2]]
    kind, reason = plan.says(plainest[:1] if one else plainest)
    return NotRun(why.kind, f"{why.reason}; {reason}") if why.kind == "alpha not stated" else NotRun(kind, reason)


def _sift(row: Row, known: list[Cell], unfinished: bool = False) -> tuple[list[Cell], NotRun | None]:
    """The cells that pass every filter, or every one but that of finished runs; if none does, why."""
    left = known
    for kind, keep, why in _filters(row):
        if unfinished and kind == "no finished run":
            break
        kept = [part for cell in left if (part := keep(cell))]
        if not kept:
            return [], NotRun(kind, why(left))
        left = kept
    return left, None


def _distance(cell: Cell, row: Row) -> float:
    ratio = cell.density.mean / row.density_percent
    return abs(math.log(ratio)) if ratio > 0 else math.inf
