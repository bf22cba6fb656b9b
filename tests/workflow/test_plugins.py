"""Plug-ins from outside of the package, in a real workflow."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.conftest import first_of
from tests.workflow.conftest import EXPERIMENT, ROOT, Project

WITH = {
    **EXPERIMENT,
    "blocks": [
        *EXPERIMENT["blocks"],  # type: ignore[misc]
        {"set": {"method": "rigl-restarts", "density": 0.1, "method_params.update_period": 2}},
    ],
}


@pytest.fixture
def plugged(finished: Project) -> Project:
    """A finished project whose suite names a plug-in file, and whose grid has the method of it."""
    shutil.copy(ROOT / "examples" / "my_method.py", finished.path("my_method.py"))
    finished.write_suite(plugins=["my_method.py"])
    finished.write_experiment(WITH)
    return finished


@pytest.mark.slow
def test_a_method_from_a_file_is_trained_and_drawn_and_nothing_else_is(plugged: Project) -> None:
    before = plugged.records()
    plugged.snakemake()
    after = plugged.records()
    new = {run for run in after if after[run] != before.get(run)}
    assert {run.split("-d0.1")[0] for run in new} == {"digits-lenet-300-100-rigl-restarts"}
    assert len(new) == 2
    assert "RigL-restarts" in plugged.path("results/tiny/tiny-accuracy.md").read_text()
    assert "Nothing to be done" in plugged.snakemake()

    source = plugged.path("my_method.py")
    source.write_text(source.read_text().replace("steps_done % cycle", "steps_done * 2 % cycle"))
    plugged.snakemake()
    edited = plugged.records()
    assert {run for run in edited if edited[run] != after[run]} == new

    source.write_text(source.read_text() + "\n# a comment changes nothing\n")
    plugged.snakemake()
    assert plugged.records() == edited


@pytest.mark.slow
def test_commands_know_the_plug_ins_of_their_suite(plugged: Project) -> None:
    for more in ([], ["--suite", "config/config.yaml"]):  # all that there is; what the suite selects and plugs in
        listed = plugged.call("-m", "dst_repro", "list", *more).stdout
        assert "RigL with warm restarts" in listed
        assert ("SynFlow" in listed) == (not more)
    said = plugged.call("-m", "dst_repro", "status")
    assert "2 missing" in said.stdout
    run = next(line.split()[0] for line in plugged.call("-m", "dst_repro", "status", "--all").stdout.splitlines()
               if "rigl-restarts" in line)  # fmt: skip
    done = plugged.call("-m", "dst_repro", "queue", "config/config.yaml", "--hours", "0.1")
    assert done.returncode == 0, done.stderr
    record = json.loads(plugged.path(f"results/runs/{run}/record.json").read_text())
    assert record["status"] == "finished"
    explained = plugged.call("-m", "dst_repro", "explain", run).stdout
    assert "cycles" in explained


@pytest.mark.parametrize(
    ("plugins", "text", "said"),
    first_of([
        (["my_methods.py"], None, "config.yaml: plugins: there is no file my_methods.py; did you mean 'my_method.py'?"),
        (["no.such.module"], None, "plugins: there is no module no.such.module"),
        (["my_method.py"], "import", "plugins: my_method.py: SyntaxError: invalid syntax"),
        (["my_method.py"], "\nno_such_name\n", "NameError: name 'no_such_name' is not defined (line 2)"),
        (["my_method.py"], "from dst_repro.registry import methods\n@methods.register('rigl')\nclass A: ...\n",
         "ValueError: method 'rigl' is registered twice: dst_repro.methods.rigl (line 2)"),
    ]),
)  # fmt: skip
def test_a_plug_in_that_is_wrong_is_told_in_one_line(
    plugged: Project, plugins: list[str], text: str | None, said: str
) -> None:
    plugged.write_suite(plugins=plugins)
    if text is not None:
        plugged.path("my_method.py").write_text(text)
    done = plugged.call("-m", "dst_repro", "status")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert said in plugged.snakemake("-n", ok=False)


def test_two_files_of_one_name_are_refused(plugged: Project) -> None:
    plugged.path("more").mkdir()
    shutil.copy(plugged.path("my_method.py"), plugged.path("more/my_method.py"))
    plugged.write_suite(plugins=["my_method.py", "more/my_method.py"])
    assert "have one name, rename one" in plugged.call("-m", "dst_repro", "status").stderr


def test_a_package_that_offers_plug_ins_needs_not_be_named(finished: Project) -> None:
    package = finished.path("theirs")
    package.mkdir()
    shutil.copy(ROOT / "examples" / "my_method.py", package / "methods.py")
    package.joinpath("__init__.py").touch()
    told = finished.path("theirs-1.0.dist-info")  # what pip leaves of an installed package
    told.mkdir()
    told.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    told.joinpath("entry_points.txt").write_text("[dst_repro.plugins]\nrigl-restarts = theirs.methods\n")
    finished.write_experiment(WITH)
    assert "2 missing" in finished.call("-m", "dst_repro", "status").stdout


def test_own_grids_lie_beside_those_of_the_suite(plugged: Project) -> None:
    for kind in ("experiments", "papers"):
        plugged.path(f"mine/{kind}").mkdir(parents=True)
    shutil.move(plugged.path("config/experiments/tiny.yaml"), plugged.path("mine/experiments/tiny.yaml"))
    plugged.write_suite(plugins=["my_method.py"], config_dir=["mine", "config"])
    assert "2 missing" in plugged.call("-m", "dst_repro", "status").stdout
