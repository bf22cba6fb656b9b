"""How far sparse networks may fall behind dense ones: as far as the paper prints, within a margin."""

from __future__ import annotations

from typing import Any

from dst_repro.claims.at_density import BESIDE, accuracies, dense_beside, known, of_method, reached
from dst_repro.claims.base import Answer, above, not_run, shown
from dst_repro.errors import ConfigError
from dst_repro.published import loader as published
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.paired import paired
from dst_repro.statistics.verdicts import margin
from dst_repro.tables.cells import Selected
from dst_repro.tables.pivot import HEADINGS


class CloseToDenseParams(Selected):
    published: str
    """The item that prints both accuracies, as `paper/item`."""
    model: str
    percent: float
    """The printed density, in percent."""
    method: str = "dst"
    tolerance: float | None = None
    """Points by which the difference may be lower than the printed one; by default the margin of the data set."""


@claims.register("close-to-dense", CloseToDenseParams)
def close_to_dense(frames: Frames, params: CloseToDenseParams) -> Answer:
    """At a printed density the sparse network is no further below the dense one than printed, within a margin

    Seed by seed, at the density by interpolation (`statistics.matching`). The statistic is the difference in points,
    its threshold the printed one less the tolerance; its interval decides.
    """
    number = printed(params)
    found = known(frames, params.where)
    same = of_method(found, params.method, params.model)
    sparse = reached(same, params.percent)
    dense = dense_beside(found, sparse.cells[0]) if sparse.cells else None
    if dense is None:
        return not_run(f"no seed's runs enclose {params.percent:g} % of the weights, beside a dense network")
    gap = number["value"] - number["dense"]["value"]
    tolerance = params.tolerance
    if tolerance is None:
        tolerance = margin("top1", number["dataset"], number["value"], number["status"])
    readings = [sparse.cells[0].reading, *(BESIDE if sparse.cells[0].reading == "last" else ())]
    differences = {name: paired(reached(same, params.percent, name).values, accuracies(dense, name))
                   for name in readings}  # fmt: skip
    judged = differences[readings[0]]
    beside = [f"{HEADINGS[name]} {shown(one)}" for name, one in differences.items() if one.n]
    asked = f"at {params.percent:g} %, asked at least {gap - tolerance:+.2f} (published {gap:+.2f} less {tolerance:g})"
    runs = sparse.runs + tuple(str(run["id"]) for run in dense.finished if run["seed"] in sparse.values)
    return Answer(above(judged, gap - tolerance), f"sparse less dense {asked}: {', '.join(beside)}{sparse.without}",
                  judged.mean, judged.low, judged.high, gap - tolerance, runs)  # fmt: skip


def printed(params: CloseToDenseParams) -> dict[str, Any]:
    """The number, with the dense one beside. Raises `ConfigError` where the item doesn't print both."""
    for number in published.sparse_accuracies([params.published]):
        same = (number["model"], number["method"], number["density_percent"])
        if same == (params.model, params.method, params.percent) and number["metric"] == "top1" and number["dense"]:
            return number
    words = f"{params.method} on {params.model} at {params.percent:g} %"
    raise ConfigError(f"prints no accuracy of {words} and of the dense network", params.published)
