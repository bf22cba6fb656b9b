"""One factor for each tensor of a network's parameters, learnt so that the first step of training is a good one."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

Batch = tuple[Tensor, Tensor]
BETAS = 0.9, 0.999
EPSILON = 1e-8


@dataclass(frozen=True)
class Settings:
    """Those of ToST's README."""

    eta: float = 0.1
    """Length of the step that is looked ahead."""
    gamma: float = 1.0
    """What the norm of the gradient may be at most."""
    learning_rate: float = 0.01
    """Of the scales."""
    iterations: int = 180
    smallest: float = 0.01
    """Of the scales of weights; those of biases may fall to zero."""
    clip: float = 1.0
    """What the derivative by a scale is clipped to, in size."""
    overlap: bool = True
    """Whether the step is judged on a batch that it was made of, beside a fresh one, or on two fresh ones."""


class Scale:
    """One factor and its Adam, with a first moment for each of the two objectives and one second moment for both."""

    def __init__(self, smallest: float) -> None:
        self.value = 1.0
        self._smallest = smallest
        self._steps = {True: 0, False: 0}
        self._first = {True: 0.0, False: 0.0}
        self._second = 0.0

    def step(self, slope: float, bounds: bool, settings: Settings) -> None:
        """Go down a slope, the derivative of the norm of the gradient (`bounds`) or of the loss looked ahead."""
        slope = max(-settings.clip, min(settings.clip, slope))
        first, second = BETAS
        self._steps[bounds] += 1
        self._first[bounds] = first * self._first[bounds] + (1 - first) * slope
        self._second = second * self._second + (1 - second) * slope**2
        mean = self._first[bounds] / (1 - first ** self._steps[bounds])
        square = self._second / (1 - second ** sum(self._steps.values()))
        self.value -= settings.learning_rate * mean / (math.sqrt(square) + EPSILON)
        self.value = max(self.value, self._smallest)


def learn_scales(
    network: nn.Module, batches: Iterator[Batch], settings: Settings, masks: Mapping[str, Tensor] | None = None
) -> dict[str, float]:
    """Name of a parameter -> its scale, by GradInit (Zhu et al. 2021, arXiv 2102.08098); tensors of zeros have none.

    Each tensor of parameters t is s_t * t, with s_t = 1 at first. An iteration takes two batches, S, and

        g = gradient of the mean cross-entropy of S in all parameters t,    |g| over all of them together
        if |g| > gamma:  s goes down |g|, which is where second derivatives come in
        else:            s goes down L(t - eta * g / |g|) / eta, g held fixed, with L the mean cross-entropy of the
                         first batch of S and a fresh one, or of two fresh ones

    by a step of Adam on clipped derivatives, see `Scale`. A scale of weights (and of batch normalisation's) does not
    fall below `smallest`, one of biases not below 0, where it stays for ever. Batch normalisation goes by the batch;
    the network is in evaluation mode otherwise. A gradient of zero looks ahead at where it is.

    `batches`: (images, labels), where the network is; it must not end. `masks`: name of a parameter -> True where it is
    kept; pruned entries are zero, and take part neither in g nor in |g|. Without masks they do, as in ToST's released
    code (Jaiswal et al. 2022), which then looks ahead at another network than the sparse one.

    That code, like GradInit's, scales convolutions, linear layers and two-dimensional batch normalisation alone. It
    keeps scaling the tensors in place, where here the first ones are scaled, so that rounding differs; and it can
    leave |g| out of the step, or take Adam's, which is not offered here.

    The network is left as it was, to the bit; nothing is drawn. Raises `FloatingPointError` where |g|, or what follows
    from it, is infinite or not a number, and `KeyError` for a mask of what is no parameter that trains.
    """
    start = {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}
    for name, mask in (masks or {}).items():
        start[name] = start[name] * mask
    scales = {name: Scale(0.0 if _is_bias(name) else settings.smallest) for name, t in start.items() if t.any()}
    for iteration in range(settings.iterations):
        values = {name: scale.value for name, scale in scales.items()}
        try:
            bounds, found = slopes(network, start, values, batches, settings, masks)
        except FloatingPointError as error:
            raise FloatingPointError(f"{error} (scales of the initial weights, iteration {iteration})") from None
        for name, scale in scales.items():
            if scale.value > 0:
                scale.step(found[name], bounds, settings)
    return {name: scale.value for name, scale in scales.items()}


