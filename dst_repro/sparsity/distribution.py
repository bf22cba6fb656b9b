"""How many weights each layer keeps at a given density: uniform, Erdos-Renyi, Erdos-Renyi-kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

Shape = tuple[int, ...]
Distribution = Literal["uniform", "er", "erk"]


def er(shape: Shape) -> float:
    """(n_in + n_out) / (n_in * n_out), the kernel ignored (Mocanu et al. 2018; Evci et al. 2020, sec. 3)."""
    return (shape[0] + shape[1]) / (shape[0] * shape[1])


def erk(shape: Shape) -> float:
    """sum(shape) / prod(shape): the kernel counts too (Evci et al. 2020, sec. 3)."""
    return sum(shape) / math.prod(shape)


RAW: dict[str, Callable[[Shape], float]] = {"uniform": lambda shape: 1.0, "er": er, "erk": erk}


def densities(shapes: Mapping[str, Shape], density: float, distribution: Distribution) -> dict[str, float]:
    """Layer -> density in (0, 1], in the proportions of `distribution`, `density` over all layers.

    p_l = eps * raw_l. Layers that would exceed 1 become dense, and eps is solved again for the others (Evci et al.
    2020, appendix; rigl/sparse_utils.py).
    """
    if not 0 < density <= 1:
        raise ValueError(f"density must be in (0, 1], not {density}")
    raw = {name: RAW[distribution](shape) for name, shape in shapes.items()}
    size = {name: math.prod(shape) for name, shape in shapes.items()}
    dense: set[str] = set()
    while True:
        rest = [name for name in shapes if name not in dense]
        budget = density * sum(size.values()) - sum(size[name] for name in dense)
        eps = budget / sum(raw[name] * size[name] for name in rest) if rest else 0.0
        over = {name for name in rest if eps * raw[name] > 1}
        if not over:
            return {name: 1.0 if name in dense else eps * raw[name] for name in shapes}
        dense |= over


def counts(shapes: Mapping[str, Shape], density: float, distribution: Distribution) -> dict[str, int]:
    """Layer -> weights to keep. Exact: they add up to round(density * total), each within one of its share.

    Largest remainders decide who gets the last weights; ties go to the earlier layer.
    """
    size = {name: math.prod(shape) for name, shape in shapes.items()}
    shares = {name: p * size[name] for name, p in densities(shapes, density, distribution).items()}
    kept = {name: min(size[name], math.floor(share + 1e-9)) for name, share in shares.items()}
    missing = round(density * sum(size.values())) - sum(kept.values())
    by_remainder = sorted(shares, key=lambda name: kept[name] - shares[name])
    for name in [n for n in by_remainder if kept[n] < size[n]][:missing]:
        kept[name] += 1
    return kept
