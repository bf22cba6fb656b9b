"""The LSTM of Dynamic Sparse Training as research code is usually released: a cell in Python, masked at each time step.

Written from the LSTM's equations and those of Liu et al. (2020), to be compared with, never to be trained with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.reference import Masked

GATES = ("input", "forget", "candidate", "output")


class GateMatrix(Masked):
    """One matrix of one gate. It has no reset."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__(nn.Parameter(torch.empty(units, inputs).uniform_(-(units**-0.5), units**-0.5)))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight * self.mask())


class Cell(nn.Module):
    """One time step of a layer: two masked matrices and a bias for each of four gates."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.from_input = nn.ModuleDict({gate: GateMatrix(inputs, units) for gate in GATES})
        self.from_hidden = nn.ModuleDict({gate: GateMatrix(units, units) for gate in GATES})
        self.bias = nn.ParameterDict({gate: torch.zeros(units) for gate in GATES})

    def gate(self, name: str, x: Tensor, h: Tensor) -> Tensor:
        total: Tensor = self.from_input[name](x) + self.from_hidden[name](h) + self.bias[name]
        return total

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f = torch.sigmoid(self.gate("input", x, h)), torch.sigmoid(self.gate("forget", x, h))
        g, o = torch.tanh(self.gate("candidate", x, h)), torch.sigmoid(self.gate("output", x, h))
        c = f * c + i * g
        return o * torch.tanh(c), c


class LSTM(nn.Module):
    """Two layers of `units` over the rows of images (n, 1, 28, 28), and a dense linear layer."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units
        self.layer1, self.layer2 = Cell(28, units), Cell(units, units)
        self.fc = nn.Linear(units, 10)

    def forward(self, images: Tensor) -> Tensor:
        h1 = c1 = h2 = c2 = images.new_zeros(len(images), self.units)
        for row in images.squeeze(1).unbind(1):
            h1, c1 = self.layer1(row, h1, c1)
            h2, c2 = self.layer2(h1, h2, c2)
        logits: Tensor = self.fc(h2)
        return logits
