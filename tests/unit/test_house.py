"""The files around the package say the same things."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

from dst_repro import __version__, cli
from dst_repro.plan.grid import load_suite
from dst_repro.report.quoting import QUOTATION, quoted

ROOT = Path(__file__).parents[2]
PINS = {
    line.split("==")[0].lower().replace("_", "-"): Version(line.split("==")[1])
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if "==" in line and not line.startswith("#")
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED_FOR = ("torch", "torchvision", "pandas", "matplotlib", "seaborn", "snakemake", "pytest")


def requirements() -> list[Requirement]:
    texts = [*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra)]
    return [r for r in map(Requirement, texts) if r.name != "dst_repro"]


@pytest.mark.parametrize("requirement", requirements(), ids=lambda r: r.name)
def test_every_dependency_is_pinned_to_a_version_that_it_allows(requirement: Requirement) -> None:
    assert requirement.specifier.contains(PINS[requirement.name.lower()])


def test_the_required_packages_are_dependencies() -> None:
    assert set(ASKED_FOR) <= {r.name for r in requirements()}


def test_pins_stand_in_one_place() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == ["-c constraints.txt", "-e .[dev]"]
    outside_pip = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    assert outside_pip == [f"python {PROJECT['requires-python']}", "pip"]
    assert "-c constraints.txt" in (ROOT / "Makefile").read_text()


def test_pins_work_with_every_build_of_torch() -> None:
    text = (ROOT / "constraints.txt").read_text()
    assert "--hash" not in text
    assert not any(version.local for version in PINS.values())
    assert not any(name.startswith(("nvidia", "triton")) for name in PINS)


def test_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.findall(r"(?m)^## \[([0-9.]+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text())
    assert (citation["version"], citation["date-released"]) == released[0]
    assert citation["version"] == __version__


def test_the_schemas_of_the_config_files_are_those_of_the_models(tmp_path: Path) -> None:
    assert cli.main(["schema", "--out", str(tmp_path)]) == 0
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text() for path in (ROOT / "workflow/schemas").iterdir()}
    assert kept == written, "run `make schema`"


def test_every_config_file_is_read_and_its_runs_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for path in sorted((ROOT / "config").glob("*.yaml")):
        suite = load_suite(path)
        assert suite.file.suite == ("quickstart" if path.stem == "config" else path.stem)
        assert suite.items or suite.file.experiments


def test_the_queue_for_a_gpu_trains_what_the_suites_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    queue, dst, tost = (load_suite(ROOT / f"config/{name}.yaml") for name in ("gpu-queue", "cifar10", "tost"))
    assert set(queue.runs) < {*dst.runs, *tost.runs}
    runs = list(queue.runs.values())
    assert [(run.model, run.method, run.method_params) for run in runs[:2]] == [
        ("vgg-16", "dense", {}), ("vgg-16", "dst", {"alpha": 5e-6})]  # fmt: skip
    assert [(run.method, bool(run.tricks)) for run in runs[4:10]] == [
        (mask, tricks) for mask in ("static", "synflow", "snip") for tricks in (False, True)]  # fmt: skip
    assert {run.dataset for run in runs} == {"cifar10"}


def test_the_quickstart_is_as_large_as_the_readme_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    runs = load_suite(ROOT / "config/config.yaml").runs.values()
    assert len(runs) >= 90
    assert len({run.method for run in runs}) >= 6
    assert len({run.model for run in runs}) >= 2
    assert len({run.density for run in runs} - {None}) >= 3
    assert len({run.seed for run in runs}) >= 3
    numbers = re.findall(r"(\d+) runs", (ROOT / "README.md").read_text())
    assert str(len(runs)) in numbers


def test_planning_does_not_import_torch() -> None:
    code = "import sys, dst_repro.plan.grid as g; from pathlib import Path; g.load_suite(Path('config/config.yaml'))"
    check = f"{code}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)  # fills the cache of the catalogue
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0


PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


RESULTS = ("dst.md", "fantastic-weights.md", "masks.md", "not-reproduced.md", "tost.md")
"""Pages that say what came out."""
MEASURED = re.compile(r"\d ?± ?\d|\b\d+\.\d+ ?(?:%|points)|(?<![\w.])[+\N{MINUS SIGN}]\d+\.\d")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_what_a_page_quotes_of_the_results_is_what_they_say(page: Path) -> None:
    text = page.read_text()
    assert quoted(text, ROOT) == text, f"`python -m dst_repro quote` writes {page.name} anew"


@pytest.mark.parametrize("page", [PAGES[0], *(ROOT / "docs" / name for name in RESULTS)], ids=lambda path: path.name)
def test_no_measured_number_of_a_page_is_copied_by_hand(page: Path) -> None:
    outside = QUOTATION.sub("", page.read_text())
    assert not MEASURED.findall(re.sub(r"<!-- soak -->.*?<!-- end -->", "", outside, flags=re.DOTALL))


def test_the_readme_quotes_the_scorecard_and_the_papers_table() -> None:
    found = [(file, names) for _, file, names, *_ in QUOTATION.findall(PAGES[0].read_text())]
    assert found == [("results/all/scorecard.md", ""), ("results/mnist/dst-table-1.md", "")]


def test_the_example_in_the_readme_is_the_file() -> None:
    shown = re.findall(
        r"<!-- (examples/\S+\.py) -->\n```python\n(.*?)```\n<!-- end -->", PAGES[0].read_text(), flags=re.S
    )
    assert shown
    assert all(content == (ROOT / name).read_text() for name, content in shown)


def test_the_example_is_read_and_its_runs_are_valid() -> None:
    plan = [sys.executable, "-m", "dst_repro", "status", "--suite", "examples/my-method.yaml"]
    said = subprocess.run(plan, cwd=ROOT, capture_output=True, text=True, check=True).stdout  # for itself: it plugs in
    assert "to train: " in said


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_links_of_a_page_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    for link in links:
        if not link.startswith(("https://", "#")):
            assert (page.parent / link.partition("#")[0]).exists(), link
    assert links or page.name not in ("README.md", "dst.md", "masks.md", "fantastic-weights.md")


def test_every_page_and_the_suite_of_all_records_are_linked_from_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    assert all(f"(docs/{page.name})" in text for page in PAGES[2:])
    assert text.index("config/all.yaml") < text.index("<!-- results/all/scorecard.md -->") < text.index("\n## ")


def test_the_suite_of_all_records_has_every_committed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    listed = subprocess.run(["git", "ls-files", "results/runs"], cwd=ROOT, capture_output=True, text=True, check=False)
    committed = {name.split("/")[2] for name in listed.stdout.split()}
    suite = load_suite(ROOT / "config/all.yaml")
    assert not suite.file.train
    assert committed <= set(suite.runs)


def test_every_promise_is_held_by_a_test() -> None:
    text = (ROOT / "docs/promises.md").read_text()
    section = text[: text.index("<!-- soak -->")]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "---" not in line][1:]
    assert rows
    for row in rows:
        named = re.findall(r"`([a-z_/]+\.py)::(\w+)`", row)
        assert named, row
        for file, function in named:
            assert f"def {function}(" in (ROOT / "tests" / file).read_text(), f"{file}::{function}"


def in_the_locales_encoding(tree: ast.AST) -> list[int]:
    """Lines that read or write text in whatever encoding the machine happens to have."""
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        keys = {key.arg: key.value for key in call.keywords}
        if None in keys or "encoding" in keys or not isinstance(call.func, ast.Name | ast.Attribute):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        if name in ("read_text", "write_text") and owner is not None:
            found.append(call.lineno)
        elif name in ("open", "fdopen") and not (isinstance(owner, ast.Name) and owner.id == "os" and name == "open"):
            words = [*call.args, keys.get("mode", ast.Constant(""))]
            if not any(isinstance(word, ast.Constant) and "b" in str(word.value) for word in words):
                found.append(call.lineno)
        elif {"text", "universal_newlines", "errors"} & keys.keys() and name != "reconfigure":
            found.append(call.lineno)
    return found


FIXED = {"dst_repro/machine/precision.py": 1}
"""Reads that stand in the fingerprint of every run, of files whose letters are ASCII."""


def test_no_text_is_read_or_written_in_the_encoding_of_the_locale() -> None:
    wrong = {
        path.relative_to(ROOT).as_posix(): lines
        for path in sorted((ROOT / "dst_repro").rglob("*.py"))
        if (lines := in_the_locales_encoding(ast.parse(path.read_text(encoding="utf-8"))))
    }
    assert {file: len(lines) for file, lines in wrong.items()} == FIXED, wrong


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("open(x)", True),
        ("open(x, 'w')", True),
        ("open(x, mode='rb')", False),
        ("p.open()", True),
        ("p.open('rb')", False),
        ("os.open(x, os.O_RDONLY)", False),
        ("os.fdopen(h, 'w')", True),
        ("p.read_text()", True),
        ("p.read_text(encoding='utf-8')", False),
        ("p.write_text('x')", True),
        ("write_text(p, 'x')", False),
        ("subprocess.run(x, text=True)", True),
        ("subprocess.run(x, encoding='utf-8', errors='replace')", False),
        ("subprocess.check_output(x)", False),
    ],
)
def test_the_encoding_of_the_locale_is_found(text: str, wrong: bool) -> None:
    assert in_the_locales_encoding(ast.parse(text)) == [1] * wrong
