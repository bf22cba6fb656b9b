"""EfficientNet-B0 (Tan and Le 2019) as torchvision has it, with layers that are called by what they do."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from dst_repro.errors import ConfigError
from dst_repro.machine.vision import torchvision_models
from dst_repro.models.base import Shape, WidthParams, image
from dst_repro.registry import models

STAGES = (  # expansion, kernel, stride, channels in, channels out, blocks: Table 1 of the paper
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
CONVOLUTION = ("conv", "bn", "silu")
BLOCK = ("expand", "depthwise", "squeeze", "project")
DROPOUT = 0.2


class Residual(nn.Sequential):
    """Layers whose output is added to their input."""

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for layer in self:
            out = layer(out)
        return out.add_(x)


def _numbered(prefix: str, parts: Iterable[nn.Module]) -> OrderedDict[str, nn.Module]:
    return OrderedDict((f"{prefix}{n}", part) for n, part in enumerate(parts, start=1))


def _convolution(layers: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(OrderedDict(zip(CONVOLUTION, layers, strict=False)))  # the projection has no activation


def _block(block: Any) -> nn.Sequential:
    """torchvision's MBConv. The first one expands nothing; those that change the shape have no shortcut."""
    names = BLOCK[-len(block.block) :]
    parts = OrderedDict(
        (name, part if name == "squeeze" else _convolution(part)) for name, part in zip(names, block.block, strict=True)
    )
    if not block.use_res_connect:
        return nn.Sequential(parts)
    return Residual(parts | {"stochastic_depth": block.stochastic_depth})


@models.register("efficientnet-b0", WidthParams)
def efficientnet_b0(shape: Shape, classes: int, params: WidthParams) -> nn.Module:
    """EfficientNet-B0: 4,263,748 parameters on 3x64x64 with 200 classes, 4,212,192 of them weights.

    Those of depthwise convolutions and of squeeze-and-excitation are among the weights. Dropout of 0.2 before the last
    layer, stochastic depth of up to 0.2, and the initialisation are torchvision's; Fantastic Weights uses it as it is
    (Nowak et al. 2023). Channels are multiples of 8 at any width.
    """
    channels, _, _ = image("efficientnet-b0", shape, 32)
    if channels != 3:
        raise ConfigError(f"efficientnet-b0 needs images with 3 channels, not {channels}", "model")
    library = torchvision_models().efficientnet
    stages = [library.MBConvConfig(*stage, width_mult=params.width) for stage in STAGES]
    built = library.EfficientNet(stages, DROPOUT, num_classes=classes)
    stem, *parts, top = built.features
    layers: OrderedDict[str, nn.Module] = OrderedDict(stem=_convolution(stem))
    layers |= _numbered("stage", (nn.Sequential(_numbered("block", map(_block, part))) for part in parts))
    layers["top"] = _convolution(top)
    layers["pool"] = built.avgpool
    layers["flatten"] = nn.Flatten()
    layers["dropout"], layers["fc"] = built.classifier
    return nn.Sequential(layers)
