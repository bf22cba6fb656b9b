"""Plug-in files as people have them: what lies beside them, how they are written, how they fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dst_repro import plugins
from dst_repro.errors import ConfigError
from dst_repro.plan import fingerprint

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test names is forgotten after it."""
    monkeypatch.setattr(plugins, "_named", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        del sys.modules[name]
    fingerprint._imports.cache_clear()
    fingerprint._module_hash.cache_clear()


def test_what_lies_beside_a_file_is_found_from_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a b'ü").mkdir()
    file = tmp_path / "a b'ü" / "brought.py"
    file.write_text("import beside_it\nfrom pack_beside import inner\nTWO = beside_it.ONE + inner.ONE\n", "utf-8")
    file.with_name("beside_it.py").write_text("ONE = 1\n")
    (file.parent / "pack_beside").mkdir()
    (file.parent / "pack_beside" / "__init__.py").touch()
    (file.parent / "pack_beside" / "inner.py").write_text("ONE = 1\n")
    monkeypatch.chdir("/")
    plugins.use([str(file)])
    plugins.load()
    assert sys.modules["dst_repro_plugins.brought"].TWO == 2
    used = fingerprint.closure("dst_repro_plugins.brought")
    assert used >= {"dst_repro_plugins.brought", "beside_it", "pack_beside", "pack_beside.inner"}
    before = plugins.digest()
    (file.parent / "pack_beside" / "inner.py").write_text("ONE = 2\n")
    assert plugins.digest() != before


def test_folders_and_links_to_nowhere_beside_a_file_are_no_sources(tmp_path: Path) -> None:
    (tmp_path / "lonely.py").write_text("")
    plugins.use([str(tmp_path / "lonely.py")])
    before = plugins.digest()
    (tmp_path / "folder.py").mkdir()
    (tmp_path / ".#lonely.py").symlink_to("somebody@somewhere.1")  # an editor's lock
    assert plugins.digest() == before


@pytest.mark.parametrize(
    "written",
    [b"\xef\xbb\xbfA = '\xc3\xa9'\n", b"# coding: latin-1\nA = '\xe9'\n", b"A = '\xc3\xa9'\r\n"],
    ids=["byte order mark", "another encoding", "line ends of Windows"],
)
def test_a_file_counts_as_python_reads_it(written: bytes, tmp_path: Path) -> None:
    (tmp_path / "written.py").write_bytes(written)
    plugins.use([str(tmp_path / "written.py")])
    assert fingerprint.essence(fingerprint._text(tmp_path / "written.py")) == "A = 'é'"
    assert fingerprint._imports("dst_repro_plugins.written") == frozenset()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nraise SystemExit('done')\n", "plugins: failing.py: SystemExit: done (line 2)"),
        ("\nA = (\n", "plugins: failing.py: SyntaxError: '(' was never closed (line 2)"),
    ],
)
def test_what_keeps_a_file_from_being_imported_is_told_once(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(text)
    plugins.use([str(tmp_path / "failing.py")])
    with pytest.raises(ConfigError) as refused:
        plugins.load()
    assert str(refused.value) == said


OF_A_SCRIPT = """
import torch
from torch import nn

import dst_repro
from dst_repro.methods.static import Static, StaticParams
from dst_repro.registry import methods


@methods.register("of-a-script", StaticParams, density=True)
class OfAScript(Static):
    \"\"\"mine: of a script\"\"\"


model = nn.Sequential(nn.Linear(10, 10))
sparse = dst_repro.sparsify(model, torch.optim.SGD(model.parameters(), lr=0.1), "of-a-script", 0.5, steps=5)
print(sparse.density)
"""


def test_what_a_script_registers_is_known_to_it_and_to_nobody_else(tmp_path: Path) -> None:
    """Whether the catalogue is cached already or not: the script neither needs it nor gets into it."""
    (tmp_path / "script.py").write_text(OF_A_SCRIPT)
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}

    def call(*words: str) -> str:
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    for _ in range(2):
        assert call("script.py") == "0.5\n"
        assert "of-a-script" not in call("-c", "from dst_repro.plan.catalogue import catalogue; print(catalogue())")
