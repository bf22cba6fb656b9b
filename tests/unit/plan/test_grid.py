"""From YAML to runs, and one line with file and key for every mistake in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dst_repro.errors import ConfigError
from dst_repro.plan.config import RunConfig
from dst_repro.plan.grid import Experiment, Suite, load_suite, plan, size, suite_values

BASE = {"dataset": "digits", "model": "lenet-300-100", "learning_rate": 0.1, "epochs": 2}
EXPERIMENT: dict[str, Any] = {
    "experiment": "grid",
    "title": "A grid",
    "base": BASE,
    "sweep": {"seed": [0, 1]},
    "blocks": [
        {"set": {"method": "dense"}},
        {"set": {"method": "dst"}, "sweep": {"method_params.alpha": [1.0e-4, 1.0e-3]}},
        {"sweep": {"method": ["static", "set"], "density": [0.2, 0.1, 0.05]}},
    ],
}
PAPER: dict[str, Any] = {
    "paper": "article",
    "title": "An article",
    "citation": "Somebody, some year",
    "items": {
        name: {"kind": "table", "builder": "pivot", "experiments": ["grid"], "title": "A table", "caption": "Numbers."}
        for name in ("table-1", "table-2", "appendix")
    },
}


class Project:
    """A config folder that a test may spoil."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.experiment, self.paper = folder / "experiments" / "grid.yaml", folder / "papers" / "article.yaml"
        self.write(self.experiment, EXPERIMENT)
        self.write(self.paper, PAPER)

    def write(self, path: Path, value: dict[str, Any]) -> None:
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(yaml.safe_dump(value))

    def plan(self, **fields: Any) -> Suite:
        suite = {"suite": "tiny", "title": "Tiny", "experiments": ["grid"], "config_dir": str(self.folder)}
        return plan(suite | fields, "tiny.yaml")

    def refused(self, **fields: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            self.plan(**fields)
        assert "\n" not in str(caught.value)
        return str(caught.value)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "config")


def test_product_of_every_block_and_the_shared_sweep(project: Project) -> None:
    suite = project.plan()
    assert len(suite.runs) == (1 + 2 + 2 * 3) * 2
    assert list(suite.members) == ["grid"]
    assert sorted(suite.members["grid"]) == sorted(suite.runs)
    assert sorted(len(runs) for runs in suite.cells.values()) == [2] * 9
    assert {r.method_params["alpha"] for r in suite.runs.values() if r.method == "dst"} == {1e-4, 1e-3}
    assert suite.seed_sets == [((0, 1), list(suite.cells))]


def test_later_parts_win_and_dotted_keys_reach_inside(project: Project) -> None:
    project.write(
        project.experiment,
        EXPERIMENT
        | {
            "base": BASE
            | {"method_params": {"distribution": "er", "prune_rate": 0.5, "update_period": 5}, "method": "rigl"},
            "sweep": {"seed": [0], "epochs": [3, 4]},
            "blocks": [
                {"set": {"density": 0.1, "method_params.prune_rate": 0.2}},
                {"set": {"density": 0.1}, "sweep": {"epochs": [9]}},
            ],
        },
    )
    runs = list(project.plan().runs.values())
    found = [(r.epochs, r.method_params["distribution"], r.method_params["prune_rate"]) for r in runs]
    assert found == [(3, "er", 0.2), (4, "er", 0.2), (9, "er", 0.5)]


def test_run_of_two_experiments_is_one_run(project: Project) -> None:
    other = EXPERIMENT | {"experiment": "other", "sweep": {"seed": [1, 2]}, "blocks": [{"set": {"method": "dense"}}]}
    project.write(project.folder / "experiments" / "other.yaml", other)
    suite = project.plan(experiments=["grid", "other"])
    assert len(suite.runs) == 18 + 1
    assert len(set(suite.members["grid"]) & set(suite.members["other"])) == 1
    assert {seeds for seeds, _ in suite.seed_sets} == {(0, 1), (0, 1, 2)}


