"""The fingerprint changes with what the interpreter goes by, and with nothing else."""

from __future__ import annotations

import re

import pytest

from dst_repro.plan.fingerprint import INERT, LOOP, _path, closure, essence, fingerprint
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
    ],
)
def test_code_counts(old: str, new: str) -> None:
    assert essence(SOURCE.replace(old, new)) != essence(SOURCE)


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
    found = closure(LOOP, "dst_repro.methods.dense", "dst_repro.models.lenet", "dst_repro.data.digits")
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
