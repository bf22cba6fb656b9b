"""Whether setting thresholds of emptied layers back to zero keeps runs alive at larger alphas."""

from __future__ import annotations

import json
import statistics
from typing import Any

from dst_repro.claims.at_density import known, of_method
from dst_repro.claims.base import Answer, Verdict, not_run, settled
from dst_repro.claims.over_time import kept
from dst_repro.compare.cells import Cell
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.summary import summarise
from dst_repro.tables.cells import Selected

ALPHA, RESET = "method_params.alpha", "method_params.reset"


class ResetWidensParams(Selected):
    method: str = "dst"
    chance: float = 12.0
    """Accuracy in percent at which a network only guesses, at most."""
    epochs: int = 10
    """The last epochs whose median ratio is compared with the last one; only reported."""


@claims.register("reset-widens", ResetWidensParams)
def reset_widens(frames: Frames, params: ResetWidensParams) -> Answer:
    """With resets larger alphas can be used than without

    An alpha can be used if none of its runs diverges, guesses, or ends with an empty layer. Of the alphas with runs of
    both kinds the largest that can be used has to be larger with resets; where it is the same, nothing is shown. The
    statistic is the share of runs without resets that break, less that with them.
    """
    cells = of_method(known(frames, params.where), params.method)
    sides = {
        flag: {float(c.get(ALPHA)): c for c in cells if _resets(c) is flag and _ended(c)} for flag in (True, False)
    }
    both = sorted(sides[True].keys() & sides[False].keys())
    if not both:
        return not_run("no alpha with finished runs both with and without resets")
    pair = {flag: [side[alpha] for alpha in both] for flag, side in sides.items()}
    broken = {
        flag: [sum(_broken(run, params.chance) for run in _ended(c)) for c in side] for flag, side in pair.items()
    }
    usable = {flag: max((a for a, n in zip(both, counts, strict=True) if n == 0), default=0.0)
              for flag, counts in broken.items()}  # fmt: skip
    verdict: Verdict = "inconclusive"
    if usable[True] != usable[False]:
        verdict = "holds" if usable[True] > usable[False] else "fails"
    totals = {flag: sum(len(_ended(c)) for c in side) for flag, side in pair.items()}
    share = sum(broken[False]) / totals[False] - sum(broken[True]) / totals[True]
    words = []
    for flag, name in ((True, "with"), (False, "without")):
        words.append(f"{name} resets {sum(broken[flag])} of {totals[flag]} runs break, usable up to "
                     f"{usable[flag]:g}; {_steadiness(frames, pair[flag], params.epochs)}")  # fmt: skip
    evidence = f"alphas {', '.join(f'{alpha:g}' for alpha in both)}: {'; '.join(words)}"
    used = [c for side in pair.values() for c in side]
    runs = tuple(str(run["id"]) for c in used for run in c.finished)
    return Answer(settled(verdict, [len(_ended(c)) for c in used]), evidence, share, threshold=0.0, runs=runs)


def _resets(cell: Cell) -> bool:
    """Without the field they are on."""
    flag = cell.get(RESET)
    return True if flag is None else str(flag).lower() not in ("false", "0", "0.0")


def _ended(cell: Cell) -> list[dict[str, Any]]:
    return [run for run in cell.runs if run["status"] in ("finished", "diverged")]


def _broken(run: dict[str, Any], chance: float) -> bool:
    if run["status"] == "diverged":
        return True
    empty = any(layer["kept"] == 0 for layer in json.loads(run["layers"]))
    return empty or 100 * run["last.test_accuracy"] <= chance


def _steadiness(frames: Frames, side: list[Cell], epochs: int) -> str:
    """How far the last ratio is from the median of the last epochs, and how often layers were reset."""
    runs = [run for cell in side for run in cell.finished]
    apart = []
    for run in runs:
        curve = kept(frames, [run]).to_numpy()[:, 0]
        apart.append(abs(curve[-1] - statistics.median(curve[-epochs:])))
    history = frames.history
    ids = [run["id"] for run in runs]
    counted = history[(history["name"] == "resets") & history["id"].isin(ids)]
    resets = counted.groupby(["id", "layer"])["value"].max().sum()
    mean = summarise(apart).mean
    density = summarise(100 * run["last.density"] for run in runs).mean
    return (f"{density:.3g} % kept, {mean:.2g} points from the median of the last {epochs} epochs, "
            f"{resets / max(len(runs), 1):.1f} resets a run")  # fmt: skip
