"""The training step: every method over dense, and dense against what the machine can do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.flops import count, matmul_peak
from benchmarks.measure import interleaved, ratios, say, summed_up
from benchmarks.result import Result
from benchmarks.subjects import CIFAR, MNIST, build, epoch_timer, random_data, takes
from dst_repro.data.base import Data
from dst_repro.methods.masked import Masked
from dst_repro.registry import methods, models

PERIOD = 100  # steps between two updates of a mask: the default of SET, RigL and GMP
EVERY_STEP = frozenset({"deep-r"})  # noise and rewiring at every step are the method: no target


@dataclass(frozen=True)
class Case:
    """One model: how it is trained, how long, and how much slower than dense DST and the mask methods may be."""

    model: str
    shape: tuple[int, ...]
    batch: int
    steps: int  # in one timed block
    rounds: int
    dst: float
    masked: float
    only: frozenset[str] = field(default_factory=frozenset)  # methods; empty for all

    @property
    def title(self) -> str:
        return f"step, {self.model}, batch {self.batch}"

    @property
    def methods(self) -> list[str]:
        return [m for m in sorted(methods.discover()) if m != "dense" and (not self.only or m in self.only)]

    def target(self, method: str) -> str:
        if method == "dst":
            return f"<= {self.dst:g}"
        return f"<= {self.masked:g}" if issubclass(methods[method].object, Masked) and method not in EVERY_STEP else ""


def cases(quick: bool) -> list[Case]:
    few = frozenset({"dst", "rigl"})
    every = [
        Case("lenet-300-100", MNIST, 64, PERIOD, 5 if quick else 40, 1.5, 1.15),
        Case("lenet-5-caffe", MNIST, 64, 20 if quick else PERIOD, 3 if quick else 8, 1.10, 1.05),
        Case("lstm-a", MNIST, 100, 2 if quick else 5, 3 if quick else 10, 1.10, 1.05),
        # the first step after an evaluation is slower, and an epoch has hundreds: not too few in a block
        Case("vgg-16", CIFAR, 16, 1 if quick else 8, 2 if quick else 5, 1.10, 1.05, few),
        Case("wrn-16-8", CIFAR, 16, 1 if quick else 2, 2 if quick else 7, 1.10, 1.05, few),
    ]
    return [case for case in every if case.model in models.discover()]


def seconds_per_step(case: Case, data: Data) -> dict[str, list[float]]:
    """Method -> seconds of a step, round by round, updates of the mask spread over their period.

    A block of a LeNet is one period, and has one update. Where a block is shorter, a second training updates its mask
    at every step, and of what this costs more, a step gets its share.
    """
    actions = {}
    for method in ["dense", *case.methods]:
        periodic = takes(method, "update_period")
        period: dict[str, Any] = {"update_period": PERIOD} if periodic else {}
        actions[method] = epoch_timer(build(case.model, method, data, case.batch, **period))
        if periodic and case.steps < PERIOD:
            always = build(case.model, method, data, case.batch, update_period=1)
            actions[f"{method}, always"] = epoch_timer(always)
    found = {name: [s / case.steps for s in times] for name, times in interleaved(case.rounds, actions).items()}
    for method in case.methods:
        always_ = found.pop(f"{method}, always", None)
        if always_ is not None:
            found[method] = [a + (b - a) / PERIOD for a, b in zip(found[method], always_, strict=True)]
    return found


def work(case: Case, data: Data) -> float:
    """Floating-point operations of a dense training step, forward and backward."""
    dense = build(case.model, "dense", data, case.batch)
    images, _ = next(data.batches(data.train, case.batch))
    counted = count(dense.model, images)
    return counted.forward + counted.backward


def measure(quick: bool) -> Iterator[Result]:
    say("the peak of float32 matrix products")
    peaks = [matmul_peak() for _ in range(2 if quick else 5)]
    yield summed_up("matmul float32, peak", peaks, "GFLOP/s")
    peak = max(peaks)
    for case in cases(quick):
        say(f"{case.title}: {case.rounds} rounds of {case.steps} steps of dense, {', '.join(case.methods)}")
        data = random_data(case.shape, case.steps * case.batch)
        found = seconds_per_step(case, data)
        reached = [work(case, data) / s / 1e9 for s in found["dense"]]
        yield summed_up(f"{case.title}: dense", [1000 * s for s in found["dense"]], "ms")
        yield summed_up(f"{case.title}: dense, reached", reached, "GFLOP/s")
        yield summed_up(f"{case.title}: dense, of the matmul peak", [100 * r / peak for r in reached], "%")
        for method in case.methods:
            name = f"{case.title}: {method} over dense"
            yield summed_up(name, ratios(found[method], found["dense"]), "ratio", case.target(method))
