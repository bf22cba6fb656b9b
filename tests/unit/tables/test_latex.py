"""The LaTeX tables go through LaTeX: alone, without a line that is too long."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml

from dst_repro.cli import drawing
from dst_repro.plan.grid import load_suite
from dst_repro.records.frames import Frames, aggregate
from dst_repro.tables.latex import LETTERS, escaped, latex
from dst_repro.tables.render import Table
from tests.workflow.conftest import ROOT
from tests.workflow.test_redrawn import FILES

needs_tex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
HARD = Table(
    pd.DataFrame(),
    ["model", "method"],
    [("last", "acc_100 (%)"), ("last", "n & m"), ("a heading far wider than its column", "p")],
    [("a_b", "c"), ("a_b", "d")],
    [["98.16 ± 0.06 (5)", "— (0 of 3; all missing)", "1"], ["\N{MINUS SIGN}0.4", "<1 ~ {x} ^ # $ \\", "2"]],
)


def compiled(text: str, folder: Path) -> str:
    """The log of a document that has nothing but the table and the packages that its first line asks for."""
    found = re.match(r"% \\usepackage\{(.*?)\}", text)
    assert found
    document = f"\\documentclass{{article}}\n\\usepackage{{{found[1]}}}\n\\begin{{document}}\n{text}\\end{{document}}\n"
    (folder / "page.tex").write_text(document)
    for _ in range(2):  # a long table learns its widths from the first
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    return (folder / "page.log").read_text(errors="replace")


def texts() -> set[str]:
    """All that stands in the files of papers and experiments: titles, captions, claims."""
    found: set[str] = set()

    def collect(value: object) -> None:
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, list):
            for inner in value:
                collect(inner)
        elif isinstance(value, str):
            found.add(value)

    for path in (ROOT / "config").rglob("*.yaml"):
        collect(yaml.safe_load(path.read_text()))
    return found


def test_every_letter_that_titles_captions_and_tables_use_is_one_that_latex_prints() -> None:
    drawn = {path.read_text() for path in (ROOT / "results").glob("*/*.md")}
    letters = {letter for text in (*texts(), *drawn) for letter in text} - set(string.whitespace)
    assert {"±", "\N{LESS-THAN OR EQUAL TO}", "\N{MINUS SIGN}"} <= letters
    unknown = {letter for letter in letters if letter not in LETTERS and escaped(letter) != letter}
    assert unknown == set()


def test_a_letter_that_nobody_foresaw_is_told_by_its_name() -> None:
    assert escaped("a\N{SNOWMAN}") == "a[snowman]"


def test_a_wide_table_stands_in_parts_each_with_its_labels() -> None:
    heads = [(group, f"column {n}") for group in ("first", "second") for n in range(4)]
    table = Table(pd.DataFrame(), ["model"], heads, [("a",), ("b",)], [["98.16 ± 0.06 (5)"] * 8] * 2)
    text = latex(table, "T", "C.", "t")
    assert text.count(r"\begin{longtable}") == 2
    assert text.count(r"\caption") == 1
    assert [len(part.splitlines()[0].split("&")) for part in text.split(r"\endlastfoot" + "\n")[1:]] == [5, 5]
    first, second = text.split(r"\begin{longtable}")[1:]
    assert (first.count("{first}"), second.count("{second}")) == (2, 1)  # under the caption and on pages that follow
    assert "{second}" not in first


def test_what_all_rows_share_is_said_in_the_caption() -> None:
    table = Table(pd.DataFrame(), ["model", "method"], [("p",)], [("LeNet", "SET"), ("LeNet", "DST")], [["1"], ["2"]])
    text = latex(table, "T", "C.", "t")
    assert "C. In all rows: model LeNet." in text
    assert [line for line in text.splitlines() if line.startswith(("SET", "DST"))] == [r"SET & 1 \\", r"DST & 2 \\"]


@needs_tex
@pytest.mark.latex
def test_a_table_compiles(tmp_path: Path) -> None:
    text = latex(HARD, "A 50 % title", "Caption with 5 & 6_7.", "dst-table-1")
    assert "Overfull" not in compiled(text, tmp_path)


@needs_tex
@pytest.mark.latex
def test_all_letters_compile(tmp_path: Path) -> None:
    every = "".join(sorted(LETTERS)) + "éöőłß\N{SNOWMAN}" + string.printable.strip()
    assert "Missing character" not in compiled(latex(HARD, "T", " ".join(every), "t"), tmp_path)


@needs_tex
@pytest.mark.latex
@pytest.mark.parametrize("name", [name for name, files in FILES.items() if any(f.endswith(".tex") for f in files)])
def test_every_committed_table_compiles_without_a_line_too_long(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    suite = load_suite(ROOT / "config" / f"{name}.yaml")
    found = aggregate(suite, ROOT / "results")
    frames = Frames(found.runs.assign(stale=False, trained_at=None), found.history)
    for file, item in suite.files("table").items():
        drawing.item(frames, suite.items[item], tmp_path, file)
        log = compiled((tmp_path / f"{file}.tex").read_text(), tmp_path)
        assert re.findall(r"Overfull.*", log) == [], file
        assert "LaTeX Error" not in log


@needs_tex
@pytest.mark.parametrize("first", ["[a] b", "*", "\N{SNOWMAN}"])
def test_a_row_may_begin_with_what_a_break_would_take_for_its_option(first: str, tmp_path: Path) -> None:
    table = Table(pd.DataFrame(), [first], [(first, "n"), (first, "p")], [(first,), (first,)], [["1", "2"], ["3", "4"]])
    compiled(latex(table, first, first, "x"), tmp_path)
