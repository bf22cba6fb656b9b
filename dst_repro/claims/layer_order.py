"""Which layers a method prunes hardest."""

from __future__ import annotations

import itertools
import json
from typing import Annotated

from pydantic import Field

from dst_repro.claims.base import Answer, of_share
from dst_repro.records.frames import Frames
from dst_repro.registry import claims
from dst_repro.tables.cells import Selected, cells
from dst_repro.words import how_many


class LayerOrderParams(Selected):
    layers: Annotated[tuple[str, ...], Field(strict=False, min_length=2)] = ("fc1", "fc2", "fc3")
    """From the sparsest to the densest."""
    first_below: float = 10.0
    """What the first keeps at most, in percent."""
    last_above: float = 99.0
    """What the last keeps at least, in percent."""


@claims.register("layer-order", LayerOrderParams)
def layer_order(frames: Frames, params: LayerOrderParams) -> Answer:
    """At the end of every run layers are the denser the later they come, the first sparse, the last dense

    The statistic is the share of runs of which that is true; it has to be true of all.
    """
    hits, used = 0, []
    for cell in cells(frames.runs, params.where):
        for run in cell.finished.to_dict("records"):
            layers = {layer["name"]: 100 * layer["kept"] / layer["numel"] for layer in json.loads(str(run["layers"]))}
            kept = [layers[name] for name in params.layers]
            ordered = all(one < other for one, other in itertools.pairwise(kept))
            hits += ordered and kept[0] < params.first_below and kept[-1] >= params.last_above
            used.append(str(run["id"]))
    share = hits / len(used) if used else float("nan")
    rule = f"{' < '.join(params.layers)}, {params.layers[0]} below {params.first_below:g} %, {params.layers[-1]} at"
    evidence = f"{rule} least {params.last_above:g} % in {hits} of {how_many(len(used), 'run')}"
    return Answer(of_share(hits, len(used), 1.0), evidence,
                  share, threshold=1.0, runs=tuple(used))  # fmt: skip
