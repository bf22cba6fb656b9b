"""A vision transformer for small images (Dosovitskiy et al. 2021), at the size of DeiT-Ti (Touvron et al. 2021)."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from dst_repro.errors import ConfigError
from dst_repro.models.base import Shape, WidthParams, image, scaled
from dst_repro.registry import models

HEADS = 3
HIDDEN = 4
"""Units of an MLP for each number of a token."""


class ViTParams(WidthParams):
    patch: Annotated[int, Field(ge=1)] = 4
    """Edge of a patch in pixels; it divides those of the images."""
    depth: Annotated[int, Field(ge=1)] = 12
    """Blocks."""


class Attention(nn.Module):
    """Self-attention of `HEADS` heads over tokens (images, tokens, units), queries, keys and values of one matrix."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(units, 3 * units)
        self.out = nn.Linear(units, units)

    def forward(self, tokens: Tensor) -> Tensor:
        images, length, units = tokens.shape
        q, k, v = self.qkv(tokens).view(images, length, 3, HEADS, units // HEADS).permute(2, 0, 3, 1, 4)
        mixed: Tensor = self.mix(q, k, v)
        found: Tensor = self.out(mixed.transpose(1, 2).reshape(images, length, units))
        return found

    def mix(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Each (images, heads, tokens, units of a head). Not torch's fused kernel: GraSP differentiates twice."""
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        return scores.softmax(-1) @ v

    def as_paths(self) -> nn.Module:
        """For `sparsity.health`: every value reaches every token, and a query or key counts where it has its partner.

        A softmax of equal scores has no gradient; here scores multiply values, and all is at or above zero. What the
        class token asks before it has seen a patch is no input, so that in the first block its query scores nothing.
        """
        self.mix = lambda q, k, v: (1 + q @ k.transpose(-2, -1)) @ v  # type: ignore[method-assign]
        return self


class Block(nn.Module):
    """Attention, then an MLP, each after a normalisation and beside a skip."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(units)
        self.attention = Attention(units)
        self.norm2 = nn.LayerNorm(units)
        self.fc1 = nn.Linear(units, HIDDEN * units)
        self.gelu = nn.GELU()
        self.fc2 = nn.Linear(HIDDEN * units, units)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attention(self.norm1(tokens))
        found: Tensor = tokens + self.fc2(self.gelu(self.fc1(self.norm2(tokens))))
        return found


class Tokens(nn.Module):
    """An image as (images, 1 + patches, units): a class token, then its patches row by row, each with its position."""

    def __init__(self, channels: int, patch: int, patches: int, units: int) -> None:
        super().__init__()
        self.patch = nn.Conv2d(channels, units, patch, stride=patch)
        self.class_token = nn.Parameter(torch.empty(1, 1, units))
        self.positions = nn.Parameter(torch.empty(1, 1 + patches, units))

    def forward(self, x: Tensor) -> Tensor:
        patches = self.patch(x).flatten(2).transpose(1, 2)
        return torch.cat([self.class_token.expand(len(x), -1, -1), patches], 1) + self.positions

    def as_paths(self) -> nn.Module:
        """For `sparsity.health`: what is there without an image is no input."""
        with torch.no_grad():
            self.class_token.zero_()
            self.positions.zero_()
        return self


class First(nn.Module):
    """The class token of (images, tokens, units)."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0]


@models.register("vit-tiny", ViTParams)
def vit_tiny(shape: Shape, classes: int, params: ViTParams) -> nn.Module:
    """ViT-Ti: 5,362,762 parameters on 3x32x32 images, 5,319,552 of them weights.

    Twelve blocks of three heads and 192 units, patches of 4x4 pixels. Weights, positions and the class token are
    N(0, 0.02^2) cut off at two standard deviations, biases 0. Positions and class token are no layer's weights, and
    stay dense, as normalisations do.
    """
    channels, height, width = image("vit-tiny", shape, params.patch)
    if height % params.patch or width % params.patch:
        given = f"{height}x{width}"
        raise ConfigError(f"vit-tiny needs images whose edges {params.patch} divides, not {given}", "model")
    units = HEADS * scaled(64, params.width)
    patches = (height // params.patch) * (width // params.patch)
    network = nn.Sequential(
        OrderedDict(
            tokens=Tokens(channels, params.patch, patches, units),
            blocks=nn.Sequential(*(Block(units) for _ in range(params.depth))),
            norm=nn.LayerNorm(units),
            first=First(),
            fc=nn.Linear(units, classes),
        )
    )
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            nn.init.trunc_normal_(parameter, std=0.02, a=-0.04, b=0.04)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
    return network
