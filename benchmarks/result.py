"""One measured number with its target, and the CSV file and the table that show many of them."""

from __future__ import annotations

import csv
import io
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dst_repro.files import write_text

COLUMNS = ("name", "value", "unit", "spread", "target", "met")
COMPARE = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Result:
    """A number in `unit`. `spread` is the interquartile range in the same unit, None for a single measurement."""

    name: str
    value: float
    unit: str
    spread: float | None = None
    target: str = ""
    """`<= 1.5` or `>= 8`, in `unit`; empty where no target is set."""

    @property
    def higher_is_better(self) -> bool:
        return self.target.startswith(">=")

    @property
    def met(self) -> str:
        """`yes` or `no`; empty without a target. The median decides, the spread is for the reader."""
        if not self.target:
            return ""
        sign, bound = self.target.split()
        return "yes" if COMPARE[sign](self.value, float(bound)) else "no"

    def cells(self) -> tuple[str, ...]:
        spread = "" if self.spread is None else f"{self.spread:.3g}"
        return self.name, f"{self.value:.4g}", self.unit, spread, self.target, self.met


def write(results: Iterable[Result], about: dict[str, object], path: Path) -> None:
    """The results as CSV, below one `# key: value` line for everything that was said about the machine."""
    text = io.StringIO()
    text.writelines(f"# {key}: {value}\n" for key, value in about.items())
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(result.cells() for result in results)
    write_text(path, text.getvalue())


def read(path: Path) -> tuple[list[Result], dict[str, str]]:
    """What `write` wrote. `met` is worked out anew. Raises `ValueError` for a file with other columns."""
    lines = path.read_text().splitlines()
    notes = [line[2:].partition(": ") for line in lines if line.startswith("# ")]
    reader = csv.DictReader(line for line in lines if not line.startswith("#"))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise ValueError(f"{path}: the columns must be {', '.join(COLUMNS)}")
    results = [
        Result(
            name=row["name"],
            value=float(row["value"]),
            unit=row["unit"],
            spread=float(row["spread"]) if row["spread"] else None,
            target=row["target"],
        )
        for row in reader
    ]
    return results, {key: value for key, _, value in notes}


def table(results: Sequence[Result]) -> str:
    """The same as aligned text; numbers to the right."""
    rows = [COLUMNS, *(result.cells() for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {COLUMNS.index("value"), COLUMNS.index("spread")}
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
