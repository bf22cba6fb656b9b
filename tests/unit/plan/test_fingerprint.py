"""The fingerprint changes with what the interpreter goes by, and with nothing else."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dst_repro.plan.catalogue import PACKAGE
from dst_repro.plan.fingerprint import INERT, LOOP, _origin, _path, closure, essence, fingerprint
from tests.conftest import RunFactory

SOURCE = '''"""A module."""

import math  # for pi


def area(radius):
    """Of a circle."""
    # the old formula
    text = "a # is no comment"

    return math.pi * radius**2, text
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""Another\n\nmodule."""'),
        ("  # for pi", ""),
        ('    """Of a circle."""\n', ""),
        ("    # the old formula\n", "    # the new\n    # formula\n"),
        ("\n\n\n", "\n"),
        ("radius**2, text\n", "radius**2, text   \n\n\n"),
    ],
)
def test_words_about_the_code_do_not_count(old: str, new: str) -> None:
    assert SOURCE.count(old) == 1
    assert essence(SOURCE.replace(old, new)) == essence(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("**2", "**3"),
        ("a # is no comment", "a # is a comment"),
        ("import math", "import cmath as math"),
        ("    return", "    if radius:\n        return"),
        ("(radius)", "(radius=1)"),
        ('    """Of a circle."""\n', '    """Of a circle."""; radius = 2\n'),
        ("a # is no comment", "é"),
    ],
)
def test_code_counts(old: str, new: str) -> None:
    assert essence(SOURCE.replace(old, new)) != essence(SOURCE)


def test_every_line_of_a_text_counts() -> None:
    """Blank ones, those that look like a comment, and spaces at their ends."""
    texts = ["a\n\nb", "a\nb", "a\n\n\nb", "a \n\nb", "a\n# c\nb", "a\n#\nb"]
    found = {essence(f'x = """{text}"""  # é\n') for text in texts}
    assert len(found) == len(texts)
    assert essence('x = """a\n\nb"""\n') in found


def test_what_is_left_of_a_module() -> None:
    assert essence(SOURCE).splitlines() == [
        "import math",
        "def area(radius):",
        '    text = "a # is no comment"',
        "    return math.pi * radius**2, text",
    ]


def test_closure_of_rigl_has_its_bases_and_no_other_method() -> None:
    found = closure("dst_repro.methods.rigl")
    methods = {name for name in found if name.startswith("dst_repro.methods.")}
    assert methods == {f"dst_repro.methods.{name}" for name in ("rigl", "drop_and_grow", "scored", "masked", "base")}
    assert {f"dst_repro.sparsity.{name}" for name in ("masks", "schedule", "distribution")} <= found


def test_closure_of_a_run_leaves_out_discovery_and_analysis() -> None:
    found = closure(*LOOP, "dst_repro.methods.dense", "dst_repro.models.lenet", "dst_repro.data.digits")
    assert not found & INERT
    assert {"dst_repro.training.loop", "dst_repro.training.optimisation", "dst_repro.data.base"} <= found
    outside = ("cli", "plots", "tables", "records.frames", "compare", "report", "registry", r"plan\.", r"methods\.rigl")
    assert not [name for name in found if re.match(rf"dst_repro\.({'|'.join(outside)})\b", name)]
    assert all(_path(name) is not None for name in found)


def test_fingerprint_goes_by_method_model_and_data_not_by_numbers(tiny: RunFactory) -> None:
    rigl = fingerprint(tiny("rigl", density=0.1))
    assert re.fullmatch(r"[0-9a-f]{16}", rigl)
    assert rigl == fingerprint(tiny("rigl", density=0.2, seed=3, epochs=9))
    others = [tiny("set", density=0.1), tiny("dense"), tiny("rigl", density=0.1, dataset="mnist", dataset_params={})]
    assert len({rigl, *map(fingerprint, others)}) == 4


OWN = '''
from dst_repro.sparsity.criteria import drop
from .own_helper import score

@drop("own")
def own(layer):
    """abs(w), by a helper"""
    return score(layer.weight)
'''
ASK = """
import sys
from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import fingerprint
base = {"dataset": "digits", "model": "lenet-300-100", "learning_rate": 0.1, "epochs": 1, "seed": 0, "density": 0.1}
for params in ({"drop": "own"}, {"compare": ["own"]}, {"drop": "magnitude"}):
    print(fingerprint(RunConfig.parse(base | {"method": "rigl", "method_params": params})))
"""


@pytest.mark.slow
def test_a_criterion_in_a_file_of_its_own_counts_for_the_runs_that_select_it(tmp_path: Path) -> None:
    """With what it imports, here relatively; and for no other run."""
    shutil.copytree(PACKAGE, tmp_path / "dst_repro", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "dst_repro" / "sparsity"

    def ask(code: str, helper: str) -> list[str]:
        (folder / "own.py").write_text(code)
        (folder / "own_helper.py").write_text(helper)
        command = [sys.executable, "-c", ASK]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()

    helper = "def score(weight):\n    return weight.abs()\n"
    first, other_helper = ask(OWN, helper), ask(OWN, helper.replace("abs()", "square()"))
    other_code = ask(OWN.replace("score(layer.weight)", "-score(layer.weight)"), helper)
    for changed in (other_helper, other_code):
        assert [one != same for one, same in zip(first, changed, strict=True)] == [True, True, False]


def test_relative_imports_are_followed_from_modules_and_packages() -> None:
    def origin(module: str, path: str, code: str) -> str:
        node = ast.parse(code).body[0]
        assert isinstance(node, ast.ImportFrom)
        return _origin(module, Path(path), node)

    assert origin("dst_repro.a.b", "a/b.py", "from .c import d") == "dst_repro.a.c"
    assert origin("dst_repro.a.b", "a/b.py", "from . import c") == "dst_repro.a"
    assert origin("dst_repro.a.b", "a/b.py", "from ..c import d") == "dst_repro.c"
    assert origin("dst_repro.a", "a/__init__.py", "from .c import d") == "dst_repro.a.c"
    assert origin("dst_repro.a", "a/__init__.py", "from . import c") == "dst_repro.a"
    assert origin("dst_repro.a", "a/b.py", "from torch import nn") == "torch"
