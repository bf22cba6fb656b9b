"""The fully connected networks of Fantastic Weights (Nowak et al. 2023), with torch's default initialisation."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.models.base import Shape, WidthParams, scaled
from dst_repro.registry import models


class MLPParams(WidthParams):
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Before each layer, the first too. 0 in all experiments but the one on regularisation, which has 0.05."""


class LogOdds(nn.Module):
    """Logits (n, 2) of two classes out of one output (n, 1), the log-odds of the second: its cross-entropy is BCE."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x, (1, 0))


def _mlp(shape: Shape, outputs: int, hidden: tuple[int, ...], params: MLPParams) -> OrderedDict[str, nn.Module]:
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    sizes = [math.prod(shape), *(scaled(units, params.width) for units in hidden), outputs]
    for n in range(1, len(sizes)):
        if params.dropout:
            layers[f"dropout{n}"] = nn.Dropout(params.dropout)
        layers[f"fc{n}"] = nn.Linear(sizes[n - 1], sizes[n])
        if n < len(sizes) - 1:
            layers[f"relu{n}"] = nn.ReLU(inplace=True)
    return layers


@models.register("mlp-1024-512", MLPParams)
def mlp_1024_512(shape: Shape, classes: int, params: MLPParams) -> nn.Module:
    """MLP-1024-512: fully connected, ReLU: 3,676,682 parameters on 3x32x32, 3,675,136 of them weights."""
    return nn.Sequential(_mlp(shape, classes, (1024, 512), params))


@models.register("mlp-256-256", MLPParams)
def mlp_256_256(shape: Shape, classes: int, params: MLPParams) -> nn.Module:
    """MLP-256-256: fully connected, ReLU: 72,449 parameters on 24 numbers with 2 classes, 71,936 of them weights.

    Two classes share one output, as in Fantastic Weights on Higgs, which trains it with a binary cross-entropy. More
    classes have an output each.
    """
    if classes > 2:
        return nn.Sequential(_mlp(shape, classes, (256, 256), params))
    layers = _mlp(shape, 1, (256, 256), params)
    layers["log_odds"] = LogOdds()
    return nn.Sequential(layers)
