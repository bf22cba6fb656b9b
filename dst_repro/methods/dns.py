"""Dynamic network surgery (DNS): magnitude pruning that takes back what it pruned wrongly."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context
from dst_repro.methods.reparameterised import Reparameterised
from dst_repro.registry import Params, methods
from dst_repro.sparsity.surgery import operate, threshold


class DNSParams(Params):
    c: float | Annotated[dict[str, float], Field(min_length=1)]
    """Of the threshold max(mu + c * sigma, 0): one number, or layer -> number, shell patterns allowed; layers that are
    not named stay dense. A larger c gives a sparser network."""
    gamma: Annotated[float, Field(ge=0)] = 1e-4
    """How fast masks come to rest: at step i each is updated with probability (1 + gamma * i)^-power."""
    power: Annotated[float, Field(ge=0)] = 1.0
    """See `gamma`."""
    stop: Annotated[float, Field(ge=0, le=1)] = 0.875
    """Share of the training after which masks stay as they are."""


@methods.register("dns", DNSParams)
class DNS(Reparameterised):
    """DNS: dynamic network surgery (Guo, Yao and Chen 2016)

    Layers compute with W * T. Every weight, pruned or not, moves by the gradient at W * T, and decays. At step i the
    mask T of each layer is updated with a probability sigma(i) that falls from 1: to 0 where |W| < a, to 1 where
    |W| >= b, unchanged between, so that a pruned weight that grows is spliced in again. It is meant to start from a
    trained network (`weights_from`). From scratch c has to leave weights at the first step: where they are uniformly
    distributed, a c above 2.1 leaves none.

    a = 0.9 * t, b = 1.1 * t and t = max(mu + c * sigma, 0), with mean mu and standard deviation sigma of the magnitudes
    of the layer's non-zero weights before the first step. The paper says "average absolute value and variance", and
    that b is a plus a small margin; the factors, c, when mu and sigma are computed, sigma(i), `gamma` and `power` are
    those of the authors' Caffe code and its one example, the large layer of LeNet-5 with c = 4. `stop` is that
    example's 14,000 steps of 16,000, the length of the paper's training of LeNet-5 (not verified). The values of c
    behind the paper's numbers are not published; for the layers of LeNet-5 the authors later suggested 1, 3, 4 and 2.5
    (their issue 2).

    The authors' code differs from the paper (`fidelity: released`): masks are updated before the forward pass, not
    after the backward pass (the paper's order, of its algorithm 1, is not verified); weights at a threshold count as
    below it; mu and sigma include the layer's biases. It masks biases, too, which is left out here, as for all methods.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self.paper = context.config.fidelity == "paper"
        self.last = context.fraction(params.stop)
        self._next = 0  # the step to come

    def prepare(self, model: nn.Module) -> None:
        super().prepare(model)
        self._masks = {name: torch.ones_like(w, dtype=torch.bool) for name, w in self.weights.items()}
        self._factors = {name: torch.ones_like(w) for name, w in self.weights.items()}  # masks in the weights' dtype
        self._limits = self._thresholds()
        device = next(iter(self._masks.values())).device
        self._spliced = torch.zeros(len(self._limits), dtype=torch.int64, device=device)

    def _thresholds(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for name, c in self._settings().items():
            bias = None if self.paper else self.modules[name].bias
            found[name] = threshold(self.weights[name].detach(), c, bias)
        return found

    def rescaled(self, scales: Mapping[str, float]) -> None:
        """Thresholds are those of the weights that are trained."""
        self._limits = self._thresholds()

    def _settings(self) -> dict[str, float]:
        """Layer -> c, for the layers that take part."""
        given = self.params.c if isinstance(self.params.c, dict) else {"*": self.params.c}
        for pattern in given:
            if not fnmatch.filter(self.modules, pattern):
                raise ConfigError(f"no layer '{pattern}'; there are {', '.join(self.modules)}", "method_params.c")
        found = {}
        for name in self.modules:
            fitting = [pattern for pattern in given if fnmatch.fnmatch(name, pattern)]
            if len(fitting) > 1:
                raise ConfigError(f"layer '{name}' fits both '{fitting[0]}' and '{fitting[1]}'", "method_params.c")
            if fitting:
                found[name] = given[fitting[0]]
        return found

    def probability(self, step: int) -> float:
        """sigma(step)"""
        return 0.0 if step >= self.last else float((1 + self.params.gamma * step) ** -self.params.power)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Prune and splice, or not, each layer by a draw of its own."""
        draws = torch.rand(len(self._limits), generator=self.context.rng("surgery", step)).tolist()
        for i, (name, limit) in enumerate(self._limits.items()):
            if self.probability(step) > draws[i]:
                mask = operate(self._masks[name], self.weights[name], limit, closed=self.paper)
                self._spliced[i] += (mask & ~self._masks[name]).sum()
                self._set(name, mask)

    def _set(self, name: str, mask: Tensor) -> None:
        self._masks[name] = mask
        self._factors[name].copy_(mask)

    @torch.no_grad()
    def renew(self, training: bool) -> None:
        if training and not self.paper:
            self.update(self._next)
        for name, used in self.used.items():
            torch.mul(self.weights[name], self._factors[name], out=used.detach())

    def after_backward(self, step: int) -> bool:
        self.take_gradients()
        if self.paper:
            self.update(step)
        self._next = step + 1
        return False

    def masks(self) -> dict[str, Tensor]:
        return self._masks

    def events(self) -> dict[str, dict[str, float]]:
        """How many pruned weights of each layer came back, one that came back twice counted twice."""
        return {"spliced": dict(zip(self._limits, map(float, self._spliced.tolist()), strict=True))}

    def state_dict(self) -> dict[str, Any]:
        return {"masks": self._masks, "limits": self._limits, "spliced": self._spliced, "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        device = self._spliced.device
        for name, mask in state["masks"].items():
            self._set(name, mask.to(device))
        self._limits = {name: limit.to(device) for name, limit in state["limits"].items()}
        self._spliced.copy_(state["spliced"])
        self._next = state["next"]
