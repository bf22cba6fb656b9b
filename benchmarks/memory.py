"""Peak memory of a training, each in a process of its own."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Iterator

from benchmarks.measure import child, interleaved, ratios, say, summed_up
from benchmarks.result import Result
from dst_repro.machine.environment import peak_memory_mib

MODEL, METHODS, STEPS, BATCH = "lenet-5-caffe", ("dst", "rigl"), 150, 64  # steps: RigL's update at 100 is among them


def peak(method: str) -> float:
    """MiB at the most, of a process that trains one epoch."""
    return float(child("benchmarks.memory", method)["mib"])


def measure(quick: bool) -> Iterator[Result]:
    rounds = 1 if quick else 3
    say(f"peak memory of {MODEL}: {rounds} rounds of dense, {', '.join(METHODS)}")

    found = interleaved(rounds, {m: functools.partial(peak, m) for m in ("dense", *METHODS)}, warm_up=False)
    yield summed_up(f"peak memory, {MODEL}: dense", found["dense"], "MiB")
    for method in METHODS:
        name = f"peak memory, {MODEL}: {method} over dense"
        yield summed_up(name, ratios(found[method], found["dense"]), "ratio")


def main(method: str) -> None:
    """Train a little, and print the peak of this process."""
    from benchmarks.subjects import MNIST, build, random_data
    from dst_repro.machine.device import settle

    settle(1)
    build(MODEL, method, random_data(MNIST, STEPS * BATCH), BATCH).run_epoch()
    print(json.dumps({"mib": peak_memory_mib()}))


if __name__ == "__main__":
    main(sys.argv[1])
