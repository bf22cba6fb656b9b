"""Deep Rewiring: a connection whose weight would cross zero goes dormant, and a random other one takes its place."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from dst_repro.methods.base import Context
from dst_repro.methods.masked import Masked
from dst_repro.registry import Params, methods
from dst_repro.sparsity.distribution import Distribution
from dst_repro.sparsity.positions import draw_free, put, take

Stage = Annotated[tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0)]], Field(strict=False)]
Temperatures = Annotated[tuple[Stage, ...], Field(strict=False)]

PAPER: Temperatures = ((0.0, 2.5e-11),)  # noise of 1e-5 times the learning rate of 0.5 in the authors' MNIST script
RELEASED: Temperatures = ((0.0, 1e-5), (0.125, 1e-8), (0.4, 1e-12), (0.7, 1e-15))
RELEASED_ETA = 0.01  # stands for the learning rate in the noise of the released code, in all of its experiments


class DeepRParams(Params):
    distribution: Distribution = "er"
    """How the density is shared among layers."""
    alpha: Annotated[float, Field(ge=0)] = 1.0e-5
    """Weight of the L1 prior."""
    temperature: Temperatures = ()
    """[share, T]: the temperature from that share of the training on; if empty, as `fidelity` says."""
    update_end: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training after which weights may cross zero: no rewiring, no noise; the prior only if released."""


class Leftovers:
    """The momentum of every position of all layers that has no connection, as the released code leaves it.

    Nothing clears it there and no gradient comes, so it fades by the optimiser's momentum factor at every step.
    """

    def __init__(self, momentum: Tensor) -> None:
        self.momentum = momentum  # (positions,), as of the step `since`
        self.since = torch.zeros_like(momentum, dtype=torch.int32)  # 0: as of the first step

    def leave(self, where: Tensor, momentum: Tensor, step: int) -> None:
        put(self.momentum, where, momentum)
        put(self.since, where, torch.full_like(where, step, dtype=torch.int32))

    def at(self, where: Tensor, step: int, first: int, factor: float) -> Tensor:
        """What is left at these positions (n,) after a step, in float64: below float32's smallest it counts no more."""
        age = step - take(self.since, where).clamp(min=first)
        return take(self.momentum, where).double() * factor ** age.double()


