"""Two folders of results beside each other: runs that one lacks, and what differs in the others."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dst_repro.records.pairs import Pair
    from dst_repro.records.record import Record

LINES = 20
"""Of runs, and of cells, at most; --csv has all."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "Exit code: 0 if all runs are in both and equal to the bit, 2 if there are none, else 1."
    parser.add_argument("a", metavar="A", help="folder of results, such as results or results/SUITE")
    parser.add_argument("b", metavar="B", help="another")
    parser.add_argument("--csv", metavar="FILE", help="write a row for each run")


def run(args: argparse.Namespace) -> int:
    from dst_repro.errors import UserError
    from dst_repro.files import write_text
    from dst_repro.records.pairs import pairs

    found = list(pairs(Path(args.a), Path(args.b)))
    if not found:
        raise UserError(f"{args.a} and {args.b}: no run has a record in either; there is nothing to compare")
    for line in lines(found, args.a, args.b):
        print(line)
    if args.csv:
        write_text(Path(args.csv), table(found))
    return 0 if all(pair.equal for pair in found) else 1


def lines(found: Sequence[Pair], a: str, b: str) -> Iterator[str]:
    """The short text: counts, then runs that differ, then cells whose mean has changed."""
    from dst_repro.records.pairs import changes

    both = [pair for pair in found if pair.a and pair.b]
    different = [pair for pair in both if not pair.equal]
    yield f"in both: {len(both):,} runs, {len(both) - len(different):,} of them equal to the bit"
    for name, other, alone in (
        (a, b, [p for p in found if p.a and not p.b]),
        (b, a, [p for p in found if p.b and not p.a]),
    ):
        if alone:
            more = f" and {len(alone) - 1:,} more" if len(alone) > 1 else ""
            yield f"in {name} and not in {other}: {alone[0].id}{more}"
    yield from _few([f"{pair.id}  {pair.broken}" for pair in found if pair.broken])
    yield from _few([f"{pair.id}  {'; '.join(_said(pair))}" for pair in different])
    changed = sorted(changes(different).items(), key=lambda entry: -abs(entry[1].accuracy))
    if changed:
        yield "test accuracy and density in the last epoch, second folder less first, mean over the seeds that differ:"
    yield from _few([
        f"{cell}  {change.accuracy:+.2f}, {change.density:+.2f} points ({change.seeds})" for cell, change in changed
    ])  # fmt: skip


def _few(texts: Sequence[str]) -> Iterator[str]:
    yield from texts[:LINES]
    if len(texts) > LINES:
        yield f"and {len(texts) - LINES:,} more"


def _said(pair: Pair) -> Iterator[str]:
    """What differs in a run that is in both."""
    from dst_repro.records.pairs import metrics_that_differ

    was, now = _numbers(pair.a), _numbers(pair.b)
    changed = [name for name in was if was[name] != now[name]]
    yield from (f"{name} {_text(was[name])} / {_text(now[name])}" for name in changed)
    metrics = metrics_that_differ(pair) if "metrics" in pair.fields and not changed else []
    if rest := [*metrics, *(name for name in pair.fields if name not in ("status", "metrics"))]:
        yield f"other {', '.join(rest)}"
    if pair.values:
        yield f"{pair.values:,} of {pair.of:,} values of the history"


def _text(value: object) -> str:
    return f"{value:.2f} %" if isinstance(value, float) else "none" if value is None else str(value)


def _numbers(found: Record | None) -> dict[str, str | float | None]:
    """Of a record what a person looks at; shares in percent."""
    metrics = found.metrics if found else None
    last, best = (metrics.last, metrics.best_on_validation) if metrics else (None, None)
    return {
        "status": found.status if found else None,
        "test accuracy": 100 * last.test_accuracy if last else None,
        "test accuracy, best on validation": 100 * best.test_accuracy if best else None,
        "density": 100 * last.density if last else None,
    }


def table(found: Sequence[Pair]) -> str:
    """CSV, a row a run: accuracies and densities in percent, how many values of the history differ, and of how many."""
    import csv
    import io

    stream = io.StringIO()
    names = list(_numbers(None))
    heads = [f"{name.replace(', ', ' ').replace(' ', '_')}_{side}" for name in names for side in "ab"]
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["id", "cell", "in", "equal", *heads, "fields", "values", "of", "broken"])
    for pair in found:
        sides = [_numbers(pair.a), _numbers(pair.b)]
        there = pair.a or pair.b
        where = "".join(side for side, has in (("a", pair.a), ("b", pair.b)) if has)
        rows.writerow([
            pair.id, there.cell if there else "", where, "yes" if pair.equal else "no",
            *(side[name] for name in names for side in sides),
            " ".join(pair.fields), pair.values, pair.of, pair.broken,
        ])  # fmt: skip
    return stream.getvalue()
