"""What the networks of a suite keep dense whatever the method, told before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Iterator

from dst_repro.plan.grid import Suite
from dst_repro.plan.sizes import Sizes, images


def lines(suite: Suite) -> Iterator[str]:
    """One for each network with weights that no method masks although its author does not say so.

    Nothing of networks whose data say their size only when they are read: the run tells it then.
    """
    networks = {
        (run.model, json.dumps(run.model_params, sort_keys=True), known.shape, known.classes): known
        for run in suite.runs.values()
        if run.method != "dense" and (known := images(run))
    }
    for (model, params, *_), known in sorted(networks.items(), key=lambda pair: pair[0][:2]):
        if told := _told(model, json.loads(params), known):
            yield f"  model {model}: {told}"


def _told(model: str, params: dict[str, object], known: Sizes) -> str:
    import torch

    from dst_repro.registry import models
    from dst_repro.sparsity.unmasked import told, unasked

    entry = models[model]
    with torch.device("meta"):
        dense = unasked(entry.object(known.shape, known.classes, entry.params(**params)))
    return told(dense) if dense else ""
