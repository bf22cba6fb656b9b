"""The scorecard, on a comparison and on answers made by hand."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import pandas as pd
import pytest

from dst_repro.report import page, scorecard
from dst_repro.report.scorecard import DASH, HEADS, Part, Side
from tests.unit.report.test_report import Page

NUMBERS = [  # paper, verdict, why not run, reprint of
    *(
        ("dst", verdict, "", "")
        for verdict in ("reproduced", "reproduced", "better", "worse", "denser", "inconclusive")
    ),
    ("dst", "reproduced", "", "dst Table 1"),
    ("dst", "not run", "reduced", ""),
    ("dst", "not run", "no run of this model", ""),
    ("rigl", "not run", "no run of this method", ""),
    ("rigl", "not run", "another pipeline", ""),
    ("snip", "not run", "no finished run", ""),
]
CLAIMS = [  # paper, verdict, reduced
    ("dst", "holds", ""),
    ("dst-small", "holds", "fewer images"),
    ("dst-small", "fails", "fewer images"),
    ("dst", "not run", ""),
    ("masks", "inconclusive", ""),
]


def counted(
    numbers: list[tuple[str, str, str, str]] = NUMBERS, claims: list[tuple[str, str, str]] = CLAIMS
) -> pd.DataFrame:
    comparison = pd.DataFrame(numbers, columns=["paper", "verdict", "not_run", "reprint_of"])
    return scorecard.scorecard(comparison, pd.DataFrame(claims, columns=["paper", "verdict", "reduced"]))


def test_numbers_count_once_and_claims_of_reduced_items_are_the_papers() -> None:
    frame = counted().set_index("paper")
    assert list(frame.index) == ["dst", "masks", "rigl", "snip", "all"]  # those with an answer come first
    dst = frame.loc["dst"]
    assert (dst["numbers"], dst["in_reach"], dst["answered"], dst["share"]) == (8, 7, 6, 0.75)
    counts = ["reproduced", "better", "worse", "denser", "sparser", "inconclusive", "not_run"]
    assert list(dst[counts]) == [2, 1, 1, 1, 0, 1, 2]
    assert (dst["claims"], dst["claims_holds"], dst["claims_fails"], dst["claims_not_run"]) == (4, 2, 1, 1)
    assert (dst["claims_holds_reduced"], dst["claims_fails_reduced"]) == (1, 1)
    whole = frame.loc["all"]
    assert (whole["numbers"], whole["answered"], whole["claims"]) == (11, 6, 5)
    assert math.isnan(frame.loc["masks", "share"])


def test_as_text() -> None:
    told = {line.paper: dict(zip(HEADS, line.texts, strict=True)) for line in scorecard.lines(counted())}
    assert told["dst"]["answered"] == "6 (75.0 %)"
    assert (told["dst"]["hold"], told["dst"]["fail"], told["dst"]["undecided"]) == ("2 (1)", "1 (1)", "0")
    assert told["rigl"]["answered"] == "0"
    assert {told["rigl"][head] for head in HEADS[-5:]} == {DASH}
    assert {told["masks"][head] for head in HEADS[:-5]} == {DASH}
    (line,) = (line for line in scorecard.lines(counted()) if line.paper == "dst")
    assert line.claims == Side([Part("holds", 2), Part("fails", 1)], not_run=1, reduced=2)
    assert (line.numbers.answered, line.numbers.not_run) == (6, 2)


def test_without_any_number_or_claim_that_is_answered() -> None:
    frame = counted([("snip", "not run", "reduced", "")], [])
    assert list(frame["paper"]) == ["snip", "all"]
    assert list(frame["answered"]) == [0, 0]


def test_papers_beyond_the_reach_of_the_runs_are_one_line() -> None:
    assert scorecard.beyond(counted()) == [("rigl", 2)]


def test_files(tmp_path: Path) -> None:
    scorecard.write(counted(), tmp_path)
    text = (tmp_path / "scorecard.md").read_text()
    assert "| dst | 8 | 6 (75.0 %) | 2 | 1 | 1 | 1 | 0 | 1 | 2 | 4 | 2 (1) | 1 (1) | 0 | 1 |" in text
    assert f"| masks |{f' {DASH} |' * 9} 1 | 0 | 0 | 1 | 0 |" in text
    written = pd.read_csv(tmp_path / "scorecard.csv")
    pd.testing.assert_frame_equal(written, counted().reset_index(drop=True), check_dtype=False)


@pytest.fixture
def shown() -> Page:
    comparison = pd.DataFrame(NUMBERS, columns=["paper", "verdict", "not_run", "reprint_of"])
    answers = pd.DataFrame(CLAIMS, columns=["paper", "verdict", "reduced"])
    return Page(page._scorecard(comparison, answers, functools.partial(page._called, {}), []))


def test_bars_say_in_words_what_they_show(shown: Page) -> None:
    bars = [tag for tag in shown.all("span") if tag.get("class") == "bar"]
    assert all(bar["role"] == "img" for bar in bars)
    assert bars[0]["aria-label"] == ("dst, numbers: 2 reproduced, 1 better, 1 worse, 1 denser, 1 inconclusive")
    assert bars[1]["aria-label"] == "dst, claims: 2 holds, 1 fails"
    parts = [tag for tag in shown.all("i") if "style" in tag]
    assert (parts[0]["class"], parts[0]["style"]) == ("is-reproduced", "flex-grow:2")
    for words in ("2 of 6 reproduced, 1 better, 1 worse, 1 denser, 1 inconclusive; 2 not run",
                  "2 of 3 hold, 1 fail; 2 by reduced runs; 1 not run", "SNIP", "1 not run",
                  "No run of this suite could answer a number of RigL (2)."):  # fmt: skip
        assert words in shown.text


def test_better_is_not_as_worse_is() -> None:
    style = (Path(page.__file__).parents[1] / "templates/style.css").read_text()
    assert ".better { color: var(--better); }" in style
    rule = {word: style.partition(f".is-{word}")[2].partition("}")[0] for word in ("better", "worse")}
    assert "--bad" in rule["worse"]
    assert "--bad" not in rule["better"]
