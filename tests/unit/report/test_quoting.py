"""Quotations of results in pages of prose."""

from __future__ import annotations

from pathlib import Path

import pytest

from dst_repro import cli
from dst_repro.errors import UserError
from dst_repro.report.quoting import quoted, update

TABLE = """**A title**

| paper | id | claim | answer |
| --- | --- | ---: | ---: |
| dst | c1 | It keeps up | holds |
| SNIP | c1 | So does it | fails |
| dst | c2 | On ImageNet, too | not run |

A caption | with a bar.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "results/all").mkdir(parents=True)
    (tmp_path / "results/all/claims.md").write_text(TABLE)
    return tmp_path


def test_a_file_is_quoted_whole(root: Path) -> None:
    page = "Text.\n\n<!-- results/all/claims.md -->\nof yesterday\n<!-- end -->\n\nMore.\n"
    assert quoted(page, root) == f"Text.\n\n<!-- results/all/claims.md -->\n{TABLE}<!-- end -->\n\nMore.\n"
    assert quoted(quoted(page, root), root) == quoted(page, root)


def test_rows_are_quoted_in_the_order_of_the_names_and_only_what_was_run(root: Path) -> None:
    page = "<!-- results/all/claims.md snip dst -->\n<!-- end -->"
    assert quoted(page, root) == (
        "<!-- results/all/claims.md snip dst -->\n"
        "| id | claim | answer |\n| --- | ---: | ---: |\n| c1 | So does it | fails |\n| c1 | It keeps up | holds |\n"
        "<!-- end -->"
    )


def test_what_is_not_there_is_told_and_nothing_is_written(root: Path) -> None:
    page = root / "page.md"
    page.write_text(unclosed := "<!-- results/all/claims.md -->\nMine.\n\n<!-- results/all/claims.md -->\n<!-- end -->")
    with pytest.raises(UserError, match="a quotation without its"):
        update(page, root)
    assert page.read_text() == unclosed
    for quotation, why in (("results/all/none.md", "no such file"), ("results/all/claims.md rigl", "begins with rigl")):
        text = f"<!-- {quotation} -->\nold\n<!-- end -->"
        page.write_text(text)
        with pytest.raises(UserError, match=why):
            update(page, root)
        assert page.read_text() == text


def test_a_page_is_written_only_if_it_changes(root: Path) -> None:
    page = root / "page.md"
    page.write_text("<!-- results/all/claims.md dst -->\n<!-- end -->")
    assert update(page, root)
    assert not update(page, root)


def test_the_command_writes_the_pages_and_names_those_that_change(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    (root / "docs").mkdir()
    for name in ("README.md", "docs/a.md"):
        (root / name).write_text("<!-- results/all/claims.md dst -->\n<!-- end -->")
    (root / "docs/b.md").write_text("Words.")
    assert cli.main(["quote"]) == 0
    assert capsys.readouterr().out.split() == ["README.md", "docs/a.md"]
    assert cli.main(["quote"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["quote", "none.md"]) == 2
    assert "none.md: No such file or directory" in capsys.readouterr().err
