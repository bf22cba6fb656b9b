"""The LaTeX tables go through LaTeX."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from dst_repro.tables.render import Table, latex

pytestmark = pytest.mark.latex


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_a_table_compiles(tmp_path: Path) -> None:
    heads = [("last", "acc_100 (%)"), ("last", "n & m")]
    texts = [["98.16 ± 0.06 (5)", "— (0 of 3; all missing)"], ["\N{MINUS SIGN}0.4", "<1 ~ {x} ^ # $ \\"]]
    table = Table(pd.DataFrame(), ["model", "method"], heads, [("a_b", "c"), ("a_b", "d")], texts)
    page = latex(table, "A 50 % title", "Caption with 5 & 6_7.", "dst-table-1")
    document = (
        "\\documentclass{article}\n\\usepackage{booktabs,graphicx}\n\\begin{document}\n" + page + "\\end{document}\n"
    )
    (tmp_path / "page.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "page.pdf").stat().st_size > 0
