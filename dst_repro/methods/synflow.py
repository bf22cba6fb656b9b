"""Pruning at initialisation without data, by the flow through a weight."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from dst_repro.errors import ConfigError
from dst_repro.methods.at_init import AtInit, AtInitParams, Mode
from dst_repro.registry import methods

OFFSETS = ("bias", "running_mean")
"""Of a layer or of batch normalisation: what it adds, not what it multiplies by."""


class SynFlowParams(AtInitParams):
    iterations: Annotated[int, Field(ge=1)] = 100
    mode: Mode | None = None
    """Of batch normalisation; by default `eval`, as in the authors' code, and with `fidelity: released` `train`, as in
    the mask generators of ToST."""


@methods.register("synflow", SynFlowParams, density=True)
class SynFlow(AtInit):
    """SynFlow: abs(w * dR/dw), R the sum of the outputs for an image of ones with abs(w) (Tanaka et al. 2020)

    Algorithm 1: no data, a hundred prunings, all layers in one competition, in double precision, since R grows with
    depth. R is the paper's product of the weights' magnitudes alone: no bias is added, and batch normalisation only
    multiplies, by its running variance and its gamma. With `fidelity: released` biases, the beta and the running mean
    of batch normalisation take part, by their magnitudes, and the network is in training mode as the mask generators of
    ToST have it. There batch normalisation subtracts the mean of one constant image: what it leaves comes of the
    padding, and of a network with it the first layers are pruned away.
    """

    def scored_network(self, model: nn.Module) -> nn.Module:
        network = super().scored_network(model).double()
        for name, value in network.state_dict().items():  # shares its memory
            if self.context.config.fidelity == "paper" and name.rpartition(".")[2] in OFFSETS:
                value.zero_()
            else:
                value.abs_()
        mode = self.params.mode or ("eval" if self.context.config.fidelity == "paper" else "train")
        return network.train(mode == "train")

    def scores(self, network: nn.Module, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        device = next(iter(weights.values())).device
        ones = torch.ones(1, *self.data.shape, dtype=torch.float64, device=device)
        try:
            flow = network(ones).sum()
        except ValueError as error:  # batch normalisation after a linear layer has one value a channel
            raise ConfigError(f"one image can't be scored in training mode: {error}", "method_params.mode") from None
        gradients = torch.autograd.grad(flow, list(weights.values()))
        return {
            name: (weight.detach() * gradient).abs()
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
        }
