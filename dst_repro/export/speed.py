"""How many operations a sparse network needs, and how long a CPU takes for it in each form."""

from __future__ import annotations

import contextlib
import copy
import math
import statistics
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from dst_repro.export.forms import CSRLinear, csr, linear_layers, weight_of
from dst_repro.models.attention import Uses, count_attention
from dst_repro.models.slots import PREFIX

ROUNDS = 15
SECONDS = 0.02
"""For one form in one round, about."""


class Flops(NamedTuple):
    """Of one input, a multiplication with its addition counted as two."""

    dense: int
    kept: int
    """Those with kept weights of masked layers, and all others."""


class Time(NamedTuple):
    """Seconds for a batch: median, first and third quartile of all rounds."""

    median: float
    low: float
    high: float


@torch.no_grad()
def flops(network: nn.Module, masks: Mapping[str, Tensor], sample: Tensor) -> Flops:
    """Counted for the first input of `sample`."""
    weights: Uses = {}
    hooks = count_attention(network, weights)
    with _plain_attention(), FlopCounterMode(display=False) as counter:
        network(sample[:1])
    for hook in hooks:
        hook.remove()
    total, root = int(counter.get_total_flops()), type(network).__name__
    of_modules = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items()}
    modules, pruned = dict(network.named_modules()), 0.0
    for name, mask in masks.items():
        owner, _, own = name.rpartition(".")
        if name in weights:  # attention computes with its weights by itself
            of_weight = 2 * math.prod(weights[name])
        elif isinstance(modules.get(owner), nn.Conv1d | nn.Conv3d) and own.removeprefix(PREFIX) == "weight":
            of_weight = of_modules.get(f"{root}.{owner}" if owner else root, 0)
        else:
            of_weight = of_modules.get(f"{root}.{name}" if name else root, 0)
        pruned += of_weight * (1 - int(mask.sum()) / mask.numel())
    return Flops(total, total - round(pruned))


@contextlib.contextmanager
def _plain_attention() -> Iterator[None]:
    """torch's one kernel for all of attention is not counted."""
    was = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(was)


def in_csr(network: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    """A copy whose masked linear layers hold their kept weights alone."""
    made: nn.Module = copy.deepcopy(network)
    made.register_forward_pre_hook(lambda *_: torch.backends.mha.set_fastpath_enabled(False))  # it reads weights itself
    was = torch.backends.mha.get_fastpath_enabled()
    made.register_forward_hook(lambda *_: torch.backends.mha.set_fastpath_enabled(was), always_call=True)
    for name, layer in linear_layers(made, masks).items():
        sparse = CSRLinear(csr(layer.weight), None if layer.bias is None else layer.bias.detach())
        if not name:
            return sparse
        parent, _, last = name.rpartition(".")
        setattr(made.get_submodule(parent), last, sparse)
    return made


def densified(network: nn.Module, masks: Mapping[str, Tensor]) -> nn.Module:
    """A copy with values where weights are pruned: the dense network, as far as its speed goes."""
    made: nn.Module = copy.deepcopy(network)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, mask in masks.items():
            weight = weight_of(made, name)
            weight[~mask] = torch.randn(int((~mask).sum()), generator=rng, dtype=weight.dtype) * weight.std()
    return made


@torch.no_grad()
def latency(forms: Mapping[str, nn.Module], batch: Tensor) -> dict[str, Time]:
    """Each form in turn, round after round, so that what else the machine does strikes all of them alike."""
    threads = torch.get_num_threads()
    timers = {
        name: Timer("network(batch)", globals={"network": form, "batch": batch}, num_threads=threads)
        for name, form in forms.items()
    }
    once = {name: min(timer.timeit(3).mean for _ in range(3)) for name, timer in timers.items()}  # warms up
    repeats = {name: max(1, round(SECONDS / seconds)) for name, seconds in once.items()}
    found: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(ROUNDS):
        for name, timer in timers.items():
            found[name].append(timer.timeit(repeats[name]).mean)
    quartiles = {name: statistics.quantiles(times, n=4) for name, times in found.items()}
    return {name: Time(median, low, high) for name, (low, median, high) in quartiles.items()}
