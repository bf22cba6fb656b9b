"""How far masks move from where they start."""

from __future__ import annotations

from dst_repro.claims.base import Answer, above, gaps, together, used
from dst_repro.claims.settings import GridParams, all_cells, settings, short
from dst_repro.plots.mask_overlap import MaskOverlap, OverlapParams
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.statistics.summary import Summary
from dst_repro.tables.cells import Cell
from dst_repro.words import how_many


class MoveParams(GridParams):
    below: float = 0.5
    """What the Jaccard index of the last mask with the initial one is below."""
    most_density: float = 0.2
    """Settings of target densities up to this one count."""


@claims.register("masks-move", MoveParams)
def masks_move(frames: Frames, params: MoveParams) -> Answer:
    """The last masks are far from the initial ones, by every criterion

    Jaccard index over the network, and the mean of its layers', without layers that keep all their weights. The
    statistic is the highest mean over seeds, with its interval.
    """
    known = [s for s in settings(frames.runs, params) if s.density <= params.most_density + 1e-9]
    every = all_cells(known)
    history = frames.history[frames.history["name"].isin(["kept", "from_start", "explored"])]
    history = history[history["epoch"] == history.groupby("id")["epoch"].transform("max")]
    found: list[tuple[Summary, Cell, float]] = []
    by: dict[str, list[float]] = {"network": [], "layers": []}
    for cell in every:
        rows = MaskOverlap.frame(Frames(cell.runs, history), OverlapParams())
        for row in rows[rows["metric"] == "jaccard"].to_dict("records"):
            found.append((Summary(int(row["n"]), float(row["mean"]), float(row["std"])), cell, float(row["random"])))
            by[str(row["over"])].append(float(row["mean"]))
    if not found:
        return Answer("not run", f"no finished run counted how far its mask moved{gaps(every)}")
    verdict = together("fails" if (v := above(one, params.below)) == "holds" else "holds" if v == "fails" else v
                       for one, _, _ in found)  # fmt: skip
    highest, cell, _ = max(found, key=lambda one: one[0].mean)
    low, high = highest.interval()
    chance = max(random for _, _, random in found)
    missing = len(every) - len({cell.id for _, cell, _ in found})
    text = "index with the initial mask over the network {} to {}, mean of layers {} to {}".format(
        *(f"{end(by[over]):.2f}" for over in by for end in (min, max))
    )
    text += f"; the highest {highest.mean:.2f} [{low:.2f}, {high:.2f}] by {short(cell.field(params.treatment))} "
    text += f"({cell.dataset}, {cell.model}, {cell.setting}), to be below {params.below:g}; of random masks at most "
    text += f"{chance:.2f}"
    text += f"; {how_many(missing, 'cell')} unknown" if missing else ""
    return Answer("inconclusive" if missing and verdict == "holds" else verdict, text + gaps(every), highest.mean, low,
                  high, params.below, used(every))  # fmt: skip
