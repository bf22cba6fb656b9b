"""Whether a criterion prunes as many weights as the prune rate says."""

from __future__ import annotations

from typing import Any

from dst_repro.claims.base import Answer, Verdict, gaps, of_share, used
from dst_repro.claims.settings import short
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.sparsity.schedule import DECAYS
from dst_repro.tables.cells import Selected, cells


class PrunesParams(Selected):
    criterion: str = "each-sign-equal"
    """One of those that the runs compare."""
    tolerance: float = 0.005
    """How far the share of active weights that it selects may be from the prune rate at any update ..."""
    far_more: float | None = None
    """... or how many times the rate it selects at the last update, at least."""


@claims.register("prunes-its-share", PrunesParams)
def prunes_its_share(frames: Frames, params: PrunesParams) -> Answer:
    """At every update a criterion selects the share of active weights that the prune rate says, or far more at the last

    The latest update of every epoch counts, over layers that take part. The statistic is the largest distance from the
    rate, or the share selected over the rate at the last update, the lowest of all runs.
    """
    known = cells(frames.runs, params.where)
    rows: list[tuple[str, float, float, float]] = []  # id, step, share selected, rate
    for cell in known:
        for run in cell.finished.to_dict("records"):
            rows += _updates(frames, {str(key): value for key, value in run.items()}, params.criterion)
    if not rows:
        return Answer("not run", f"no finished run compared what {params.criterion} selects{gaps(known)}")
    last = {name: (share, rate) for name, _, share, rate in sorted(rows, key=lambda row: row[1])}
    ends = [(100 * share, 100 * rate) for share, rate in last.values()]
    share, rate = max(ends, key=lambda end: end[0] / end[1])
    text = f"{short(params.criterion)} selects at the last update {share:.2f} % at a rate of {rate:.2f} %"
    if params.far_more is None:
        statistic = max(abs(share - rate) for _, _, share, rate in rows)
        threshold, hits = params.tolerance, sum(abs(share - rate) <= params.tolerance for _, _, share, rate in rows)
        cases = len(rows)
        text += f"; off the rate by {100 * statistic:.2f} points at most in {cases} epochs of {len(last)} runs, "
        text += f"allowed {100 * params.tolerance:g}"
    else:
        statistic = min(share / rate for share, rate in ends)
        threshold, hits, cases = params.far_more, sum(s / r >= params.far_more for s, r in ends), len(ends)
        text += f"; at least {statistic:.1f} times the rate in {cases} runs, to be {params.far_more:g}"
    verdict: Verdict = of_share(hits, cases, 1.0)
    counted = [cell for cell in known if set(cell.finished["id"]) & set(last)]
    return Answer(verdict, text + gaps(counted), statistic, threshold=threshold, runs=used(counted))


def _updates(frames: Frames, run: dict[str, Any], criterion: str) -> list[tuple[str, float, float, float]]:
    history = frames.history[frames.history["id"] == run["id"]]
    counts = history[history["name"].isin(["kept", f"selected/{criterion}"])]
    wide = counts.pivot(index=["step", "layer"], columns="name", values="value")
    if f"selected/{criterion}" not in wide:
        return []
    wide = wide[wide[f"selected/{criterion}"] > 0]
    total, word = int(history["step"].max()), run["method_params.update_period"]
    period = total / run["epochs"] if word == "epoch" else float(word)
    end = max(1, int(run["method_params.update_end"] * total + 1e-9))
    found = []
    for step, layers in wide.groupby(level="step"):
        sums = layers.sum()
        latest = int(min(int(str(step)), end - 1) // period * period)
        rate = DECAYS[run["method_params.decay"]](run["method_params.prune_rate"], latest, end)
        found.append((str(run["id"]), float(str(step)), sums[f"selected/{criterion}"] / sums["kept"], rate))
    return found
