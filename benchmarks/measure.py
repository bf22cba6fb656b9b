"""Repeating, pairing and summing up measurements; and what only a process of its own can tell."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.result import Result

ROOT = Path(__file__).parent.parent


def say(text: str) -> None:
    """A line of progress."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def spread(values: Sequence[float]) -> float | None:
    """The interquartile range (quartiles by linear interpolation between the values); None for a single value."""
    if len(values) < 2:
        return None
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    return upper - lower


def summed_up(name: str, values: Sequence[float], unit: str, target: str = "") -> Result:
    """The median of repeated measurements, with their spread."""
    return Result(name, statistics.median(values), unit, spread(values), target)


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> list[float]:
    """Round by round, so that a slow moment of the machine falls on both."""
    return [a / b for a, b in zip(numerator, denominator, strict=True)]


def interleaved(
    rounds: int, actions: Mapping[str, Callable[[], float]], warm_up: bool = True
) -> dict[str, list[float]]:
    """A B C, B C A, C A B, ...: what each action returned, round by round.

    Every round starts with another action, so that none always follows the same one. With `warm_up` there is one round
    more, before these, that is not counted; an action that starts a process of its own needs none.
    """
    names = list(actions)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1 if warm_up else 0, rounds):
        first = max(number, 0) % len(names)
        for name in names[first:] + names[:first]:
            value = actions[name]()
            if number >= 0:
                found[name].append(value)
    return found


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def run(command: Sequence[str], folder: Path = ROOT) -> str:
    """The standard output of a program. If it fails, what it said is shown before the error is raised."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    return done.stdout


def child(module: str, *arguments: object) -> dict[str, Any]:
    """What a module of this package prints as JSON when a process of its own runs it."""
    loaded: dict[str, Any] = json.loads(run([sys.executable, "-m", module, *map(str, arguments)]))
    return loaded
