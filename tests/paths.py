"""Which kept weights lie on a path from input to output, found by marking neurons one weight at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

Map = NDArray[np.bool_]  # (channels, height, width): neurons that are reached


def _taps(conv: nn.Conv2d, kernel: tuple[int, int], padded: Map, out: Map) -> tuple[slice, slice]:
    """Where one tap of a kernel reads on the padded map, for all pixels that are put out."""
    found = []
    for axis in (0, 1):
        stride, pixels = conv.stride[axis], out.shape[1 + axis]
        found.append(slice(kernel[axis], kernel[axis] + stride * (pixels - 1) + 1, stride))
        assert found[-1].stop <= padded.shape[1 + axis]
    return found[0], found[1]


def _edges(conv: nn.Conv2d, mask: Tensor) -> list[tuple[int, ...]]:
    """(output channel, input channel in the group, row, column) of every kept weight, then the true input channel."""
    per_group = conv.out_channels // conv.groups
    inside = conv.in_channels // conv.groups
    return [(o, i, y, x, (o // per_group) * inside + i) for o, i, y, x in mask.nonzero().tolist()]


def _padded(conv: nn.Conv2d, x: Map) -> Map:
    down, right = (int(p) for p in conv.padding)
    return np.pad(x, ((0, 0), (down, down), (right, right)))


def on_a_path(network: nn.Sequential, shape: tuple[int, ...], masks: dict[str, Tensor]) -> dict[str, list[list[int]]]:
    """Layer -> positions of its kept weights that are on a path, in the order of `nonzero`.

    Of a chain: convolutions of any groups, linear layers, an average over all pixels. What else there is passes on what
    it gets. No weight is multiplied with another.
    """
    chain = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    x: Map = np.ones(shape, dtype=bool)
    forward: list[tuple[str, nn.Module, Map]] = []  # with the input of each
    for name, module in chain:
        forward.append((name, module, x))
        if isinstance(module, nn.Conv2d):
            padded = _padded(module, x)
            edges = [
                (p + 2 * int(q) - k) // s + 1
                for p, q, k, s in zip(x.shape[1:], module.padding, module.kernel_size, module.stride, strict=True)
            ]
            out: Map = np.zeros((module.out_channels, *edges), dtype=bool)
            for o, _, row, column, i in _edges(module, masks[name]):
                out[o] |= padded[i][_taps(module, (row, column), padded, out)]
            x = out
        elif isinstance(module, nn.AdaptiveAvgPool2d):
            x = x.any(axis=(1, 2), keepdims=True)
        elif isinstance(module, nn.Flatten):
            x = x.reshape(-1)
        elif isinstance(module, nn.Linear):
            x = (masks[name].numpy() & x).any(axis=1)
    found: dict[str, list[list[int]]] = {}
    wanted = np.ones_like(x)  # neurons from which the output is reached
    for name, module, x in reversed(forward):
        if isinstance(module, nn.Conv2d):
            padded, back = _padded(module, x), np.zeros_like(_padded(module, x))
            found[name] = []
            for o, within, row, column, i in _edges(module, masks[name]):
                where = _taps(module, (row, column), padded, wanted)
                if bool((padded[i][where] & wanted[o]).any()):
                    found[name].append([o, within, row, column])
                back[i][where] |= wanted[o]
            down, right = (int(p) for p in module.padding)
            wanted = back[:, down : down + x.shape[1], right : right + x.shape[2]]
        elif isinstance(module, nn.AdaptiveAvgPool2d):
            wanted = np.broadcast_to(wanted, x.shape)
        elif isinstance(module, nn.Flatten):
            wanted = wanted.reshape(x.shape)
        elif isinstance(module, nn.Linear):
            mask = masks[name].numpy()
            found[name] = np.argwhere(mask & x & wanted[:, None]).tolist()
            wanted = (mask & wanted[:, None]).any(axis=0)
    return {name: found[name] for name in masks}
