"""Whatever stands in a configuration, on the command line or in a published table: it is taken, or refused in one line.

A quarter of a minute of examples here; `pytest -m soak` tries many more.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from dst_repro import cli
from dst_repro.errors import UserError
from dst_repro.plan.catalogue import catalogue
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import load_suite, plan
from dst_repro.published import loader
from dst_repro.reading import from_json, from_yaml
from tests.property.searching import search

SOAK = int(os.environ.get("DST_SOAK_EXAMPLES", "20000"))

RUN = {"dataset": "digits", "model": "lenet-300-100", "method": "dense", "learning_rate": 0.1, "epochs": 2, "seed": 0}
ADAM = {"optimizer": "adam", "optimizer_params": {"eps": 1e-8}}
DST = {"method": "dst", "method_params": {"alpha": 1e-3, "reset": False}}
RUNS: list[dict[str, Any]] = [
    RUN,
    RUN | DST | {"fidelity": "released"},
    RUN | {"method": "rigl", "density": 0.1, "method_params": {"update_period": 5}},
    RUN | ADAM | {"schedule": "cosine", "schedule_params": {"final": 0.1}},
    RUN | {"schedule": "multi-step", "schedule_params": {"milestones": [1], "gamma": 0.1, "unit": "step"}},
    RUN | {"method": "one-shot", "density": 0.1, "weights_from": {"method": "dense"}, "weights_at": {"step": 3}},
    RUN | {"method": "given-mask", "mask_from": DST, "begin_at": {"epoch": 1}},
]
EXPERIMENT = {
    "experiment": "grid",
    "title": "A grid",
    "base": {key: value for key, value in RUN.items() if key not in ("method", "seed")},
    "sweep": {"seed": [0, 1]},
    "blocks": [
        {"set": {"method": "dense"}},
        {"set": {"method": "dst"}, "sweep": {"method_params.alpha": [1e-4, 1e-3]}},
        {
            "set": {"method": "one-shot", "weights_from": {"method": "dense"}},
            "rounds": {"density": [0.5, 0.2]},
            "then": [{"after": {"density": [0.2]}, "set": {"epochs": 3}}],
        },
    ],
}
ITEM = {"kind": "table", "builder": "pivot", "experiments": ["grid"], "title": "A table", "caption": "Numbers."}
PAPER = {
    "paper": "article",
    "title": "An article",
    "citation": "Somebody",
    "items": {
        "table-1": ITEM | {"params": {"rows": ["model", "method"]}},
        "fig-1": ITEM | {"kind": "figure", "builder": "accuracy-vs-density", "params": {"least": 90.0}},
    },
}
SUITE = {"suite": "tiny", "title": "Tiny", "items": ["article/*"], "experiments": ["grid"], "limit": 500}

STRINGS = ["", " ", ".", "..", "/", "-", "~", "$(x)", "`x`", "{x}", "{", "a\nb", "\0", "off", "1e-5", "9_8", "nan"]
STRINGS += ["a.b", "*", "[", "grid", "article/table-1", "../x/y", "dense", "dst", "set", "runs", "é😀", "\ud800"]
STRINGS += ["a" * 300, "x" * 10_000]
NUMBERS = [0, 1, -1, 2, 257, 10**6, 2**31, 2**32, 2**63, 10**30, 10**400, 0.0, -0.0, 0.5, 1.0, 1e-320, 1e308, -1e-5]
NUMBERS += [float("inf"), float("-inf"), float("nan")]


def odd() -> st.SearchStrategy[Any]:
    """What a person or a program may write by mistake, and what nobody would."""
    atoms = st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(NUMBERS),
        st.sampled_from(STRINGS),
        st.integers(),
        st.floats(),
        st.text(),
    )
    keys = st.one_of(st.sampled_from([*STRINGS, *RUN]), st.text(max_size=5))
    return st.recursive(
        atoms,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
        max_leaves=5,
    )


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """(collection, key or index) of everything that stands in a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield value, key
        yield from places(inner)


