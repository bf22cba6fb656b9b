"""The table of `docs/promises.md` is one that a soak writes, and whose numbers add up."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.soak.figures import BEGIN, END, PAGE, Figures, finding, shown, write

KINDS = {("everything killed", "SIGKILL"): 3, ("everything killed", "SIGINT"): 2, ("disk full", ""): 4,
         ("caches that can't be written", ""): 1, ("record damaged", "zeros"): 0}  # fmt: skip


def some(**fields: object) -> Figures:
    return Figures(7, runs=14, calls=25, told=3, minutes=12.4, faults=Counter(KINDS), **fields)  # type: ignore[arg-type]


def test_the_table() -> None:
    assert some().table().splitlines() == [
        "| fault, at random moments | times |",
        "| --- | ---: |",
        "| caches that can't be written | 1 |",
        "| disk full | 4 |",
        "| everything killed: SIGINT 2, SIGKILL 3 | 5 |",
        "| **together** | **10** |",
        "| **runs lost** | **0** |",
        "| **wrong outcomes** | **0** |",
        "| **runs trained again without need** | **0** |",
        "| **calls that hung, processes left behind, faults not told** | **0** |",
        "",
        "A suite of 14 runs, 25 calls of `snakemake`, 3 faults told in a line and mended as it says; 12 minutes, "
        "seed 7. Afterwards every record, history, table and figure was equal to the bit to that of an undisturbed "
        "suite.",
    ]
    assert some().good
    assert some().lines() == []
    assert finding(some().table()) is None


@pytest.mark.parametrize(
    ("fields", "row", "line"),
    [
        ({"lost": {"a"}}, "| **runs lost** | **1** |", "lost: a"),
        ({"wrong": {"a", "b"}}, "| **wrong outcomes** | **2** |", "wrong: a, b"),
        ({"needless": Counter(a=2)}, "| **runs trained again without need** | **2** |",
         "trained again without need, 2 times: a"),
        ({"troubles": ["hangs"]}, "faults not told** | **1** |", "hangs"),
    ],
)  # fmt: skip
def test_what_went_wrong_is_counted_and_said(fields: dict[str, object], row: str, line: str) -> None:
    figures = some(**fields)
    assert not figures.good
    assert row in figures.table()
    assert figures.lines() == [line]
    assert ("2 files DIFFERED" in figures.table()) == ("wrong" in fields)
    assert finding(figures.table()) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("| disk full | 4 |", "| disk full | 5 |", "add up to 11, not to 10"),
        ("SIGKILL 3", "SIGKILL 4", "'everything killed' don't add up to 5"),
        ("| **10** |", "| **100** |", "add up to 10, not to 100"),
        ("25 calls", "5 calls", "fewer calls"),
        ("wrong outcomes** | **0**", "wrong outcomes** | **1**", "last sentence"),
        ("was equal", "was nearly equal", "last sentence"),
        ("| **runs lost** | **0** |\n", "", "another form"),
        ("| times |", "| number |", "another form"),
    ],
)
def test_an_edit_is_found(old: str, new: str, message: str) -> None:
    table = some().table()
    assert old in table
    assert message in str(finding(table.replace(old, new)))


def test_it_is_written_between_its_marks(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"before\n{BEGIN}old\n{END}\nafter {END}\n")
    write(some(), path)
    assert path.read_text() == f"before\n{BEGIN}{some().table()}{END}\nafter {END}\n"
    assert shown(path.read_text()) == some().table()


def test_the_page_has_the_table_of_a_soak_in_which_nothing_was_lost() -> None:
    table = shown(PAGE.read_text(encoding="utf-8"))
    assert finding(table) is None
    assert re.findall(r"\| \*\*(\d+)\*\* \|", table)[1:] == ["0"] * 4
    (together,) = re.findall(r"together\*\* \| \*\*(\d+)\*\*", table)
    assert int(together) >= 50
