"""YAML 1.2 and JSON: one meaning for each text, and one line for what has none."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from dst_repro import reading
from dst_repro.errors import ConfigError
from dst_repro.files import read_yaml
from dst_repro.reading import from_json, from_yaml, plain

CONFIG = Path(__file__).parents[2] / "config"

# YAML 1.2.2, section 10.3.2 and example 10.9
WORDS: dict[str, Any] = {
    "": None, "~": None, "null": None, "Null": None, "nUll": "nUll",
    "true": True, "True": True, "FALSE": False,
    "yes": "yes", "No": "No", "on": "on", "off": "off", "y": "y",
    "0": 0, "-19": -19, "+12": 12, "0o7": 7, "0x3A": 58, "010": 10, "1_000": "1_000", "1:30": "1:30",
    "0.": 0.0, "-0.0": 0.0, ".5": 0.5, "+12e03": 12000.0, "-2E+05": -200000.0, "1e-5": 1e-5, "1.0e-5": 1e-5,
    "1E3": 1000.0,
    "2001-12-14": "2001-12-14", "1e": "1e", ".": ".", "1.2.3": "1.2.3", "0b1": "0b1",
}  # fmt: skip


@pytest.fixture(params=["libyaml", "python"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both parsers of PyYAML, which has libyaml in its wheels but not everywhere."""
    if request.param == "libyaml" and not hasattr(yaml, "CSafeLoader"):
        pytest.skip("PyYAML was built without libyaml")
    monkeypatch.setattr(reading, "LOADER", yaml.CSafeLoader if request.param == "libyaml" else yaml.SafeLoader)


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize("text", WORDS)
def test_words_mean_what_yaml_1_2_says(text: str) -> None:
    value = from_yaml(f"a: {text}")["a"]
    assert value == WORDS[text]
    assert type(value) is type(WORDS[text])
    assert from_yaml(f"a: '{text}'") == {"a": text}


@pytest.mark.usefixtures("_parser")
def test_collections_aliases_and_blocks_of_text() -> None:
    text = "a: &net {width: 2, layers: [1, 2]}\nb: *net\nc: >\n  one\n  two\nd: &n 3\ne: [*n, *n]\nf: []\n"
    net = {"width": 2, "layers": [1, 2]}
    assert from_yaml(text) == {"a": net, "b": net, "c": "one two\n", "d": 3, "e": [3, 3], "f": []}
    assert from_yaml("") is from_yaml("# nothing\n") is None


LETTERS = "abcdefghi"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in itertools.pairwise(LETTERS)
)
"""9^9 words."""
DEEP_BY_ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 100))


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {b: 1, c: {d: 1, d: 2}}", "a.c.d: the key stands twice (line 1)"),
        ("a: 1\n'a': 2", "a: the key stands twice (line 2)"),
        ("a:\n  1: b", "a: a key must be a word, not 1 (line 2)"),
        ("true: b", "a key must be a word, not True (line 1)"),
        ("? [a]\n: b", "a key must be a word, not ['a'] (line 1)"),
        ("a: &a [*a]", "*a stands for nothing that ends before it (line 1)"),
        ("a: *b", "*b stands for nothing that ends before it (line 1)"),
        ("a: !!python/object/apply:os.system [ls]", "the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not"),
        ("a: !!float 1", "the tag 'tag:yaml.org,2002:float' is not read: write the value alone (line 1)"),
        ("a: 1\n---\na: 2", "a second document begins (line 2); one is expected"),
        ("%YAML 1.1\n---\na: off", "must be YAML 1.2 (line "),
        ("a: .inf", "a: must be finite, not inf"),
        ("a: [1, -.Inf]", "a.1: must be finite, not -inf"),
        ("a: .NaN", "a: must be finite, not nan"),
        ("a: 1e400", "a: must be finite, not inf"),
        ("a: 9223372036854775808", "a: a whole number of more than 64 bits"),
        (f"a: {'9' * 5000}", "a whole number of more than 64 bits (line 1)"),
        ('a: "\\0"', "a: the character '\\x00' can't be in a text"),
        (BOMB, "more than 100,000 values (line 6)"),
        (f"a: {'[' * 900}{']' * 900}", "a: nested more than 50 deep"),
        (DEEP_BY_ALIASES, "a50: nested more than 50 deep"),
        (f"a: {'[' * 200_000}", "a: nested more than 50 deep"),
        (f"a: [{'1, ' * 200_000}", "more than 100,000 values (line 1)"),
        ("a: [1, 2", "not valid YAML: "),
        ("a:\n\t- 1", "not valid YAML: "),
        ("a: b: c", "not valid YAML: "),
    ],
    ids=lambda text: text[:20],
)
def test_text_without_a_meaning_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_yaml(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON: "),
        ('{"a": {"b": 1, "b": 2}}', "b: the key stands twice"),
        ('{"a": NaN}', "a: must be finite, not nan"),
        ('{"a": [0, -1e999]}', "a.1: must be finite, not -inf"),
        (f'{{"a": {"9" * 5000}}}', "not valid JSON: "),
        ('{"a": "\\ud800"}', "a: the character '\\ud800' can't be in a text"),
        (f'{{"a": {"[" * 60}{"]" * 60}}}', "a: nested more than 50 deep"),
        ("[" * 100_000, "not valid JSON: "),
    ],
    ids=lambda text: text[:20],
)
def test_json_without_a_meaning_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_json(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_json_is_read() -> None:
    assert from_json('{"a": [1, 1e-5, "\\ud83d\\ude00", null, true]}') == {"a": [1, 1e-5, "😀", None, True]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1: 2}, "a key must be a word, not 1"),
        ({"a": {None: 1}}, "a: a key must be a word, not None"),
        ({"a": {2}}, "a: neither text nor number, but {2}"),
        ({"a": b"x"}, "a: neither text nor number, but b'x'"),
    ],
)
def test_other_values_are_refused(value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plain(value)
    assert str(caught.value) == message


def test_a_value_that_holds_itself_is_refused() -> None:
    knot: list[Any] = []
    knot.append(knot)
    with pytest.raises(ConfigError, match="a: nested more than 50 deep"):
        plain({"a": knot})


def test_our_own_files_mean_the_same_to_both_versions_of_yaml() -> None:
    files = sorted(CONFIG.rglob("*.yaml"))
    assert len(files) > 60
    for path in files:
        assert read_yaml(path) == yaml.safe_load(path.read_text(encoding="utf-8")), path