def test_rounds_are_a_chain(project: Project) -> None:
    """The first starts from `weights_from`, each other from the one before; all are runs of the experiment."""
    dense = {"method": "dense", "epochs": 5}
    block = {
        "set": {"method": "one-shot", "weights_from": dense},
        "sweep": {"method_params.scope": ["global", "erk"]},
        "rounds": {"density": [0.5, 0.2, 0.1], "epochs": [2, 1, 1]},
    }
    project.write(project.experiment, EXPERIMENT | {"sweep": {"seed": [0]}, "blocks": [block]})
    suite = project.plan()
    chains = [run for run in suite.runs.values() if run.density == 0.1]
    for scope, last in zip(("global", "erk"), chains, strict=True):
        stages = [(r.method, r.density, r.epochs, r.method_params) for r in [*last.ancestors, last]]
        params = {"scope": scope}
        assert stages == [
            ("dense", None, 5, {}),
            ("one-shot", 0.5, 2, params),
            ("one-shot", 0.2, 1, params),
            ("one-shot", 0.1, 1, params),
        ]
        assert {r.id for r in last.ancestors[1:]} <= set(suite.members["grid"])
    assert len(suite.runs) == 2 * 3 + 1
    assert len(suite.members["grid"]) == 2 * 3


def test_rounds_may_begin_at_the_initialisation(project: Project) -> None:
    block = {"set": {"method": "one-shot"}, "rounds": {"density": [0.5, 0.2]}}
    project.write(project.experiment, EXPERIMENT | {"sweep": {"seed": [0]}, "blocks": [block]})
    first, second = project.plan().runs.values()
    assert first.parents == {}
    assert second.parents == {"weights_from": first}


def test_items_bring_their_experiments(project: Project) -> None:
    suite = project.plan(experiments=[], items=["article/table-*"])
    assert list(suite.items) == ["article/table-1", "article/table-2"]
    assert suite.files("table") == {"article-table-1": "article/table-1", "article-table-2": "article/table-2"}
    assert suite.files("figure") == {}
    assert len(suite.runs) == 18


def test_digest_goes_by_runs_and_what_is_said_of_them(project: Project) -> None:
    first = project.plan()
    assert project.plan(title="Another title").digest == first.digest
    project.write(project.experiment, EXPERIMENT | {"reduced": "two epochs"})
    said = project.plan().digest
    project.write(project.experiment, EXPERIMENT | {"sweep": {"seed": [0]}})
    assert len({first.digest, said, project.plan().digest}) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": 3}, "title: "),
        ({"titel": "x"}, "titel: unknown key; did you mean 'title'?"),
        ({"blocks": [{"sets": {}}]}, "blocks.0.sets: unknown key"),
        ({"experiment": "grip"}, "experiment: is 'grip', but the file is called grid.yaml"),
        ({"blocks": [{}, {"set": {"method": "dense"}}]}, "block 1: method: this key is missing"),
        (
            {"blocks": [{"set": {"method": "dense"}}, {"set": {"method": "rigl"}}]},
            "block 2: density: method 'rigl' needs",
        ),
        ({"base": BASE | {"learning_rte": 1.0}}, "block 1: learning_rte: unknown key; did you mean 'learning_rate'?"),
        (
            {"base": BASE | {"learning_rate": "fast"}},
            "block 1: learning_rate: Input should be a valid number, not 'fast'",
        ),
        ({"base": BASE | {"learning_rate": float("inf")}}, "base.learning_rate: must be finite, not inf"),
        ({"sweep": {"seed": []}}, "sweep.seed: "),
        ({"sweep": {"seed": [0], "epochs.x": [1]}}, "block 1: epochs.x: there is nothing inside 2"),
        ({"blocks": []}, "blocks: "),
        ({"title": ""}, "title: "),
        ({"experiment": "a" * 10_000}, "experiment: String should have at most 100 characters, not 'aaa"),
        ({"experiment": "grid\n"}, "experiment: "),
        ({"base": BASE | {"method_params": {"alpha": "2020-01-01"}}}, "block 1: method_params.alpha: unknown key"),
        ({"sweep": {"seed": 0}}, "sweep.seed: "),
        (
            {"blocks": [{"rounds": {"density": [0.5], "epochs": [1, 2]}}]},
            "block 1: rounds: all lists must be of the same length",
        ),
    ],
)
def test_mistakes_in_an_experiment(project: Project, changes: dict[str, Any], message: str) -> None:
    project.write(project.experiment, EXPERIMENT | changes)
    assert project.refused().startswith(f"{project.experiment}: {message}")


