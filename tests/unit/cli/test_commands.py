"""A command is one module, and what all of them share."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dst_repro import __version__, cli
from dst_repro.cli.commands import ORDER, about, commands
from dst_repro.plan.catalogue import catalogue

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


@pytest.mark.parametrize("arguments", [["--help"], ["import", "--help"]])
def test_help_without_docstrings(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-OO", "-B", "-m", "dst_repro", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: dst_repro")


def test_list_does_not_load_torch() -> None:
    code = "import sys; from dst_repro.cli import main; main(['list']); print('LOADED', *sys.modules)"
    catalogue()  # fills its cache
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"torch", "matplotlib"} & set(done.stdout.partition("LOADED")[2].split()) == set()


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])
    assert (left.value.code, capsys.readouterr().out) == (0, f"dst_repro {__version__}\n")


COMPLETED = [("st", "status"), ("status --re", "--retry"), ("train --on-source-change k", "keep"), ("im", "import")]


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit) as left:
        cli.main(["--print-completion", "bash"])
    assert left.value.code == 0
    (tmp_path / "completion").write_text(capsys.readouterr().out)
    (tmp_path / "suite.yaml").touch()
    for typed, whole in (*COMPLETED, ("status --suite sui", "suite.yaml")):
        words = f"dst-repro {typed}"
        ask = f"COMP_WORDS=({words}); COMP_CWORD={len(words.split()) - 1}; _shtab_dst_repro; echo ${{COMPREPLY[@]}}"
        command = ["bash", "-c", f"source completion; complete -p dst-repro > /dev/null && {ask}"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == whole


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_other_shells_get_theirs(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit):
        cli.main(["--print-completion", shell])
    assert "dst-repro" in capsys.readouterr().out


def test_without_shtab_one_line_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)  # as if it were not installed
    with pytest.raises(SystemExit) as left:
        cli.main(["--print-completion", "bash"])
    said = capsys.readouterr()
    assert (left.value.code, said.out) == (2, "")
    assert said.err == (
        "dst_repro: --print-completion needs the package shtab: `pip install shtab`; see `dst_repro --help`\n"
    )