@st.composite
def spoilt(draw: st.DrawFn, value: Any) -> Any:
    """A copy with some values replaced, taken away, doubled, put elsewhere, or under another name."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(0, 3))):
        found = list(places(value))
        if not found:
            break
        within, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(["replace", "remove", "add", "move"])):
            case "replace":
                within[key] = draw(odd())
            case "remove":
                del within[key]
            case "add" if isinstance(within, dict):
                name = st.one_of(st.sampled_from(["a", "", "epochs.x", "density", "seed", 3]), st.text())
                within[draw(name)] = draw(odd())
            case "add":
                within.append(draw(odd()))
            case "move":
                other, there = draw(st.sampled_from(found))
                with contextlib.suppress(KeyError, IndexError):  # gone with what was around it
                    within[key] = copy.deepcopy(other[there])
    return value


def one_line(said: str) -> None:
    assert said.strip()
    assert len(said.splitlines()) == 1, said
    assert len(said) <= 1001
    assert said.isprintable()


def taken_or_refused(call: Callable[[], Any]) -> Any:
    """What the call returns; None, if it raises `UserError` with one line."""
    try:
        return call()
    except UserError as error:
        one_line(str(error))
        return None


def check_run(values: Any) -> None:
    made = taken_or_refused(lambda: RunConfig.parse(values))
    if isinstance(values, dict):
        with contextlib.suppress(TypeError, ValueError, RecursionError):
            text = json.dumps(values)
            taken_or_refused(lambda: RunConfig.parse(text))
    if made is not None:
        assert re.fullmatch(r"[a-z0-9.+-]+-s[0-9]+-[0-9a-f]{10}", made.id)
        assert len(made.id) < 200
        assert RunConfig.parse(made.json_text()) == made
        json.dumps(made.full(), allow_nan=False)


def spoilt_run() -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(RUNS).flatmap(spoilt), odd())


@st.composite
def of_plug_ins(draw: st.DrawFn) -> dict[str, Any]:
    """A run of any method, model and data set, with odd values of their parameters."""
    run = dict(RUN)
    for kind in ("dataset", "model", "method"):
        run[kind] = draw(st.sampled_from(sorted(catalogue()[kind])))
        properties = catalogue()[kind][run[kind]]["schema"].get("properties", {})
        names = draw(st.lists(st.sampled_from(sorted(properties)), max_size=3)) if properties else []
        values = st.one_of(odd(), st.sampled_from([1, 2, 0.5, True, "erk", "global", ["fc1"]]))
        run[f"{kind}_params"] = {name: draw(values) for name in names}
    if catalogue()["method"][run["method"]]["facts"].get("density"):
        run["density"] = draw(st.sampled_from([0.1, 1, 1.0, 1e-9]))
    return run


@st.composite
def files(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """(suite, paper, experiment); most of the time one of them is spoilt."""
    whole = [SUITE, PAPER, EXPERIMENT]
    which = draw(st.sampled_from([0, 1, 2]))
    whole[which] = draw(spoilt(whole[which]))
    return whole[0], whole[1], whole[2]


def written(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


@contextlib.contextmanager
def project(suite: Any = SUITE, paper: Any = PAPER, experiment: Any = EXPERIMENT) -> Iterator[Path]:
    """A folder with these files, which the process works in."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        for path, value in (("suite", suite), ("papers/article", paper), ("experiments/grid", experiment)):
            file = Path("config", f"{path}.yaml")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(written(value))
        yield Path(name)


def check_files(values: tuple[Any, Any, Any]) -> None:
    with project(*values):
        taken_or_refused(lambda: plan(values[0]))
        made = taken_or_refused(lambda: load_suite(Path("config/suite.yaml")))
        if made is not None:
            assert len(made.runs) <= 2 * made.file.limit * (1 + len(RUNS))
            assert len({*made.files("table"), *made.files("figure")}) == len(made.items)
            json.dumps([made.digest, made.file.model_dump(mode="json")], allow_nan=False)


PIECES = ["\n", "  ", "- ", ": ", "a: ", "{", "}", "[", "]", ",", "&a ", "*a", "!!int ", "!x", "#", "'", '"']
PIECES += ["|\n", ">\n"]
PIECES += ["---\n", "%YAML 1.1\n", "\t", "? ", "<<: ", "1e-5", "off", "0o7", ".inf", "\0", "é", "\\", "\ufeff"]


def yaml_text() -> st.SearchStrategy[str]:
    return st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text())


def check_text(text: str) -> None:
    value = taken_or_refused(lambda: from_yaml(text))
    assert value is None or from_json(json.dumps(value)) == value
    taken_or_refused(lambda: from_json(text))


HEADER = ",".join(loader.Published.model_fields)
ROW = "dst,Table 1,mnist,lenet-300-100,dst,2.48,top1,97.69,0.14,unknown,5,read,alpha=5e-4;dist=erk,a note"
CSV_PIECES = ['"', ",", "\n", "\r", "\0", "nan", "inf", "_", "1", "=", ";", "é", "\x80", "-", "e9", " ", "٣", ROW]


@st.composite
def csv_bytes(draw: st.DrawFn) -> bytes:
    text = "\n".join([HEADER, ROW, ROW.replace("Table 1", "Table 2"), ""])
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(text)))
        text = text[:start] + draw(st.sampled_from(["", *CSV_PIECES])) + text[start + draw(st.integers(0, 3)) :]
    return text.encode(draw(st.sampled_from(["utf-8", "utf-8", "latin-1"])), "replace")


