"""Bad input: one clear line that names file and key, an exit code that is not 0, and nothing trained."""

from __future__ import annotations

import copy

import pytest

from tests.workflow.conftest import EXPERIMENT, Project


def spoilt(**changes: object) -> dict[str, object]:
    """The experiment with `changes` in its first block."""
    experiment = copy.deepcopy(EXPERIMENT)
    experiment["blocks"][0]["set"].update(changes)
    return experiment


@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        (spoilt(method="rigle", density=0.1), ["method", "unknown method 'rigle'", "did you mean 'rigl'?"]),
        (spoilt(learning_rte=0.1), ["learning_rte", "unknown key", "did you mean 'learning_rate'?"]),
        (spoilt(method="set", density=1.5), ["density", "less than or equal to 1", "1.5"]),
        (spoilt(method="set", density=0.0), ["density", "greater than 0"]),
        (spoilt(method="set"), ["density", "needs a density in (0, 1]"]),
        (spoilt(density=0.5), ["density", "takes no density"]),
        (spoilt(method="dst", method_params={"alpha": "1e-5"}), ["alpha", "text to YAML", "write 1.0e-5"]),
        (spoilt(method="dst"), ["method_params", "alpha"]),
        (spoilt(method="dst", method_params={"alfa": 0.1}), ["method_params.alfa", "did you mean 'alpha'?"]),
        (spoilt(epochs=0), ["epochs", "greater than or equal to 1"]),
    ],
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
