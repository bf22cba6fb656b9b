"""Whether a parameter alone decides the density."""

from __future__ import annotations

from scipy import stats

from dst_repro.claims.at_density import known, of_method
from dst_repro.claims.base import Answer, Verdict, not_run, settled
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.tables.cells import Selected


class MonotoneParams(Selected):
    method: str = "dst"
    parameter: str = "method_params.alpha"
    rho: float = -1.0
    """Spearman's correlation of parameter and density, at most."""
    diverged: float = 0.2
    """The share of diverged runs of each value of the parameter, at most."""


@claims.register("monotone", MonotoneParams)
def monotone(frames: Frames, params: MonotoneParams) -> Answer:
    """The larger the parameter, the sparser the network, and hardly a run diverges

    The statistic is Spearman's correlation of the parameter and the mean density over seeds. It has no interval: fewer
    than two trained seeds of a value, or three values, settle nothing.
    """
    swept = [c for c in of_method(known(frames, params.where), params.method) if c.get(params.parameter) is not None]
    swept.sort(key=lambda c: float(c.get(params.parameter)))
    points = [(float(c.get(params.parameter)), c.density.mean) for c in swept if c.finished]
    if len(points) < 2:
        return not_run(f"{len(points)} values of {params.parameter} have a finished run")
    rho = float(stats.spearmanr(*zip(*points, strict=True)).statistic)
    trained = [[run["status"] for run in c.runs if run["status"] in ("finished", "diverged")] for c in swept]
    diverged = max(statuses.count("diverged") / len(statuses) for statuses in trained if statuses)
    holds = rho <= params.rho + 1e-9 and diverged <= params.diverged + 1e-9
    verdict: Verdict = settled("holds" if holds else "fails", [*map(len, trained), len(points) - 1])
    ends = " to ".join(f"{value:g} ({density:.3g} %)" for value, density in (points[0], points[-1]))
    evidence = (
        f"Spearman {rho:.2f}, asked {params.rho:g}, over {len(points)} values from {ends}; of no value more than "
        f"{100 * diverged:.0f} % of the runs diverged, asked {100 * params.diverged:g} %"
    )
    if few := sum(len(statuses) < 2 for statuses in trained):
        evidence += f"; {few} of {len(swept)} values have fewer than two trained seeds"
    runs = tuple(str(run["id"]) for c in swept for run in c.finished)
    return Answer(verdict, evidence, rho, threshold=params.rho, runs=runs)