def check_csv(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name, "dst.csv").write_bytes(content)
        frame = taken_or_refused(lambda: loader.load(Path(name)))
        if frame is not None:
            assert frame["value"].between(0, 100).all()


SUITES = [
    "config/suite.yaml",
    "config",
    "config/none.yaml",
    "latin.yaml",
    "",
    "{",
    "{}",
    "/dev/null",
    json.dumps(SUITE),
]
COMMANDS = ["status", "list", "explain", "summary", "aggregate", "table", "compare", "report", "confirm"]
COMMANDS += ["schema", "data", "queue", "train", "none", "several words"]


def as_argument(text: str) -> str:
    """A word that the operating system lets through, and that names nothing outside the folder."""
    passed = text.replace("\ud800", "\udcff")  # how a byte arrives that is no UTF-8
    return passed.replace("\0", "").replace("/", "").strip(".")


@st.composite
def arguments(draw: st.DrawFn) -> list[str]:
    """Of a command that trains nothing: those that train get something that they refuse."""
    word = st.one_of(st.sampled_from(STRINGS), st.text(max_size=8)).map(as_argument)
    number = st.sampled_from(["0", "-1", "nan", "1", "1_0", "", "x", "9" * 30, "9" * 5000])
    as_json = spoilt(SUITE).map(lambda suite: written(suite).decode("utf-8", "surrogateescape").replace("\0", ""))
    suite = ["--suite", draw(st.one_of(st.just(SUITES[0]), st.sampled_from(SUITES), as_json))]
    command = draw(st.sampled_from(COMMANDS))
    match command:
        case "explain" | "table":
            return [command, draw(word), *suite]
        case "status":
            options = st.lists(st.sampled_from(["--strict", "--retry", "--strct", "--x"]), max_size=2)
            return [command, *suite, *draw(options)]
        case "list":
            return [command, *suite, *draw(st.sampled_from([[], ["--cost"]]))]
        case "schema":
            return [command, "--out", draw(st.one_of(st.sampled_from(["config/suite.yaml", "out"]), word))]
        case "data":
            unknown = word.filter(lambda name: name not in catalogue()["dataset"])
            out = st.one_of(word, st.sampled_from(["config", "config/suite.yaml/x", "out.json"]))
            return [command, draw(st.one_of(st.just("digits"), unknown)), draw(out)]
        case "queue":
            refused = st.sampled_from(["0", "-1", "nan", "inf", "1_0", "", "x", "9" * 5000])
            return [command, SUITES[0], draw(st.sampled_from(["--jobs", "--hours", "--until"])), draw(refused)]
        case "confirm":
            return [command, *suite, *draw(st.one_of(st.just([]), number.map(lambda n: ["--epochs", n])))]
        case "train":
            lacking = st.sampled_from(list(RUN)).map(lambda key: json.dumps({k: v for k, v in RUN.items() if k != key}))
            return [command, draw(st.one_of(word, lacking, st.just("{"))), *suite]
        case "several words":
            return draw(st.lists(word, max_size=3).filter(lambda words: not {"data", "queue", "train"} & {*words}))
    return [command, *suite]


def check_arguments(given_: list[str]) -> None:
    out, err = io.StringIO(), io.StringIO()
    with project(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        Path("latin.yaml").write_bytes("suite: é".encode("latin-1"))
        try:
            status = cli.main(given_)
        except SystemExit as error:  # argparse's
            status = error.code if isinstance(error.code, int) else -1
    assert status in (0, 1, 2), given_
    if status == 2:
        one_line(err.getvalue().removesuffix("\n").removeprefix("dst_repro: "))


CHECKS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], None], int]] = {
    "run": (spoilt_run(), check_run, 300),
    "plug-ins": (st.deferred(of_plug_ins), check_run, 300),
    "files": (files(), check_files, 200),
    "yaml": (yaml_text(), check_text, 300),
    "csv": (csv_bytes(), check_csv, 200),
    "arguments": (st.deferred(arguments), check_arguments, 80),
}
"""What is tried, by what, and how many examples."""


@pytest.mark.parametrize("name", CHECKS)
def test_input_is_taken_or_refused_in_one_line(name: str) -> None:
    search(*CHECKS[name])


@pytest.mark.soak
@pytest.mark.parametrize("name", CHECKS)
def test_input_is_taken_or_refused_in_one_line_at_length(name: str) -> None:
    search(*CHECKS[name][:2], SOAK, anew=True)


def test_what_is_spoilt_was_right() -> None:
    """Else nothing would be found out."""
    for run in RUNS:
        RunConfig.parse(run)
    with project():
        runs = load_suite(Path("config/suite.yaml")).runs
        assert len(runs) == 2 * (1 + 2 + 3)  # a chain of two rounds, and one more after the second
        check_arguments(["status", "--suite", "config/suite.yaml"])
