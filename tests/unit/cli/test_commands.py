"""A command is one module, and what all of them share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dst_repro import cli
from dst_repro.cli.commands import ORDER, about, commands

ROOT = Path(__file__).parents[3]
HEAVY = {"torch", "pandas", "pyarrow", "matplotlib", "pydantic", "yaml", "numpy"}


def test_every_module_is_a_command_and_every_command_has_a_module() -> None:
    modules = {path.stem.removesuffix("_") for path in (ROOT / "dst_repro/cli/commands").glob("[!_]*.py")}
    assert sorted(ORDER) == sorted(modules)


def test_help_is_what_the_modules_say(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    places = [said.index(f" {name} {about(command)}") for name, command in commands()]
    assert places == sorted(places)


def test_help_loads_nothing_that_only_commands_need() -> None:
    code = "import sys, contextlib; from dst_repro.cli import main\nwith contextlib.suppress(SystemExit): main(['-h'])"
    code += "\nprint('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert HEAVY & set(done.stdout.partition("LOADED")[2].split()) == set()


def test_list_does_not_load_torch() -> None:
    code = "import sys; from dst_repro.cli import main; main(['list']); print('LOADED', *sys.modules)"
    for _ in range(2):  # the first fills the cache of the catalogue
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"torch", "matplotlib"} & set(done.stdout.partition("LOADED")[2].split()) == set()
