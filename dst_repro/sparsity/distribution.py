"""How many weights each layer keeps at a given density: uniform, Erdos-Renyi, Erdos-Renyi-kernel."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

from dst_repro.sparsity.apportion import apportion, fill, roundable, whole

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
    size = {name: math.prod(shape) for name, shape in shapes.items()}
    amounts = fill(density * sum(size.values()), _proportions(shapes, distribution), size)
    return {name: amounts[name] / size[name] for name in shapes}


def _proportions(shapes: Mapping[str, Shape], distribution: Distribution) -> dict[str, float]:
    """Layer -> its share of the weights, not normalised, where none is full."""
    return {name: RAW[distribution](shape) * math.prod(shape) for name, shape in shapes.items()}


def counts(
    shapes: Mapping[str, Shape], density: float, distribution: Distribution, room: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Layer -> weights to keep. Exact: they add up to round(density * total), each within one of its share.

    Largest remainders decide who gets the last weights; ties go to the earlier layer. `room` is how many a layer has to
    choose from, by default all; what a layer has no room for goes to the others in proportion to their shares. Raises
    ValueError if there is no room for all.
    """
    size = {name: math.prod(shape) for name, shape in shapes.items()}
    shares = {name: p * size[name] for name, p in densities(shapes, density, distribution).items()}
    total, room = round(density * sum(size.values())), size if room is None else {name: room[name] for name in shapes}
    if roundable(shares, total, room):
        return whole(shares, total, room)
    return apportion(total, _proportions(shapes, distribution), room)
