"""What came of it, as the table of `docs/promises.md` says it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

BEGIN, END = "<!-- soak -->\n", "<!-- end -->"
PAGE = Path(__file__).parents[2] / "docs" / "promises.md"

HEAD = "| fault, at random moments | times |\n| --- | ---: |\n"
OUTCOMES = (
    "runs lost",
    "wrong outcomes",
    "runs trained again without need",
    "calls that hung, processes left behind, faults not told",
)
SAME = "Afterwards every record, history, table and figure was equal to the bit to that of an undisturbed suite."
ROW = re.compile(r"\| ([a-z][a-z' ]*?)(?:: ([^|]+))? \| (\d+) \|\n")
FORM = re.compile(
    re.escape(HEAD)
    + rf"(?P<rows>(?:{ROW.pattern})+)"
    + r"\| \*\*together\*\* \| \*\*(?P<together>\d+)\*\* \|\n"
    + "".join(rf"\| \*\*{outcome}\*\* \| \*\*(?P<outcome_{n}>\d+)\*\* \|\n" for n, outcome in enumerate(OUTCOMES))
    + r"\nA suite of (?P<runs>\d+) runs, (?P<calls>\d+) calls of `snakemake`, (?P<told>\d+) faults told in a line and "
    + r"mended as it says; (?P<minutes>\d+) minutes, seed \d+\. (?P<end>[^\n]*)\n"
)


@dataclass
class Figures:
    """Of one soak."""

    seed: int
    runs: int = 0
    calls: int = 0
    told: int = 0
    minutes: float = 0.0
    faults: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(what, how: may be empty) -> times"""
    lost: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    """Files that at any time were not those of an undisturbed suite, though nothing said so."""
    needless: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)
    """A call that hangs, a process that outlives it, a fault that nobody tells."""

    @property
    def outcomes(self) -> tuple[int, ...]:
        return len(self.lost), len(self.wrong), self.needless.total(), len(self.troubles)

    @property
    def good(self) -> bool:
        return not any(self.outcomes)

    def table(self) -> str:
        rows = []
        for what in sorted({what for what, _ in +self.faults}):
            ways = {how: n for (of, how), n in sorted((+self.faults).items()) if of == what}
            named = ", ".join(f"{how} {n}" for how, n in ways.items() if how)
            rows += [f"| {what}{': ' if named else ''}{named} | {sum(ways.values())} |\n"]
        rows += [f"| **together** | **{self.faults.total()}** |\n"]
        rows += [f"| **{name}** | **{n}** |\n" for name, n in zip(OUTCOMES, self.outcomes, strict=True)]
        end = f"{len(self.wrong)} files DIFFERED from those of an undisturbed suite." if self.wrong else SAME
        return (
            f"{HEAD}{''.join(rows)}\nA suite of {self.runs} runs, {self.calls} calls of `snakemake`, {self.told} "
            f"faults told in a line and mended as it says; {self.minutes:.0f} minutes, seed {self.seed}. {end}\n"
        )

    def lines(self) -> list[str]:
        """What is to be looked into."""
        named = [f"{name}: {', '.join(sorted(found))}" for name, found in (("lost", self.lost), ("wrong", self.wrong))]
        again = [f"trained again without need, {n} times: {run}" for run, n in sorted((+self.needless).items())]
        return [line for line in named if not line.endswith(": ")] + again + self.troubles


def finding(table: str) -> str | None:
    """What is wrong with a table: no soak writes it. None if nothing is."""
    found = FORM.fullmatch(table)
    if found is None:
        return "it has another form"
    total = 0
    for what, ways, times in ROW.findall(found["rows"]):
        if ways and sum(int(way.rpartition(" ")[2]) for way in ways.split(", ")) != int(times):
            return f"the ways of '{what}' don't add up to {times}"
        total += int(times)
    if total != int(found["together"]):
        return f"the faults add up to {total}, not to {found['together']}"
    if int(found["calls"]) < total:
        return "fewer calls than faults"
    if (found["outcome_1"] == "0") != (found["end"] == SAME):
        return "the last sentence is not that of its wrong outcomes"
    return None


def shown(text: str) -> str:
    """The table that stands in a text. Raises ValueError where there is none."""
    begin = text.index(BEGIN) + len(BEGIN)
    return text[begin : text.index(END, begin)]


def write(figures: Figures, path: Path = PAGE) -> None:
    """In the place of the table that stands there."""
    text = path.read_text(encoding="utf-8")
    begin = text.index(BEGIN) + len(BEGIN)
    path.write_text(text[:begin] + figures.table() + text[text.index(END, begin) :], encoding="utf-8")
