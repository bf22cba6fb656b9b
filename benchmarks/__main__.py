"""Measure everything, write results/benchmark.csv, and print it as a table. At most twenty minutes on two cores."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import check, data_path, memory, planning, recurrent, result, scheduling, share, steps, tricks
from benchmarks.measure import ROOT, say
from dst_repro.machine import environment
from dst_repro.machine.device import settle

SECTIONS = {
    "steps": steps.measure,
    "tricks": tricks.measure,
    "data-path": data_path.measure,
    "recurrent": recurrent.measure,
    "memory": memory.measure,
    "scheduling": scheduling.measure,
    "planning": planning.measure,
    "share": share.measure,
}
BUSY = 0.5  # processes that want to run, above which timings are not to be trusted


def about(quick: bool) -> dict[str, object]:
    """The machine, its software, and how busy it was before."""
    described = environment.describe()
    versions = described.pop("versions")
    flat = described | (versions if isinstance(versions, dict) else {})
    load = os.getloadavg()[0]
    if load > BUSY:
        say(f"something else is running (load {load:.1f}): expect slower and less certain numbers")
    return {**flat, "form": "quick" if quick else "full", "load before": f"{load:.2f}"}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions: one to two minutes")
    parser.add_argument("--only", choices=SECTIONS, help="one part of it")
    parser.add_argument("--against", type=Path, metavar="OLD.csv", help="leave with 1 if a ratio got worse since then")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "benchmark.csv", help="[%(default)s]")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.against and args.only:
        parser.error("--against compares everything, --only measures a part")
    if args.against and args.against.resolve() == args.out.resolve():
        parser.error("--against is the file that would be written; copy it first, or give --out")
    started = time.monotonic()
    os.environ["DST_DEVICE"] = "cpu"  # here and in every process that is started
    described = about(args.quick)
    settle(1)
    found: list[result.Result] = []
    for name, measure in SECTIONS.items():
        if args.only in (None, name):
            found += measure(args.quick)
    described["seconds taken"] = round(time.monotonic() - started)
    result.write(found, described, args.out)
    print(result.table(found))
    say(f"{args.out}, after {described['seconds taken']} s")
    return check.report(args.out, args.against) if args.against else 0


if __name__ == "__main__":
    sys.exit(main())
