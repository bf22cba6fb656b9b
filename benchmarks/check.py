"""Whether a measurement is worse than an older one. Only ratios are compared: seconds are those of a machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.result import Result, read

TOLERANCE = 0.15  # a ratio may get this much worse, as a share of the old one


def worse(new: Sequence[Result], old: Sequence[Result]) -> list[str]:
    """One line for every ratio of `old` that got worse by more than 15 % and by more than its spread, or is missing.

    A larger ratio is a worse one, unless its target is a lower bound. Of the two spreads the larger counts.
    """
    found = {result.name: result for result in new if result.unit == "ratio"}
    lines = []
    for before in (result for result in old if result.unit == "ratio"):
        now = found.get(before.name)
        if now is None:
            lines.append(f"{before.name}: not measured any more")
            continue
        loss = before.value - now.value if before.higher_is_better else now.value - before.value
        if loss > TOLERANCE * before.value and loss > max(before.spread or 0, now.spread or 0):
            lines.append(f"{before.name}: {now.value:.4g}, was {before.value:.4g} ({loss / before.value:.0%} worse)")
    if not any(result.unit == "ratio" for result in old):
        lines.append("the old measurement has no ratio to compare with")
    return lines


def report(new: Path, old: Path) -> int:
    """Print what got worse in the file `new` against `old`; 1 if anything did, 2 if a file can't be read."""
    try:
        (results, machine), (before, other) = read(new), read(old)
    except (OSError, ValueError, KeyError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    if machine.get("processor") != other.get("processor"):
        print("note: measured on another processor, whose ratios can differ", file=sys.stderr)
    lines = worse(results, before)
    print("\n".join(lines) if lines else f"no ratio is worse than in {old}")
    return 1 if lines else 0


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m benchmarks.check NEW.csv OLD.csv", file=sys.stderr)
        return 2
    return report(Path(arguments[0]), Path(arguments[1]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
