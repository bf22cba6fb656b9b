"""Floating-point operations of a run as the field counts them: kept weights alone, in inference and in training.

A multiplication with its addition counts two; activations, biases and normalisation are left out, as are scores and
masks, which cost little beside them. As in RigL (Evci et al. 2020, appendix H) a training image costs a forward pass
and two backward ones, of which that for the gradients of the weights is dense wherever the method asks for those of
pruned ones, too.
"""

from __future__ import annotations

import functools
import itertools
import json
import math

import pandas as pd

from dst_repro.plan.config import RunConfig
from dst_repro.plan.sizes import images, steps_per_epoch

ALWAYS_DENSE = {"dst", "dns", "sparse-momentum"}
"""Methods that read the gradients of pruned weights in every step: thresholds and the pruned weights themselves are
trained by them (DST, DNS), or a momentum is."""
Shape = tuple[int, ...]


@functools.cache
def uses(model: str, params: str, shape: Shape, classes: int) -> dict[str, tuple[int, float]]:
    """Layer -> its weights, and how often a forward pass of one image multiplies with each (`params`: JSON).

    A convolution uses a weight once for each of its output's positions, attention once for each token, a matrix of an
    LSTM once for each row. Products of queries with keys, and of scores with values, are no weights', and those with
    parameters of a module of one's own are not known.
    """
    import torch
    from torch import nn

    from dst_repro.models.attention import count_attention
    from dst_repro.models.slots import PREFIX, holds_slots
    from dst_repro.registry import models

    entry = models[model]
    found: dict[str, tuple[int, float]] = {}
    with torch.device("meta"):
        network = entry.object(shape, classes, entry.params(**json.loads(params))).eval()
        image = torch.empty(1, *shape)
    modules = dict(network.named_modules())
    layers = {name: part for name, part in modules.items() if isinstance(part, nn.Linear | nn.Conv2d)}
    count_attention(network, found)
    for name, part in modules.items():
        if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            own = f"{name}.{PREFIX}weight" if holds_slots(part) else name
            part.register_forward_hook(
                lambda m, _, output, own=own: found.update({own: (m.weight.numel(), output.numel() // len(m.weight))})
            )
    try:
        network(image)
    except RuntimeError:  # torch.lstm can't run without data
        return {name: (part.weight.numel(), 1 if part.out_features == classes else shape[-2])
                for name, part in layers.items()}  # fmt: skip
    return found


def inference(run: RunConfig, kept: dict[str, float]) -> float:
    """Of one image, in a network that keeps so many weights in these layers, and all of the others.

    Nan where the size of the data set is not known.
    """
    known = images(run)
    if known is None:
        return math.nan
    layers = uses(run.model, json.dumps(run.model_params, sort_keys=True), known.shape, known.classes)
    return float(2 * sum(kept.get(name, weights) * often for name, (weights, often) in layers.items()))


def training(run: RunConfig, history: pd.DataFrame) -> float:
    """Of all epochs, without the runs that it starts from. `history` has the run's rows (epoch, layer, name, value).

    The density of an epoch is the mean of those before and after it.
    """
    known = images(run)
    kept = history[history["name"] == "kept"].pivot_table(index="epoch", columns="layer", values="value")
    if known is None or len(kept) < 2:
        return math.nan
    forward = [inference(run, {str(layer): n for layer, n in row.items()}) for row in kept.to_dict("records")]
    dense, share = inference(run, {}), _dense_steps(run)
    of_epochs = [(before + after) / 2 for before, after in itertools.pairwise(forward)]
    per_image = sum(2 * sparse + share * dense + (1 - share) * sparse for sparse in of_epochs)
    return (known.train - round(run.validation * known.train)) * per_image


def _dense_steps(run: RunConfig) -> float:
    """The share of the steps in which the gradients of pruned weights are asked for."""
    params = run.full()["method_params"]
    if run.method in ALWAYS_DENSE or params.get("grow") == "momentum":
        return 1.0
    period = params.get("update_period")
    period = steps_per_epoch(run) if period == "epoch" else period
    return params.get("gradient_batches", 1) / period if params.get("grow") == "gradient" and period else 0.0
