"""What the site is built of; that it can be built says `make docs`, which `make lint` calls."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dst_repro.registry import ALL

ROOT = Path(__file__).parents[2]


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("stage", ROOT / "docs/stage.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


stage = _load()


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("site") / "staged"
    stage.stage(folder)
    return folder


def test_the_repository_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "holds/repository"
    root.mkdir(parents=True)
    (root / "mine.txt").write_text("mine")
    (tmp_path / "link").symlink_to(root)
    monkeypatch.setattr(stage, "ROOT", root)
    monkeypatch.chdir(root)
    for folder in (root, root.parent, Path("."), Path(".."), tmp_path / "link", root / "docs/.."):
        with pytest.raises(SystemExit, match="would be removed, and the repository with it"):
            stage.stage(folder)
    assert (root / "mine.txt").read_text() == "mine"


def in_nav(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values():
            yield from in_nav(value) if isinstance(value, list) else [value]


def test_every_page_stands_in_the_nav_once() -> None:
    entries = list(in_nav(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    written = {*stage.PAGES, *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))}
    assert len(entries) == len(set(entries))
    assert {name for name in entries if not name.startswith("results/")} == written
    assert all((ROOT / name).is_file() for name in entries)


def test_links_lead_to_files_of_the_site(staged: Path) -> None:
    for page in staged.rglob("*.md"):
        for link in stage.LINK.findall(page.read_text(encoding="utf-8")):
            if ":" not in link:
                assert (page.parent / link).resolve().is_file(), f"{page.relative_to(staged)}: {link}"


def test_pages_are_those_of_the_repository_but_for_what_is_made(staged: Path) -> None:
    for name in ("README.md", "docs/api.md"):
        assert (staged / name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")
    table = (staged / "results/mnist/dst-table-1.md").read_text(encoding="utf-8")
    assert "\n# Dense and dynamic sparse training on MNIST" in table


def test_every_command_and_every_plug_in_has_its_place(staged: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "dst_repro", "--help"], capture_output=True, encoding="utf-8", check=True
    ).stdout
    commands = set(re.findall(r"^    ([a-z]+) ", told, flags=re.M))
    page = (staged / "docs/commands.md").read_text(encoding="utf-8")
    assert {"train", "status"} <= commands <= set(re.findall(r"^## (\w+)$", page, flags=re.M))
    page = (staged / "docs/catalogue.md").read_text(encoding="utf-8")
    assert set(stage.KINDS) == set(ALL)
    for kind, registry in ALL.items():
        for slug, entry in registry.discover().items():
            if entry.module.startswith("dst_repro."):  # not what other tests plug in
                assert f"{{ #{kind.replace(' ', '-')}-{slug} }}" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a * b, s_k", r"a \* b, s\_k"),
        ("`a_b * c` d_e", r"`a_b * c` d\_e"),
        ("[share, T] <x>", r"\[share, T\] &lt;x&gt;"),
    ],
)
def test_nothing_in_a_docstring_is_mark_up_but_its_code(text: str, shown: str) -> None:
    assert stage.plain(text) == shown


FIRST_STEPS = """
import json, shlex, sys
from dst_repro import cli

codes, commands = json.loads(sys.stdin.read())
for code in codes:
    exec(code, {})
for command in commands:
    assert cli.main(shlex.split(command)) == 0, command
"""


def test_the_first_steps_work(tmp_path: Path) -> None:
    page = (ROOT / "docs/first-steps.md").read_text(encoding="utf-8").replace("\\\n", "")
    codes = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    commands = re.findall(r"^python -m dst_repro (train .*results /tmp/mine)$", page, flags=re.M)
    assert (len(codes), len(commands)) == (2, 2)
    places = {"examples/": f"{ROOT}/examples/", "$PWD": str(tmp_path), "/tmp/mine": "mine", "epochs=12": "epochs=2"}
    for written, here in places.items():
        commands = [command.replace(written, here) for command in commands]
    done = subprocess.run(  # plug-ins stay in a process
        [sys.executable, "-c", FIRST_STEPS],
        input=json.dumps([codes, commands]),
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "rigl, after 50 of 50 steps" in done.stdout
    assert len(list(tmp_path.glob("mine/runs/*/record.json"))) == 2
