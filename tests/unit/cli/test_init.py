"""A new project: from the repository, and from a wheel that is installed elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from dst_repro import __version__, cli
from dst_repro.cli import starter
from dst_repro.plan.grid import load_suite

ROOT = Path(__file__).parents[3]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("where", ["mine", ".", "my project"])
def test_a_project_has_the_workflow_and_the_quickstart(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()  # hidden files are in nobody's way
    assert cli.main(["init", where]) == 0
    step = {"mine": "cd mine && ", ".": "", "my project": "cd 'my project' && "}[where]
    said = f"{where}: a project with a suite, config/config.yaml; `{step}snakemake --cores 2` trains and draws it\n"
    assert capsys.readouterr().out == said
    project = tmp_path / where
    expected = {name: (ROOT / name).read_bytes() for name in starter.files(ROOT)}
    made = contents(project)
    environment = yaml.safe_load(made.pop("environment.yml"))
    assert made == expected
    assert environment["dependencies"][-1] == {"pip": [f"dst_repro[workflow]=={__version__}"]}
    assert {p.relative_to(ROOT).as_posix() for p in (ROOT / "workflow").rglob("*") if p.is_file()} < {
        *contents(project)
    }
    monkeypatch.chdir(project)
    assert set(load_suite(Path("config/config.yaml")).runs) == set(load_suite(ROOT / "config/config.yaml").runs)


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for folder, said in ((tmp_path, "holds 'mine.txt', and nothing is overwritten; name a new or an empty folder"),
                         (tmp_path / "mine.txt", "is a file, where the project's folder should be;")):  # fmt: skip
        assert cli.main(["init", str(folder)]) == 2
        assert capsys.readouterr().err.startswith(f"dst_repro: {folder}: {said}")
    assert contents(tmp_path) == {"mine.txt": b"mine"}


def test_a_call_that_was_killed_is_gone_on_from_unless_something_else_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["init", str(tmp_path / "mine")]) == 0
    whole = contents(tmp_path / "mine")
    for name in ("Snakefile", "config/config.yaml", "config/papers/quickstart.yaml"):
        (tmp_path / "mine" / name).unlink()
    (tmp_path / "mine/config/papers/.quickstart.yaml.x").write_text("half")  # as `write_with` leaves it
    capsys.readouterr()
    for name in ("config/mine.yaml", "config/experiments/digits.yaml", "workflow/rules/more/mine.smk"):
        path = tmp_path / "mine" / name
        before = path.read_bytes() if path.exists() else None
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
        assert cli.main(["init", str(tmp_path / "mine")]) == 2
        assert f"mine: holds '{name.removesuffix('/mine.smk')}', and nothing" in capsys.readouterr().err
        assert path.read_text() == "mine"
        assert not (tmp_path / "mine/Snakefile").exists()
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)
    (tmp_path / "mine/workflow/rules/more").rmdir()
    assert cli.main(["init", str(tmp_path / "mine")]) == 0
    assert contents(tmp_path / "mine").items() - whole.items() == {("config/papers/.quickstart.yaml.x", b"half")}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built of a copy, as setuptools writes into the folder that it builds."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("wheel")
    parts = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "Snakefile")
    for name in parts:
        shutil.copy(ROOT / name, folder / name)
    for name in ("dst_repro", "workflow", "profiles", "config"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", "out", "."]
    subprocess.run(build, cwd=folder, check=True, capture_output=True)
    (found,) = (folder / "out").glob("*.whl")
    return found


def test_a_wheel_has_the_files_of_a_project(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        within = {name: archive.read(name) for name in archive.namelist() if name.startswith(f"{starter.WITHIN}/")}
    expected = {f"{starter.WITHIN}/{name}": file.read_bytes() for name, file in starter.files(ROOT).items()}
    assert within == expected


@pytest.mark.slow
def test_a_project_of_an_installed_wheel_works(wheel: Path, tmp_path: Path) -> None:
    """It plans the quickstart, and trains and draws it, made short."""
    installed, project = tmp_path / "installed", tmp_path / "mine"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(installed), str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": str(installed)}

    def call(*command: str, at: Path = project) -> str:
        done = subprocess.run(
            [*command], cwd=at, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    call(str(installed / "bin/dst-repro"), "init", "mine", at=tmp_path)
    said = call(sys.executable, "-c", "import dst_repro; print(dst_repro.__file__)")
    assert said.startswith(str(installed))
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "2"]
    assert re.search(r"(?m)^train +32$", call(*snakemake, "--dry-run"))  # 96 runs, three seeds a job
    base = "{dataset: digits, model: lenet-300-100, method: dense, learning_rate: 0.05, epochs: 1, seed: 0}"
    short = f"experiment: digits\ntitle: Short\nbase: {base}\nblocks: [{{}}]\n"
    (project / "config/experiments/digits.yaml").write_text(short)
    call(*snakemake)
    assert (project / "results/report.html").is_file()
    assert len(list((project / "results/runs").glob("*/record.json"))) == 1
