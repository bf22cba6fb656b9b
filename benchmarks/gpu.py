"""Steps on a GPU: dense, DST, RigL and SNIP's masks in float32, tf32 and bf16, as they are and as CUDA graphs.

`python -m benchmarks.gpu --seconds 90` for a first look at a machine that is lent by the minute. Every case is a
process that compiles beside the others, and is then timed alone. What isn't ready in time is left out, and said to be.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import result
from benchmarks.measure import ROOT, say, summed_up
from benchmarks.result import Result
from dst_repro.machine import environment

EPOCHS, STEPS = 5, 100
LONGEST = 60.0  # seconds that the timed epochs of a case may take
ALL_TRICKS: dict[str, Any] = {
    "soft-neurons": {},
    "ghost-skips": {},
    "label-smoothing": {},
    "rescaled-init": {"iterations": 1},
}
GRAPHS = {"TORCHINDUCTOR_CUDAGRAPHS": "1"}


@dataclass(frozen=True)
class Case:
    model: str
    method: str
    precision: str = "tf32"
    batch: int = 64
    graphs: bool = False
    tricks: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        named = f"step on a GPU, {self.model}, batch {self.batch}, {self.precision}"
        return f"{named}{', CUDA graphs' * self.graphs}: {self.method}{' with all tricks' * bool(self.tricks)}"


def cases() -> list[Case]:
    """The most telling first."""
    four = ("dense", "dst", "rigl", "snip")
    return [
        *(Case("vgg-16", method, graphs=graphs) for graphs in (False, True) for method in four[:3]),
        *(Case("lenet-300-100", method, "float32", 100) for method in four),
        *(
            Case("resnet-32-double", method, batch=128, graphs=graphs)
            for graphs in (False, True)
            for method in four[:2]
        ),
        *(Case("resnet-32-double", "static", batch=128, tricks=tricks) for tricks in ({}, ALL_TRICKS)),
        *(Case("vgg-16", method, precision) for precision in ("float32", "bf16") for method in four[:2]),
        *(Case("wrn-16-8", method) for method in four[:3]),
        *(Case("lenet-5-caffe", method, "float32", 100) for method in four[:2]),
    ]


def timed(case: Case) -> None:
    """Train until all is compiled, wait for a line, then print the seconds of a step, epoch by epoch, as JSON."""
    from benchmarks.subjects import CIFAR, MNIST, build, epoch_timer, random_data
    from dst_repro.machine.device import settle

    shape = MNIST if case.model.startswith("lenet") else CIFAR
    device = settle(1, case.precision)  # type: ignore[arg-type]
    data = random_data(shape, STEPS * case.batch)
    train = epoch_timer(
        build(case.model, case.method, data, case.batch, tricks=case.tricks, on=device, precision=case.precision)  # type: ignore[arg-type]
    )
    train()
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps([train() / STEPS for _ in range(EPOCHS)]), flush=True)


def start(case: Case) -> subprocess.Popen[str]:
    shared = {"DST_GPU_SLOTS": str(len(cases())), "TORCHINDUCTOR_COMPILE_THREADS": "2"}
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gpu", "--case", json.dumps(asdict(case))],
        env=os.environ | shared | (GRAPHS if case.graphs else {}),
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def line(process: subprocess.Popen[str], until: float) -> str | None:
    """The next line of a process that prints one at a time; None if it ends or the time is up before."""
    output: Any = process.stdout
    ready, _, _ = select.select([output], [], [], max(0.0, until - time.monotonic()))
    return (output.readline() or None) if ready else None


def measure(seconds: float) -> Iterator[Result]:
    """All that is ready within so many seconds, one after another."""
    until = time.monotonic() + seconds
    running = [(case, start(case)) for case in cases()]
    try:
        ready = [pair for pair in running if line(pair[1], until)]
        for pair in running:
            if pair not in ready:
                pair[1].kill()
                say(f"{pair[0].name}: not ready in time, or ended")
        for case, process in ready:
            print("go", file=process.stdin, flush=True)
            if found := line(process, time.monotonic() + LONGEST):
                yield summed_up(case.name, [1000 * one for one in json.loads(found)], "ms")
            process.kill()
    finally:
        for _, process in running:
            process.kill()
            process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="until when a case has to be compiled [%(default)s]")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmark-gpu.csv", help="[%(default)s]")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.case:
        timed(Case(**json.loads(args.case)))
        return 0
    found: list[Result] = []
    for one in measure(args.seconds):
        found.append(one)
        say(f"{one.name}: {one.value:.3g} {one.unit}")
    described = environment.describe()
    versions = described.pop("versions")
    result.write(found, {**described, **(versions if isinstance(versions, dict) else {}), "gpu": _gpu()}, args.out)
    return 0


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


if __name__ == "__main__":
    sys.exit(main())
