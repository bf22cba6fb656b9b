"""Bad input: one clear line that names file and key, an exit code that is not 0, and nothing trained."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import first_of
from tests.workflow.conftest import EXPERIMENT, Project


def spoilt(**changes: object) -> dict[str, object]:
    """The experiment with `changes` in its first block."""
    experiment = copy.deepcopy(EXPERIMENT)
    experiment["blocks"][0]["set"].update(changes)
    return experiment


@pytest.mark.parametrize(
    ("experiment", "expected"),
    first_of(
        [
            (spoilt(method="rigle", density=0.1), ["method", "unknown method 'rigle'", "did you mean 'rigl'?"]),
            (spoilt(learning_rte=0.1), ["learning_rte", "unknown key", "did you mean 'learning_rate'?"]),
            (spoilt(method="set", density=1.5), ["density", "less than or equal to 1", "1.5"]),
            (spoilt(method="set", density=0.0), ["density", "greater than 0"]),
            (spoilt(method="set"), ["density", "needs a density in (0, 1]"]),
            (spoilt(density=0.5), ["density", "takes no density"]),
            (
                spoilt(method="dst", method_params={"alpha": "much"}),
                ["method_params.alpha", "'much' is not of type 'number'"],
            ),
            (
                spoilt(optimizer_params={"nesterov": "off"}),
                ["optimizer_params.nesterov", "must be true or false, not 'off'"],
            ),
            (spoilt(learning_rate=float("inf")), ["learning_rate", "must be finite"]),
            (spoilt(begin_at={"step": 1000}), ["begin_at.step", "the run has "]),
            (spoilt(method="dst"), ["method_params", "alpha"]),
            (spoilt(method="dst", method_params={"alfa": 0.1}), ["method_params.alfa", "did you mean 'alpha'?"]),
            (spoilt(epochs=0), ["epochs", "greater than or equal to 1"]),
        ],
        3,
    ),
    ids=lambda value: value[0] + "-" + value[1][:12] if isinstance(value, list) else "",
)
def test_a_bad_experiment(project: Project, experiment: dict[str, object], expected: list[str]) -> None:
    project.write_experiment(experiment)
    done = project.call("-m", "snakemake", "--cores", "1")
    lines = [line for line in done.stderr.splitlines() if line.startswith("dst_repro:")]
    assert done.returncode != 0
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    for part in ["config/experiments/tiny.yaml", *expected]:
        assert part in lines[0], lines[0]
    assert project.records() == {}


def test_a_missing_experiment(project: Project) -> None:
    project.write_suite(experiments=["nowhere"])
    done = project.call("-m", "snakemake", "--cores", "1")
    assert done.returncode != 0
    assert "dst_repro: config/experiments/nowhere.yaml: no such file" in done.stderr


def test_a_missing_suite(project: Project) -> None:
    done = project.call("-m", "dst_repro", "status", "--suite", "config/nowhere.yaml")
    assert done.returncode == 2
    assert done.stderr == "dst_repro: config/nowhere.yaml: no such file\n"
    project.path("config/config.yaml").unlink()
    done = project.call("-m", "snakemake", "--cores", "1")
    assert done.returncode != 0
    assert "dst_repro: config/config.yaml: no such file" in done.stderr


def test_a_missing_config_file_on_snakemakes_own_command_line(project: Project) -> None:
    done = project.call("-m", "snakemake", "--cores", "1", "--configfile", "config/nowhere.yaml")
    assert done.returncode != 0
    assert "config/nowhere.yaml" in done.stderr.strip().splitlines()[-1]


BROKEN = {
    "syntax.yaml": (b"suite: [x\n  y: :\n", "not valid YAML: "),
    "latin.yaml": (b"suite: \xe9\n", "not UTF-8 text (byte 7)"),
    "list.yaml": (b"- suite\n", "a mapping (key: value lines) is expected"),
    "empty.yaml": (b"", "a mapping (key: value lines) is expected"),
    "folder.yaml": (None, "a file is expected, not a folder"),
    "missing.yaml": (None, "no such file"),
}
"""Files that Snakemake refuses before it reads our rules."""


@pytest.mark.parametrize("name", first_of(BROKEN))
def test_a_config_file_that_snakemake_can_not_read(project: Project, name: str) -> None:
    content, reason = BROKEN[name]
    file = project.path(f"config/{name}")
    if content is not None:
        file.write_bytes(content)
    elif name == "folder.yaml":
        file.mkdir()
    done = project.call("-m", "snakemake", "--cores", "1", "--configfile", f"config/{name}")
    assert done.returncode != 0
    assert "dst_repro/" not in done.stderr, "a traceback of ours"
    assert project.records() == {}
    done = project.call("-m", "dst_repro", "status", "--suite", f"config/{name}")  # as docs/errors.md says
    assert done.returncode == 2
    assert done.stderr.startswith(f"dst_repro: config/{name}: {reason}")
    assert len(done.stderr.splitlines()) == 1


def test_a_misspelt_key_of_the_suite(project: Project) -> None:
    project.write_suite(itms=["tiny/*"])
    done = project.call("-m", "snakemake", "--cores", "1")
    assert done.returncode != 0
    assert "dst_repro: config/config.yaml: itms: unknown key; did you mean 'items'?" in done.stderr


def test_the_name_of_the_file_given_stands_in_the_message(project: Project) -> None:
    project.path("config/other.yaml").write_text("suite: other\ntitle: Other\nexperiments: [tiny]\nitems: [tiny/x]\n")
    done = project.call("-m", "snakemake", "--cores", "1", "--configfile", "config/other.yaml")
    assert done.returncode != 0
    assert "dst_repro: config/other.yaml: items: paper 'tiny' has no item 'x'" in done.stderr


REFUSED = {
    "results_dir": ("$(touch pwned)", "`touch pwned`", "-x", "~/x", "a'b", "{run}"),
    "figures_dir": ("$(touch pwned)",),
    "suite": ("runs", "report.html"),
}


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a refused call of snakemake said, in one line of ours."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("dst_repro:")]
    return line


@pytest.mark.parametrize("key", first_of(REFUSED))
def test_names_that_a_shell_would_read_otherwise_never_reach_one(project: Project, key: str) -> None:
    before = sorted(project.folder.iterdir())
    for name in REFUSED[key]:
        project.write_suite(**{key: name})
        line = only_line(project.call("-m", "snakemake", "--cores", "1"))
        assert line.startswith(f"dst_repro: config/config.yaml: {key}: must ")
    assert {p.name for p in project.folder.iterdir()} - {p.name for p in before} <= {".snakemake"}


@pytest.mark.slow
def test_folders_with_spaces_and_letters_of_all_kinds(project: Project, tmp_path: Path) -> None:
    title = "`touch pwned` $(touch pwned) \"a\" 'b' & <c> é ± %s \\"
    folders = {"results_dir": "our results", "figures_dir": str(tmp_path / "more (1)/ä, b")}
    project.write_suite(**folders, title=title)
    text = project.path("config/papers/tiny.yaml").read_text().replace("title: Accuracy", f"title: {json.dumps(title)}")
    project.path("config/papers/tiny.yaml").write_text(text)
    project.write_experiment(EXPERIMENT | {"sweep": {"seed": [0]}, "blocks": EXPERIMENT["blocks"][:1]})
    project.snakemake()
    assert project.path("our results/tiny/tiny-accuracy.html").is_file()
    assert (tmp_path / "more (1)/ä, b/tiny/tiny-epochs.svg").is_file()
    assert project.path("our results/report.html").is_file()
    assert list(project.folder.glob("our results/logs/train/*.log"))
    project.snakemake("--report", "page.html")
    assert project.path("page.html").stat().st_size > 0
    assert not list(project.folder.rglob("*pwned*"))
    assert "Nothing to be done" in project.snakemake()


@pytest.mark.slow
def test_braces_in_a_title(project: Project) -> None:
    text = project.path("config/papers/tiny.yaml").read_text().replace("title: Accuracy", "title: 'Of {alpha} {} {0'")
    project.path("config/papers/tiny.yaml").write_text(text)
    project.write_experiment(EXPERIMENT | {"sweep": {"seed": [0]}, "blocks": EXPERIMENT["blocks"][:1]})
    project.snakemake("results/tiny/tiny-accuracy.html")
    assert "Of {alpha} {} {0" in project.path("results/tiny/tiny-accuracy.html").read_text()
    project.snakemake("results/tiny/tiny-accuracy.html", "--report", "page.html")
    assert r"Of {\u2060alpha} {\u2060} {\u20600" in project.path("page.html").read_text()  # no wildcard, looks the same
    project.write_suite(title="Six {runs} {0} {}", items=[])  # of a suite it fills nothing in
    assert project.planned()["aggregate"] == 1


SUITE = "suite: other\ntitle: Other\nexperiments: [tiny]\n"


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        (f"{SUITE}title: Another\n", [], "title: the key stands twice (line 4)"),
        (f"{SUITE}on_source_change: off\n", [], "on_source_change: Input should be 'keep' or 'retrain', not 'off'"),
        (f"{SUITE}limit: 1e400\n", [], "limit: must be finite, not inf"),
        (f"{SUITE}limit: 5\n", [], None),
        (f"{SUITE}limit: 5\n", ["limit=6"], ""),
        (SUITE, ["on_source_change=off"], "on_source_change: Input should be 'keep' or 'retrain', not 'off'"),
        (SUITE, ["limit=0o5"], None),
        (SUITE.replace("[tiny]", "[&a tiny, *a]"), ["title=on"], ""),
    ],
)
@pytest.mark.slow
def test_a_file_and_settings_on_snakemakes_command_line_are_read_by_our_rules(
    project: Project, text: str, settings: list[str], message: str | None
) -> None:
    project.path("config/other.yaml").write_text(text)
    arguments = ["--configfile", "config/other.yaml", *(["--config", *settings] if settings else [])]
    if message == "":
        assert project.planned(*arguments)["aggregate"] == 1
        return
    line = only_line(project.call("-m", "snakemake", "--cores", "1", "--dry-run", *arguments))
    if message is None:
        assert line.endswith("config/experiments/tiny.yaml: 6 runs, where the suite's `limit` leaves room for 5")
    else:
        assert line == f"dst_repro: config/other.yaml: {message}"


@pytest.mark.slow
def test_words_of_yaml_1_1_train_what_they_say(project: Project) -> None:
    text = yaml.safe_dump(EXPERIMENT | {"sweep": {"seed": [0]}, "blocks": EXPERIMENT["blocks"][:1]})
    project.path("config/experiments/tiny.yaml").write_text(
        text.replace("  learning_rate: 0.05\n", "  learning_rate: 5e-2\n  compile: off\n")
    )
    project.write_suite(items=[])
    project.snakemake()
    ((_, record),) = project.records().values()
    config = json.loads(record)["config"]
    assert (config["compile"], config["learning_rate"]) == ("off", 0.05)


@pytest.mark.slow
def test_missing_data_is_one_line_and_no_record(project: Project) -> None:
    project.write_experiment(spoilt(dataset="mnist", dataset_params={}))
    project.path("empty").mkdir()
    blocked = {
        "DST_DATA": str(project.path("empty")),
        "https_proxy": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    project.environment_extra = blocked | {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    said = project.snakemake(ok=False)
    assert "dst_repro: mnist: not found in" in said
    assert "put the four idx files there" in said
    assert not any("mnist" in run for run in project.records())


def test_a_truncated_data_file(project: Project) -> None:
    raw = project.path("cut/MNIST/raw")
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte").write_bytes(b"\x00\x00\x08\x03\x00\x00")
    project.environment_extra = {"DST_DATA": str(project.path("cut"))}
    done = project.call("-m", "dst_repro", "data", "mnist", "out.json")
    assert done.returncode == 2
    assert done.stderr.startswith("dst_repro: mnist: ")
    assert "holds no whole copy" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not project.path("out.json").exists()
