"""A small suite under random faults, see `soak`; leaves with 1 if anything was lost, wrong or trained without need.

`python -m tests.soak --seed 0 --faults 60 --minutes 60 --write`
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from dst_repro.ending import Ended, raising_on_sigterm
from tests.soak.figures import write
from tests.soak.soak import soaking


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of what is done when [%(default)s]")
    parser.add_argument("--faults", type=int, default=60, help="how many [%(default)s]")
    parser.add_argument("--kills", type=int, default=50, help="how many of them kill, at least [%(default)s]")
    parser.add_argument("--minutes", type=float, default=60.0, help="for faults, at most [%(default)s]")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/promises.md")
    args = parser.parse_args()
    try:
        with (
            raising_on_sigterm(),
            tempfile.TemporaryDirectory(prefix="dst_repro-soak-") as folder,
            soaking(Path(folder), args.seed, lambda line: print(line, flush=True)) as soak,
        ):
            figures = soak.run(args.faults, args.minutes, args.kills)
    except (KeyboardInterrupt, Ended) as error:
        print("tests.soak: ended; nothing is written", file=sys.stderr)
        return 130 if isinstance(error, KeyboardInterrupt) else 143
    print(figures.table(), *figures.lines(), sep="\n")
    if args.write:
        write(figures)
    return 0 if figures.good else 1


if __name__ == "__main__":
    sys.exit(main())