@torch.enable_grad()
def slopes(
    network: nn.Module,
    start: Mapping[str, Tensor],
    scales: Mapping[str, float],
    batches: Iterator[Batch],
    settings: Settings,
    masks: Mapping[str, Tensor] | None,
) -> tuple[bool, dict[str, float]]:
    """(whether the objective is |g|, its derivative by each scale, unclipped), see `learn_scales`.

    `start`: what is scaled, and what else has a gradient. No graph is left, and no two are there at a time.
    """
    point = {name: t * scales.get(name, 1.0) for name, t in start.items()}
    first, second = next(batches), next(batches)
    gradient, norm = _gradient(network, point, _joined(first, second), masks or {})
    size = norm.item()
    if not math.isfinite(size):
        raise FloatingPointError(f"the norm of the gradient is {size}")
    bounds, share = size > settings.gamma, 1.0
    if bounds:
        derivative = torch.autograd.grad(norm, list(point.values()), materialize_grads=True)
    else:
        length, share = (settings.eta / size if size > 0 else 0.0), 1 / settings.eta
        ahead = {name: t.detach() - length * g.detach() for (name, t), g in zip(point.items(), gradient, strict=True)}
        del gradient, norm  # and with them the graph
        fresh = next(batches)
        loss = _loss(network, ahead, _joined(first if settings.overlap else next(batches), fresh))
        derivative = torch.autograd.grad(loss, list(ahead.values()), materialize_grads=True)
    found = {
        name: share * (d * start[name]).sum().item()
        for name, d in zip(point, derivative, strict=True)
        if name in scales
    }
    if not all(map(math.isfinite, found.values())):
        raise FloatingPointError("a derivative by a scale is not finite")
    return bounds, found


def _gradient(
    network: nn.Module, point: dict[str, Tensor], batch: Batch, masks: Mapping[str, Tensor]
) -> tuple[list[Tensor], Tensor]:
    """g of kept entries, in the order of `point`, and its norm, both with their graph."""
    loss = _loss(network, point, batch)
    found = torch.autograd.grad(loss, list(point.values()), create_graph=True, materialize_grads=True)
    kept = [g * masks[name] if name in masks else g for name, g in zip(point, found, strict=True)]
    return kept, torch.stack([g.square().sum() for g in kept]).sum().sqrt()


def _loss(network: nn.Module, point: dict[str, Tensor], batch: Batch) -> Tensor:
    """The mean cross-entropy at a point, whose tensors become leaves of its graph."""
    for tensor in point.values():
        tensor.requires_grad_()
    images, labels = batch
    with _by_batch(network):
        return functional.cross_entropy(functional_call(network, point, (images,)), labels)


@contextlib.contextmanager
def _by_batch(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, but batch normalisation goes by the batch, whose statistics it doesn't keep."""
    modes = {module: module.training for module in network.modules()}
    tracks = {module: module.track_running_stats for module in modes if isinstance(module, _BatchNorm)}
    try:
        network.eval()  # and a network that carries a state begins anew
        for norm in tracks:
            norm.training, norm.track_running_stats = True, False
        yield
    finally:
        network.train(modes[network])
        for module, mode in modes.items():
            module.training = mode
        for norm, track in tracks.items():
            norm.track_running_stats = track


def _joined(one: Batch, other: Batch) -> Batch:
    return torch.cat([one[0], other[0]]), torch.cat([one[1], other[1]])


def _is_bias(name: str) -> bool:
    return "bias" in name.rpartition(".")[2]
