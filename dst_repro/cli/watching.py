"""`status --watch`: where the runs stand, again and again; in place on a terminal, else one state below the other."""

from __future__ import annotations

import math
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from dst_repro.cli import forecast
from dst_repro.cli.standing import Standing, duration, lines, standing
from dst_repro.data.today import Today
from dst_repro.ending import end_if_asked
from dst_repro.plan.grid import Suite
from dst_repro.records.cost import Costs

HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def watch(suite: Suite, found: Sequence[Standing], seconds: float, every: bool, today: Today) -> list[Standing]:
    """Show where runs stand, `found` first, until nothing is left to be done or somebody interrupts it; the last state.

    Costs are those of the records that are there when it begins; runs that have ended are not looked at again.
    """
    results, found = Path(suite.file.results_dir), list(found)
    costs = Costs(results)
    try:
        while True:
            _show([time.strftime("%H:%M:%S"), *lines(suite, found, every, costs), *_end(found, costs)])
            if not any(_open(run, suite.file.train) for run in found):
                break
            time.sleep(seconds)
            end_if_asked()
            found = [standing(run.run, results, today) if _open(run, True) else run for run in found]
    except KeyboardInterrupt:  # how one leaves
        pass
    return found


def _open(run: Standing, trains: bool) -> bool:
    """Whether something may still become of a run; where nothing is trained, only if somebody is at work on it."""
    return run.busy or (trains and run.name in ("missing", "broken"))


def _end(found: Sequence[Standing], costs: Costs) -> Iterator[str]:
    """When all is done, if as many runs are trained at a time as now; one that says nothing yet begins just now."""
    missing = [forecast.seconds(run.run, costs) for run in found if run.name in ("missing", "broken")]
    running = [
        forecast.seconds(run.run, costs) if math.isnan(run.seconds) else run.seconds
        for run in found
        if run.name == "running"
    ]
    if not (missing or running or any(run.busy for run in found)):
        yield "all is done"
    known = [cost for cost in missing if not math.isnan(cost)]
    left = [0.0 if math.isnan(seconds) else seconds for seconds in running]
    unknown = sum(map(math.isnan, [*missing, *running]))
    if left and unknown < len(missing) + len(running):
        last = max([*left, *forecast.ends(known, left)])
        without = f", without {unknown:,} on data of unknown size" if unknown else ""
        yield f"all is done in about {duration(last)}, {len(left):,} runs at a time, {forecast.where()}{without}"


def _show(text: Sequence[str]) -> None:
    """On a terminal the last lines that it has room for, which have the totals, each cut to its width."""
    if not sys.stdout.isatty():
        print(*text, sep="\n", end="\n\n", flush=True)
        return
    width, height = shutil.get_terminal_size()
    rows = "".join(f"{line[: width - 1]}{CLEAR_LINE}\n" for line in text[1 - height :])
    print(f"{HOME}{rows}{CLEAR_BELOW}", end="", flush=True)