@methods.register("deep-r", DeepRParams, density=True)
class DeepR(Masked):
    """Deep R: deep rewiring (Bellec et al. 2018, algorithm 1)

    Every connection k has a fixed sign s_k, that of its initial weight; an active one has a parameter theta_k >= 0 and
    the weight s_k * theta_k. After each step of the optimiser, which follows the loss alone,
    theta_k -= eta * alpha, theta_k += sqrt(2 * eta * T) * nu_k with nu_k ~ N(0, 1) and the learning rate eta. Where
    theta_k < 0 the connection goes dormant, and a dormant one of the same layer, drawn at random, starts at zero. With
    SGD without momentum this is the paper's update. Numbers are kept layer by layer, as in the authors' MNIST script,
    and shared out much as there (1, 3 and 30 % of LeNet-300-100). soft-Deep R, which keeps no number, is not offered.

    `fidelity: released` is the code of DSR's authors (IntelAI/dynamic-reparameterization), from which the published
    comparisons come. Prior and noise are parts of the gradient, the noise sqrt(2 * 0.01 * T) whatever the learning
    rate, with T = 1e-5, 1e-8, 1e-12, 1e-15 from epochs 0, 25, 80 and 140 of 200; layers that are dense have no noise,
    and their weights may cross zero. That code's experiments share out density uniformly and stop at 95 % of the
    training. They are of CIFAR-10 and ImageNet; none is given for MNIST, and by default its 0.01 is 0.001, there is no
    prior, and nothing stops.

    There, a sign is compared with that of the step before. At the first step it is that of an initial draw which was
    thrown away: half of the connections go dormant. One that has just gone is not drawn. New ones start at zero, but
    with the momentum that their position still has, and with the sign of the weight that the optimiser has just given
    it while it was dormant: at the first step that of its initial weight, later the one to which this momentum moves
    it, left by the first step's prior and weight decay or by an earlier connection. So half of all new ones go dormant
    again at once, until what is left is too small for float32 (some 850 steps with a momentum of 0.9); after that, and
    with plain SGD from the second step on, they may take either sign. With Adam, which that code does not offer,
    nothing is left. Where a layer has no room for all new connections its density falls there; here the others keep
    their place and start at zero.
    """

    def __init__(self, params: Any, context: Context) -> None:
        super().__init__(params, context)
        self.released = context.config.fidelity == "released"
        self.end = context.fraction(params.update_end)
        given = params.temperature or (RELEASED if self.released else PAPER)
        self._temperatures = sorted((context.fraction(share), value) for share, value in given)
        # of all connections of all layers, one layer after another
        self._active, self._signs = torch.empty(0, dtype=torch.bool), torch.empty(0)
        self._left = Leftovers(torch.empty(0))  # only if released
        self._ranges: list[range] = []
        # of the active ones among them: positions in their layers, signs (0: either), weights, if their layer has room
        self._where, self._sign = torch.empty(0, dtype=torch.int64), torch.empty(0)
        self._room = torch.empty(0)
        self.values = nn.Parameter(torch.empty(0))
        self._kept: list[int] = []
        self._rewired: list[int] = []
        self._first = -1  # the first step, once it is done

    def prepare(self, model: nn.Module) -> None:
        """Active weights become one parameter, which takes the place of all masked layers' weights in the optimiser."""
        super().prepare(model)
        where = [mask.flatten().nonzero().squeeze(1) for mask in self._masks.values()]
        self._where, self._kept = torch.cat(where), [len(part) for part in where]
        self._sign = self._signs[self._active]
        if self.released:
            layers = zip(self._ranges, self._kept, strict=True)
            self._room = torch.cat([self._sign.new_full((kept,), kept < len(inside)) for inside, kept in layers])
            thrown_away = torch.randint(2, self._sign.shape, generator=self.context.rng("signs"))  # of a symmetric draw
            self._sign = self._room * (2 * thrown_away - 1).to(self._room)
        self.values = nn.Parameter(self._gather([module.weight.detach() for module in self.modules.values()]))
        self._rewired = [0] * len(where)

    @torch.no_grad()
    def rescaled(self, scales: Mapping[str, float]) -> None:
        """The connections' values are taken anew; of the weights of those that are not there the momentum is scaled."""
        self.values.copy_(self._gather([module.weight for module in self.modules.values()]))
        if self.released:
            left, prior = self._left.momentum, self.params.alpha * self._signs
            for name, inside in zip(self.modules, self._ranges, strict=True):
                part = slice(inside.start, inside.stop)
                left[part] = prior[part] + scales[name] * (left[part] - prior[part])

    def initial_masks(self) -> dict[str, Tensor]:
        weights = [module.weight.detach().flatten() for module in self.modules.values()]
        ends = list(itertools.accumulate(map(len, weights)))
        self._ranges = [range(end - len(weight), end) for end, weight in zip(ends, weights, strict=True)]
        if self.released:
            initial = torch.cat(weights)
            self._signs = initial.sign()
            gradient = self.params.alpha * self._signs + self.context.config.weight_decay * initial
            self._left = Leftovers(gradient)  # of the first step, where there is no connection
        else:
            self._signs = torch.where(torch.cat(weights) < 0, -1.0, 1.0)
        return self.random_masks(self.context.density, self.params.distribution)

    def set_masks(self, masks: dict[str, Tensor], restart: dict[str, Tensor] | None = None) -> None:
        """Adopt `masks` as views of one tensor, which changes in place."""
        self._active = torch.cat([mask.flatten() for mask in masks.values()])
        parts = self._active.split([mask.numel() for mask in masks.values()])
        views = zip(masks.items(), parts, strict=True)
        super().set_masks({name: part.view(mask.shape) for (name, mask), part in views}, restart)

    def param_groups(self, model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
        masked = {id(module.weight) for module in self.modules.values()}
        others = [p for p in model.parameters() if id(p) not in masked]
        return [{"params": [*others, self.values], "weight_decay": weight_decay}]

    def temperature(self, step: int) -> float:
        passed = bisect.bisect_right(self._temperatures, (step, math.inf))
        return self._temperatures[passed - 1][1] if passed else 0.0

    @torch.no_grad()
    def after_backward(self, step: int) -> bool:
        gradient = self._gather([self.gradient(name) for name in self.modules])
        for module in self.modules.values():
            module.weight.grad = None
        if self.released:
            gradient.add_(self.values.sign(), alpha=self.params.alpha)
            if step < self.end:
                gradient += self._noise(step, RELEASED_ETA) * self._room
        self.values.grad = gradient
        return False

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        self._first = step if self._first < 0 else self._first
        crossed = self._crossed(step) if step < self.end else self._where[:0]
        self.values.index_fill_(0, crossed, 0.0)
        parts = zip(self.modules.values(), self._split(self._where), self._split(self.values), strict=True)
        for module, where, values in parts:
            put(module.weight, where, values)
        if len(crossed):
            self._rewire(crossed, step)

    def _crossed(self, step: int) -> Tensor:
        """The active connections, as they are numbered here, that would be of the wrong sign after prior and noise."""
        if not self.released:
            eta = self._learning_rate()
            self.values.add_(self._noise(step, eta)).sub_(self._sign, alpha=eta * self.params.alpha)
        crossed = (self.values * self._sign < 0).nonzero().squeeze(1)
        if self.released:
            self._sign = self.values.sign() * self._room
        return crossed

    def _gather(self, tensors: Sequence[Tensor]) -> Tensor:
        """The active ones of all layers' values."""
        parts = zip(tensors, self._split(self._where), strict=True)
        return torch.cat([take(tensor, where) for tensor, where in parts])

    def _split(self, values: Tensor) -> tuple[Tensor, ...]:
        return torch.split(values, self._kept)

    def _noise(self, step: int, eta: float) -> Tensor:
        """sqrt(2 * eta * T) * nu for all active connections."""
        noise = torch.randn(len(self._where), generator=self.context.rng("noise", step))
        return noise.mul_(math.sqrt(2 * eta * self.temperature(step))).to(self._where.device)

    def _learning_rate(self) -> float:
        if self._optimizer is None:
            raise RuntimeError("deep-r has no optimiser yet")
        return float(self._optimizer.param_groups[0]["lr"])

    def _rewire(self, crossed: Tensor, step: int) -> None:
        """Let others of their layers, from zero, take the place of these active connections, which are zero by now."""
        ends = list(itertools.accumulate(self._kept))
        layers = [bisect.bisect_right(ends, number) for number in crossed.tolist()]
        within = [self._ranges[layer] for layer in layers]
        begin = crossed.new_tensor([inside.start for inside in within])
        gone = take(self._where, crossed) + begin
        rng = self.context.rng("rewire", step)
        if not self.released:
            self._active.index_fill_(0, gone, False)
        new = crossed.new_tensor(draw_free(self._active, within, rng))
        new = torch.where(new < 0, gone, new)  # where no other is free
        self._active.index_fill_(0, gone, False).index_fill_(0, new, True)
        put(self._where, crossed, new - begin)
        state = self._optimizer.state[self.values] if self._optimizer else {}
        momentum: Tensor | None = state.get("momentum_buffer")
        before = None if momentum is None else take(momentum, crossed)
        for value in state.values():
            if isinstance(value, Tensor) and value.shape == self.values.shape:
                value.index_fill_(0, crossed, 0.0)
        put(self._sign, crossed, take(self._signs, new))
        if self.released:
            left = self._leftovers(gone, new, before, step)
            if momentum is not None:
                put(momentum, crossed, left.to(momentum))
            if step > self._first:
                put(self._sign, crossed, (-self._learning_rate() * left).to(self._sign).sign())
        for layer in layers:
            self._rewired[layer] += 1

    def _leftovers(self, gone: Tensor, new: Tensor, before: Tensor | None, step: int) -> Tensor:
        """The momentum that new connections find (n,), given that of those which they replace."""
        factor = 0.0
        if before is None or self._optimizer is None:
            before = take(self._left.momentum, gone).zero_()
        else:
            factor = float(self._optimizer.param_groups[0]["momentum"])
        self._left.leave(gone, before, step)
        return self._left.at(new, step, self._first, factor)

    def events(self) -> dict[str, dict[str, float]]:
        return {"rewired": dict(zip(self._masks, map(float, self._rewired), strict=True))}

    def state_dict(self) -> dict[str, Any]:
        active = {"where": self._where, "sign": self._sign, "values": self.values.detach()}
        left = {"left": self._left.momentum, "since": self._left.since, "first": self._first}
        return super().state_dict() | active | left | {"signs": self._signs, "rewired": list(self._rewired)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._where, self._sign, self._signs = (state[name].clone() for name in ("where", "sign", "signs"))
        self._left = Leftovers(state["left"].clone())
        self._left.since.copy_(state["since"])
        self._first = state["first"]
        with torch.no_grad():
            self.values.copy_(state["values"])
        self._rewired = list(state["rewired"])