def test_files_are_yaml_1_2(project: Project) -> None:
    """`off` is a word, and `1e-5` a number."""
    text = yaml.safe_dump(EXPERIMENT | {"blocks": [{"set": {"method": "dense"}}], "sweep": {"seed": [0]}})
    project.experiment.write_text(text.replace("  epochs: 2\n", "  epochs: 2\n  compile: off\n  weight_decay: 1e-5\n"))
    (run,) = project.plan().runs.values()
    assert (run.compile, run.weight_decay) == ("off", 1e-5)
    project.experiment.write_text(text.replace("  epochs: 2\n", "  epochs: 2\n  optimizer_params: {nesterov: on}\n"))
    assert project.refused().endswith("block 1: optimizer_params.nesterov: must be true or false, not 'on'")
    project.experiment.write_text(text.replace("  epochs: 2\n", "  epochs: 2\n  dataset_params: {upsample: on}\n"))
    assert "dataset_params.upsample: unknown key" in project.refused()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2", "not valid YAML: "),
        ("a:\n\t- 1", "not valid YAML: "),
        ("- a\n- b", "a mapping (key: value lines) is expected"),
        ("", "a mapping (key: value lines) is expected"),
        ("title: a\nblocks: []\ntitle: b", "title: the key stands twice (line 3)"),
    ],
)
def test_files_that_are_no_mapping(project: Project, text: str, message: str) -> None:
    project.experiment.write_text(text)
    assert project.refused().startswith(f"{project.experiment}: {message}")


def test_key_that_stands_twice_deep_inside(project: Project) -> None:
    text = yaml.safe_dump(EXPERIMENT).replace("  epochs: 2\n", "  epochs: 2\n  epochs: 3\n")
    project.experiment.write_text(text)
    assert "epochs: the key stands twice (line " in project.refused()


def test_missing_files_are_named(project: Project) -> None:
    missing = project.folder / "experiments" / "grit.yaml"
    assert project.refused(experiments=["grit"]).startswith(f"{missing}: no such file")
    missing = project.folder / "papers" / "articel.yaml"
    assert project.refused(items=["articel/table-1"]).startswith(f"{missing}: no such file")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: no such file"):
        load_suite(project.folder / "nowhere.yaml")


def test_suite_mistakes_name_the_suite(project: Project) -> None:
    assert project.refused(items=["article/tabel-1"]) == (
        "tiny.yaml: items: paper 'article' has no item 'tabel-1'; did you mean 'table-1'?"
    )
    assert project.refused(experiments=[]).startswith("tiny.yaml: the suite selects no run")
    assert project.refused(sweet="x").startswith("tiny.yaml: sweet: unknown key")
    assert project.refused(train=False, on_source_change="retrain") == (
        "tiny.yaml: on_source_change: must be keep, as `train: false` trains nothing"
    )
    assert project.refused(suite="Tiny suite").startswith("tiny.yaml: suite: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"params": {"metrix": ["accuracy"]}}, "params.metrix: unknown key; did you mean 'metrics'?"),
        ({"builder": "pivott"}, "table: unknown table 'pivott'; did you mean 'pivot'?"),
    ],
)
def test_mistakes_in_an_item(project: Project, changes: dict[str, Any], message: str) -> None:
    items = PAPER["items"] | {"table-2": PAPER["items"]["table-2"] | changes}
    project.write(project.paper, PAPER | {"items": items})
    assert project.refused(items=["article/table-1"]) == f"{project.paper}: items.table-2: {message}"


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"seed": list(range(200_000))}, "more than 100,000 values (line "),
        (
            {f"a{n}": list(range(10)) for n in range(7)},
            "10,000,000 runs, where the suite's `limit` leaves room for 100,000",
        ),
    ],
)
def test_a_grid_too_large_is_refused_before_it_is_made(project: Project, sweep: dict[str, Any], message: str) -> None:
    project.write(project.experiment, EXPERIMENT | {"sweep": sweep, "blocks": [{"set": {"method": "dense"}}]})
    assert project.refused().startswith(f"{project.experiment}: {message}")


def test_a_suite_may_say_how_many_runs_it_may_have(project: Project) -> None:
    assert len(project.plan(limit=18).runs) == 18
    assert project.refused(limit=17) == f"{project.experiment}: 18 runs, where the suite's `limit` leaves room for 17"
    other = EXPERIMENT | {"experiment": "other", "sweep": {"seed": [2]}}
    project.write(project.folder / "experiments" / "other.yaml", other)
    assert len(project.plan(limit=27, experiments=["grid", "other"]).runs) == 27
    message = project.refused(limit=26, experiments=["grid", "other"])
    assert message.endswith("other.yaml: 9 runs, where the suite's `limit` leaves room for 8")


