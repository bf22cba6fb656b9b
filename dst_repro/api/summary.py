"""How sparse a network is, layer by layer, for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dst_repro.methods.base import Layer
from dst_repro.records.record import density_of_all


@dataclass(frozen=True)
class Summary:
    """`layers` are those that are masked, `unmasked` the shapes of the other parameters of two or more dimensions."""

    method: str
    steps_done: int
    steps: int
    layers: Mapping[str, Layer]
    unmasked: Mapping[str, Sequence[int]]

    @property
    def numel(self) -> int:
        return sum(layer.numel for layer in self.layers.values())

    @property
    def kept(self) -> int:
        return sum(layer.kept for layer in self.layers.values())

    @property
    def density(self) -> float:
        """Of the masked layers' weights."""
        return self.kept / self.numel

    @property
    def density_of_all_weights(self) -> float:
        """What no method masks counted as kept."""
        return density_of_all(self.kept, self.numel, self.unmasked)

    def __str__(self) -> str:
        rows = [
            (name, f"{layer.kept} of {layer.numel}", _share(layer.kept / layer.numel))
            for name, layer in self.layers.items()
        ]
        rows.append(("together", f"{self.kept} of {self.numel}", _share(self.density)))
        if self.unmasked:
            rows += [(name, f"{math.prod(shape)}", "not masked") for name, shape in self.unmasked.items()]
            rows.append(("of all weights", "", _share(self.density_of_all_weights)))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        return "\n".join([f"{self.method}, after {self.steps_done} of {self.steps} steps", *lines])


def _share(value: float) -> str:
    return f"{100 * value:.2f} %"
