"""Long short-term memory that reads an image row by row: the recurrent networks of Dynamic Sparse Training."""

from __future__ import annotations

import math
import warnings
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from dst_repro.errors import ConfigError
from dst_repro.models.base import Shape, image
from dst_repro.registry import Params, models

# cuDNN asks for weights that lie side by side in memory; those that are masked anew for each pass never do.
warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")


class Gates(nn.Linear):
    """The stacked matrices of four gates, U(+-1/sqrt(units)) at the start, their biases 0 (released code of DST)."""

    reset_as_released = False
    """DST's released code never resets the thresholds of an LSTM."""
    uniform_biases = False

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.out_features // 4)
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None and self.uniform_biases:
            nn.init.uniform_(self.bias, -bound, bound)
        elif self.bias is not None:
            nn.init.zeros_(self.bias)

    def kept_as_printed(self, mask: Tensor, masked: Tensor) -> float:
        """What DST's released code counts as kept: of the output gate it sums the masked weights, not their mask."""
        others = 3 * self.out_features // 4
        return float(mask[:others].sum()) + float(masked[others:].sum())


class GatesWithBiases(Gates):
    """The same with biases from U(+-1/sqrt(units)), too: the dense cell of that code."""

    uniform_biases = True


class LSTMLayer(nn.Module):
    """The parameters of one layer: `input` (4 * units, inputs) with its bias and `hidden` (4 * units, units) without.

    Both stack their gates in torch's order: input i, forget f, candidate g, output o. There is one bias a gate, as in
    the LSTM's equations; torch.nn.LSTM trains two, of which only the sum matters. They are linear layers so that they
    can be masked like any other; only their tensors are used.
    """

    def __init__(self, inputs: int, units: int, gates: type[Gates]) -> None:
        super().__init__()
        self.input = gates(inputs, 4 * units)
        self.hidden = Gates(units, 4 * units, bias=False)
        self.register_buffer("no_bias", torch.zeros(4 * units), persistent=False)

    def weights(self) -> list[Tensor]:
        """In the order of `torch.lstm`, as they are now: a method may have put masked ones in their place."""
        return [self.input.weight, self.hidden.weight, self.input.bias, self.get_buffer("no_bias")]


class Output(nn.Linear):
    """A last layer that stays dense, U(+-0.1) at the start, its bias 0 (released code of DST)."""

    maskable = False

    def reset_parameters(self) -> None:
        nn.init.uniform_(self.weight, -0.1, 0.1)
        nn.init.zeros_(self.bias)


class LSTM(nn.Module):
    """Two LSTM layers over the rows of an image (n, 1, steps, inputs), then a dense linear layer on the last output.

    The last layer is never masked (Liu et al. 2020, released code). Whatever the precision of the run, the LSTM layers
    compute in that of the images, float32.

    The state before the first row is zero, unless `carried` images hand theirs on to the next ones, as in that code:
    there the four vectors also change places, so that the second layer's h becomes the first one's c, and the first
    one's c the second one's h. `train` and `eval` begin anew with zero.
    """

    def __init__(self, inputs: int, units: int, classes: int, carried: int = 0, gates: type[Gates] = Gates) -> None:
        super().__init__()
        self.units, self.carried = units, carried
        self._state: tuple[Tensor, Tensor] | None = None
        self.lstm1 = LSTMLayer(inputs, units, gates)
        self.lstm2 = LSTMLayer(units, units, gates)
        self.fc = Output(units, classes)

    def train(self, mode: bool = True) -> LSTM:
        self._state = None
        return super().train(mode)

    def forward(self, images: Tensor) -> Tensor:
        if not self.carried:
            return self._read(images)[0]
        logits = []
        for part in images.split(self.carried):
            state = self._state
            if state is not None:  # the last images of a pass can be fewer
                state = state[0][:, : len(part)], state[1][:, : len(part)]
            out, (h1, h2), (c1, c2) = self._read(part, state)
            self._state = torch.stack([h1, c1]).detach(), torch.stack([h2, c2]).detach()
            logits.append(out)
        return torch.cat(logits)

    def _read(self, images: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(logits (n, classes), h (2, n, units), c (2, n, units)) after the last row."""
        zero = images.new_zeros(2, len(images), self.units)
        h, c = state or (zero, zero)
        weights = self.lstm1.weights() + self.lstm2.weights()
        # both layers and all steps in one call: with biases, 2 layers, no dropout, in one direction, the batch first
        options = (True, 2, 0.0, self.training, False, True)
        with torch.autocast(images.device.type, enabled=False):  # cuDNN's LSTM would take it for float16
            _, h, c = torch.lstm(images.squeeze(1), (h.contiguous(), c.contiguous()), weights, *options)
        logits: Tensor = self.fc(h[1])
        return logits, h, c


class LSTMParams(Params):
    carried: Annotated[int, Field(ge=0)] = 0
    """Images whose last state the next ones start with, as the released code of DST has it; 0 for none."""
    biases: Literal["zero", "uniform"] = "zero"
    """What the gates' biases start from: U(+-1/sqrt(units)) in the dense cell of that code, 0 in its masked one."""


def _lstm(slug: str, units: int, shape: Shape, classes: int, params: LSTMParams) -> nn.Module:
    channels, _, width = image(slug, shape, 1)
    if channels != 1:
        raise ConfigError(f"{slug} reads the rows of images with 1 channel, not {channels}", "model")
    return LSTM(width, units, classes, params.carried, GatesWithBiases if params.biases == "uniform" else Gates)


@models.register("lstm-a", LSTMParams)
def lstm_a(shape: Shape, classes: int, params: LSTMParams) -> nn.Module:
    """LSTM-a: two layers of 128: 213,258 parameters on 28x28 images, 210,944 of them maskable weights."""
    return _lstm("lstm-a", 128, shape, classes, params)


@models.register("lstm-b", LSTMParams)
def lstm_b(shape: Shape, classes: int, params: LSTMParams) -> nn.Module:
    """LSTM-b: two layers of 256: 819,722 parameters on 28x28 images, 815,104 of them maskable weights."""
    return _lstm("lstm-b", 256, shape, classes, params)