def test_size_counts_rounds_and_what_comes_after_them() -> None:
    block = {
        "sweep": {"a": [1, 2, 3]},
        "rounds": {"density": [0.5, 0.2]},
        "then": [{"after": {"a": [1]}, "set": {"b": 1}}],
    }
    values = EXPERIMENT | {"blocks": [{}, block], "sweep": {"seed": [0, 1, 2, 3], "a": [1]}}
    assert size(Experiment.model_validate(values)) == 4 + 4 * 3 * 2 * 2


def test_chains_of_a_hundred_rounds_and_no_more(project: Project) -> None:
    rounds = [0.99**n for n in range(101)]
    for n in (100, 101):
        block = {"set": {"method": "one-shot"}, "rounds": {"density": rounds[:n]}}
        project.write(project.experiment, EXPERIMENT | {"sweep": {"seed": [0]}, "blocks": [block]})
        if n == 100:
            last = list(project.plan().runs.values())[-1]
            assert len(last.ancestors) == 99
            assert RunConfig.parse(last.json_text()) == last
    assert project.refused() == f"{project.experiment}: block 1: rounds: at most 100 rounds"


FOLDERS = ["$(touch pwned)", "`x`", "a'b", 'a"b', "~/x", "~", "-x", "", " a", "a ", "a\\b", "{run}", "a*", "a;b", "a&b",
           "a|b", "a\nb", "a" * 256, "a/" * 501]  # fmt: skip


@pytest.mark.parametrize("key", ["config_dir", "results_dir", "figures_dir"])
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: repr(folder[:12]))
def test_folders_that_a_shell_or_snakemake_would_read_otherwise(project: Project, key: str, folder: str) -> None:
    assert project.refused(**{key: folder}).startswith(f"tiny.yaml: {key}: ")


def test_other_folders_are_taken_as_they_are(project: Project, tmp_path: Path) -> None:
    for folder in ("a b", "../ä (1)/x-1", "/tmp/a,b", "run=1+2@home"):
        assert project.plan(results_dir=folder).file.results_dir == folder
    assert project.plan(results_dir="./out//1/").file.results_dir == "out/1"
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "x"):
        assert (
            project.refused(results_dir=str(folder))
            == f"tiny.yaml: results_dir: {tmp_path}/file is a file, not a folder"
        )


@pytest.mark.parametrize(
    "name", ["runs", "data", "states", "logs", "train", "report.html", "comparison.csv", "latest.log"]
)
def test_suites_are_called_like_nothing_else_among_the_results(project: Project, name: str) -> None:
    assert project.refused(suite=name).startswith("tiny.yaml: suite: must be the name of no other file or folder")


def test_a_paper_has_the_name_of_its_file(project: Project) -> None:
    project.write(project.paper, PAPER | {"paper": "other"})
    assert project.refused(items=["article/*"]) == (
        f"{project.paper}: paper: is 'other', but the file is called article.yaml"
    )


def test_items_whose_files_would_be_the_same(project: Project) -> None:
    item = PAPER["items"]["appendix"]
    for paper, name in (("a", "b-c"), ("a-b", "c")):
        values = PAPER | {"paper": paper, "items": {name: item}}
        project.write(project.folder / "papers" / f"{paper}.yaml", values)
    assert project.refused(items=["a/*", "a-b/*"]) == "tiny.yaml: items: 'a/b-c' and 'a-b/c' would have the same files"


@pytest.mark.parametrize("pattern", ["article", "article/", "/table-1", "../papers/article/x", "article/" + "*" * 300])
def test_items_are_named_by_paper_and_item(project: Project, pattern: str) -> None:
    assert project.refused(items=[pattern]).startswith(
        "tiny.yaml: items.0: must be `paper/item`, shell patterns allowed"
    )


def test_settings_are_read_like_files_and_win(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("suite: a\ntitle: off\nlimit: 5\n")
    second.write_text("suite: b\nlimit: 6\n")
    values = suite_values([first, second], ["limit=1e1", "experiments=[x, on]", "results_dir=a=b"])
    expected = {"suite": "b", "title": "off", "limit": 10.0, "experiments": ["x", "on"], "results_dir": "a=b"}
    assert values == expected
    with pytest.raises(ConfigError, match=r"--config: limit: not valid YAML"):
        suite_values([first], ["limit=[1"])


def test_item_of_unknown_kind(project: Project) -> None:
    items = {"table-1": PAPER["items"]["table-1"] | {"kind": "picture"}}
    project.write(project.paper, PAPER | {"items": items})
    assert project.refused(items=["article/*"]).startswith(f"{project.paper}: items.table-1.kind: ")
