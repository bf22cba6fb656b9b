"""The published numbers: all of them load, and a row that breaks the schema is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from dst_repro.errors import ConfigError
from dst_repro.published import loader as published

HEADER = ",".join(published.Published.model_fields)
GOOD = "dst,Table 1,mnist,lenet-300-100,dst,2.48,top1,97.69,0.14,unknown,5,read,alpha=5e-4;dist=erk,"


def folder(tmp_path: Path, *rows: str, header: str = HEADER) -> Path:
    (tmp_path / "dst.csv").write_text("\n".join([header, *rows]) + "\n")
    return tmp_path


def test_every_line_of_every_file_is_loaded():
    frame = published.load()
    lines = sum(len(path.read_text().splitlines()) - 1 for path in Path(published.__file__).parent.glob("*.csv"))
    assert len(frame) == lines == 1394
    assert not frame.duplicated(list(published.UNIQUE)).any()
    assert frame["value"].between(0, 100).all()
    assert set(frame["metric"]) == set(published.METRICS)
    assert set(frame["status"]) == set(published.EVIDENCE)


def test_a_row_keeps_its_values_and_its_place(tmp_path: Path):
    row = published.load(folder(tmp_path, GOOD)).iloc[0]
    assert (row["value"], row["spread"], row["n_seeds"], row["line"]) == (97.69, 0.14, 5, 2)
    assert row["settings"] == {"alpha": 5e-4, "dist": "erk"}


def test_an_empty_setting_and_words_that_hold_digits():
    assert published.parse_setting("") == {}
    assert published.parse_setting("length=5x;compression=10^0.25;lr=1e-5") == {
        "length": "5x",
        "compression": "10^0.25",
        "lr": 1e-5,
    }


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("97.69", "0.9769x", "value"),
        ("97.69", "197.69", "value"),
        ("97.69", "nan", "value"),
        (",read,", ",guessed,", "status"),
        ("top1", "top2", "metric"),
        ("alpha=5e-4;dist=erk", "alpha 5e-4", "setting"),
        (",unknown,", ",,", "a spread has a kind"),
        (",5,read", ",0,read", "n_seeds"),
        ("top1,97.69", "remaining_percent,3.0", "both columns hold one number"),
        (",2.48,", ",0,", "density_percent"),
        ("97.69", "9_8", "value: Value error, must be a number, not '9_8'"),
        ("97.69", "inf", "value"),
        ("97.69", "1e400", "value"),
        ("97.69", "", "value"),
        ("97.69", "٩٧", "value"),
        ("97.69", " 97.69", "value"),
        (",0.14,", ",1_4,", "spread"),
        (",0.14,", ",nan,", "spread"),
        (",5,read", ",1_0,read", "n_seeds"),
        (",5,read", ",5.5,read", "n_seeds"),
        ("alpha=5e-4", "alpha=nan", "setting: Value error, must have a finite alpha"),
        ("alpha=5e-4", "alpha=-Infinity", "setting"),
        ("alpha=5e-4", "alpha=1e999", "setting"),
        ("dist=erk", "alpha=erk", "setting: Value error, must have each key once"),
        ("erk,", "erk", "must have 14 columns"),
        ("erk,", "erk,,", "must have 14 columns"),
        ("erk,", 'erk,"', "not valid CSV"),
        ("erk,", 'erk,"a"b', "not valid CSV"),
    ],
)
def test_an_error_names_file_and_line(tmp_path: Path, old: str, new: str, says: str):
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        published.load(folder(tmp_path, GOOD, GOOD.replace("Table 1", "Table 2").replace(old, new)))
    message = str(caught.value)
    assert message.startswith("dst.csv: line 3")
    assert says in message
    assert "\n" not in message


def test_a_quote_that_is_never_closed_is_found_where_it_opens(tmp_path: Path):
    rows = [GOOD, GOOD.replace("Table 1", '"Table 2'), *(GOOD.replace("Table 1", f"Table {n}") for n in range(3, 9))]
    with pytest.raises(ConfigError, match=r"^dst\.csv: line 3: not valid CSV: "):
        published.load(folder(tmp_path, *rows))


def test_bytes_of_another_encoding(tmp_path: Path):
    text = "\n".join([HEADER, GOOD, GOOD.replace("Table 1", "Table 2") + "café"])
    (tmp_path / "dst.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        published.load(tmp_path)
    assert str(caught.value) == "dst.csv: line 3: not UTF-8 text (byte b'\\xe9')"


def test_what_python_reads_as_a_number_and_papers_do_not_print():
    assert published.parse_setting("a=9_8;b=٣;c=1.;d=-.5e1") == {"a": "9_8", "b": "٣", "c": 1.0, "d": -5.0}


def test_a_number_that_stands_twice(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"dst.csv: line 3: the same number as in dst.csv: line 2"):
        published.load(folder(tmp_path, GOOD, GOOD.replace("97.69", "97.70")))


def test_a_wrong_header_and_no_file(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"dst\.csv: line 1: the header must be paper,item"):
        published.load(folder(tmp_path, GOOD, header=HEADER.replace("value", "number")))
    (tmp_path / "dst.csv").unlink()
    with pytest.raises(ConfigError, match="no published numbers"):
        published.load(tmp_path)


def test_reprints_count_once():
    frame = published.load()
    same = frame[(frame["model"] == "lenet-300-100") & (frame["method"] == "dst") & (frame["value"] == 97.69)]
    assert list(zip(same["item"], same["reprint_of"], strict=True)) == [
        ("Table 1", ""),
        ("submission Table 1", "dst Table 1"),
    ]
    # alpha is stated in the text of the submission and in Table 2's setting: one number
    text = frame[(frame["item"] == "submission text") & (frame["density_percent"] == 8.82)]
    assert set(text["reprint_of"]) == {"dst Table 2"}
    # DST prints Sparse Momentum's dense ResNet-50 twice; its authors' own row is the source
    imagenet = frame[(frame["item"] == "Table 3") & (frame["value"] == 74.90)]
    assert set(imagenet["reprint_of"]) == {"sparse-momentum issue #7"}
    # equal values of different training lengths are different numbers
    rigl = frame[(frame["item"] == "issue #8") & (frame["value"] == 94.2) & (frame["method"] == "rigl")]
    assert len(rigl) == 2
    assert set(rigl["reprint_of"]) == {""}
