"""The scorecard, on a comparison and on answers made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from dst_repro.report import page, scorecard
from dst_repro.report.scorecard import DASH, HEADS, Part, Side
from tests.unit.report.test_report import Page

NUMBERS = [  # paper, method, verdict, why inconclusive, why not run, reprint of
    ("dst", "dense", "reproduced", "", "", ""),
    *(("dst", "dst", verdict, "", "", "") for verdict in ("reproduced", "better", "worse", "denser")),
    ("dst", "dst", "inconclusive", "one seed", "", ""),
    ("dst", "dense", "reproduced", "", "", "dst Table 1"),
    ("dst", "dst", "not run", "", "reduced", ""),
    ("dst", "dst", "not run", "", "no run of this model", ""),
    ("rigl", "rigl", "not run", "", "no run of this method", ""),
    ("rigl", "dense", "not run", "", "another pipeline", ""),
    ("snip", "snip", "not run", "", "planned, needs a GPU", ""),
]
CLAIMS = [  # paper, verdict, reduced
    ("dst", "holds", ""),
    ("dst-small", "holds", "fewer images"),
    ("dst-small", "fails", "fewer images"),
    ("dst", "not run", ""),
    ("masks", "inconclusive", ""),
]


def counted(numbers: list[tuple[str, ...]] = NUMBERS, claims: list[tuple[str, str, str]] = CLAIMS) -> pd.DataFrame:
    return scorecard.scorecard(compared(numbers), answered(claims))


def compared(numbers: list[tuple[str, ...]] = NUMBERS) -> pd.DataFrame:
    found = pd.DataFrame(numbers, columns=["paper", "method", "verdict", "unsettled", "not_run", "reprint_of"])
    corrected = [0.03 * (1 + number) for number in range(len(found))]
    return found.assign(dataset="mnist", model="lenet-300-100", cell="a b", metric="top1", margin=0.3, p_holm=corrected)


def answered(claims: list[tuple[str, str, str]] = CLAIMS) -> pd.DataFrame:
    return pd.DataFrame(claims, columns=["paper", "verdict", "reduced"])


def test_numbers_count_once_and_claims_of_reduced_items_are_the_papers() -> None:
    frame = counted().set_index("paper")
    assert list(frame.index) == ["dst", "masks", "rigl", "snip", "all"]  # those with an answer come first
    dst = frame.loc["dst"]
    assert (dst["printed"], dst["distinct"], dst["in_reach"], dst["answered"], dst["share"]) == (9, 8, 7, 6, 0.75)
    counts = ["reproduced", "better", "worse", "denser", "sparser", "inconclusive", "not_run"]
    assert list(dst[counts]) == [2, 1, 1, 1, 0, 1, 2]
    assert (dst["claims"], dst["claims_holds"], dst["claims_fails"], dst["claims_not_run"]) == (4, 2, 1, 1)
    assert (dst["claims_holds_reduced"], dst["claims_fails_reduced"]) == (1, 1)
    whole = frame.loc["all"]
    assert (whole["printed"], whole["distinct"], whole["answered"], whole["claims"]) == (12, 11, 6, 5)
    assert math.isnan(frame.loc["masks", "share"])


def test_as_text() -> None:
    told = {line.paper: dict(zip(HEADS, line.texts, strict=True)) for line in scorecard.lines(counted())}
    assert told["dst"]["answered"] == "6 (75.0 %)"
    assert [told["dst"][f"claims {word}"] for word in ("hold", "fail", "inconclusive")] == ["2 (1)", "1 (1)", "0"]
    assert told["dst"]["reproduced"] == "2 (1 dense)"
    assert told["rigl"]["answered"] == "0"
    assert {told["rigl"][head] for head in HEADS[-5:]} == {DASH}
    assert {told["masks"][head] for head in HEADS[:-5]} == {DASH}
    (line,) = (line for line in scorecard.lines(counted()) if line.paper == "dst")
    assert line.claims == Side([Part("holds", 2), Part("fails", 1)], not_run=1, reduced=2)
    assert (line.numbers.answered, line.numbers.not_run) == (6, 2)


def test_without_any_number_or_claim_that_is_answered() -> None:
    frame = counted([("snip", "snip", "not run", "", "reduced", "")], [])
    assert list(frame["paper"]) == ["snip", "all"]
    assert list(frame["answered"]) == [0, 0]


def test_papers_beyond_the_reach_of_the_runs_are_one_line() -> None:
    assert scorecard.beyond(counted()) == [("rigl", 2)]


def test_the_counts_of_every_row_add_up() -> None:
    frame = counted()
    verdicts = ["reproduced", "better", "worse", "denser", "sparser", "inconclusive"]
    assert (frame[verdicts].sum(axis=1) == frame["answered"]).all()
    assert (frame["answered"] + frame["not_run"] == frame["distinct"]).all()
    assert (frame.filter(regex="^not_run_").sum(axis=1) == frame["not_run"]).all()
    assert (frame.filter(regex="^inconclusive_").sum(axis=1) == frame["inconclusive"]).all()
    claims = [f"claims_{word}" for word in ("holds", "fails", "inconclusive", "not_run")]
    assert (frame[claims].sum(axis=1) == frame["claims"]).all()
    numbers = frame.select_dtypes("number").drop(columns="share")
    assert (numbers.iloc[:-1].sum() == numbers.iloc[-1]).all()


def test_a_row_in_words() -> None:
    said = dict(zip(counted()["paper"], counted()["says"], strict=True))
    assert said["dst"] == (
        "Dynamic Sparse Training: 2 of 6 answered numbers reproduced (1 of them dense), 1 better, 1 worse, 1 denser, "
        "1 inconclusive; of 2 not run 1 has runs near it, of another setting, density or protocol, 1 is of a "
        "network, method or pipeline that is not planned here; of its 4 claims 2 hold, 1 fails, 1 is not run (2 of the "
        "answers by reduced runs).")  # fmt: skip
    assert said["snip"] == "SNIP: none of 1 number answered; of 1 not run 1 needs a GPU."
    assert said["masks"] == "Masks: of its 1 claim 1 is inconclusive."
    assert scorecard.sentences(counted())[-1] == "No answer to any number of SNIP (1)."  # RigL: in no run's reach


def test_what_to_know_before_reading() -> None:
    runs = pd.DataFrame({"dataset": ["cifar10"] * 2 + ["mnist"], "note": ["a copy.", "a copy.", None]})
    found = scorecard.caveats(counted(), compared(), answered(), runs)
    assert found == [
        "12 numbers are printed, of which 1 repeats another: of 11 distinct numbers 6 are answered and 5 not run, of "
        "which 1 needs a GPU, 1 has runs near it, of another setting, density or protocol, 3 are of networks, "
        "methods or pipelines that are not planned here.",
        "All answered numbers are of MNIST (LeNet-300-100); they rest on 2 cells of runs.",
        "Reproduced means within a margin of ours, 0.3 points on MNIST, which neighbouring densities may share; of "
        "these 2, 1 is so after Holm's correction, too.",
        "1 of the 2 reproduced are accuracies of dense networks, which say nothing of sparse training.",
        "Inconclusive are 1 by one seed, which has no interval.",
        "2 of 4 answered claims rest on runs with fewer epochs, images or weights than the paper's, which speak for "
        "their own setting.",
        "Data of 2 runs: CIFAR-10, a copy.",
    ]  # fmt: skip
    text = scorecard.markdown(counted(), found)
    assert text.index("**In words**") < text.index("**To know before reading**") < text.index("a copy")


def test_files(tmp_path: Path) -> None:
    scorecard.write(counted(), tmp_path)
    text = (tmp_path / "scorecard.md").read_text()
    assert (
        "| Dynamic Sparse Training | 8 | 6 (75.0 %) | 2 (1 dense) | 1 | 1 | 1 | 0 | 1 | 2 | 4 | 2 (1) | 1 (1) | 0 | 1 |"
        in text
    )
    assert f"| Masks |{f' {DASH} |' * 9} 1 | 0 | 0 | 1 | 0 |" in text
    written = pd.read_csv(tmp_path / "scorecard.csv")
    pd.testing.assert_frame_equal(written, counted().reset_index(drop=True), check_dtype=False)


@pytest.fixture
def shown() -> Page:
    found = scorecard.scorecard(compared(), answered())
    return Page(page._scorecard(found, {}, ["masks-small"], 'id="numbers-dst"'))


def test_bars_say_in_words_what_they_show(shown: Page) -> None:
    bars = [tag for tag in shown.all("span") if tag.get("class") == "bar"]
    assert all(bar["role"] == "img" for bar in bars)
    assert bars[0]["aria-label"] == (
        "Dynamic Sparse Training, numbers: 2 reproduced, 1 better, 1 worse, 1 denser, 1 inconclusive"
    )
    assert bars[1]["aria-label"] == "Dynamic Sparse Training, claims: 2 holds, 1 fails"
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
