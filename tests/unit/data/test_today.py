"""A data set that is edited after training: real files, real runs, and what is said and trained."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dst_repro.cli.standing import standing
from dst_repro.data import today
from dst_repro.data.base import source
from dst_repro.data.known import FOLDERS
from dst_repro.data.today import CHANGED, Today
from dst_repro.errors import UserError
from dst_repro.files import cache_folder
from dst_repro.plan.catalogue import catalogue
from dst_repro.plan.config import RunConfig
from dst_repro.plan.fingerprint import fingerprint
from dst_repro.records import record
from dst_repro.records import standing as of_snakemake
from dst_repro.training.checkpoint import Checkpoint
from dst_repro.training.parents import provide_states
from dst_repro.training.run import needed, train
from dst_repro.training.state import state_path
from tests.conftest import RunFactory

OWN = {"dataset": "higgs", "dataset_params": {}, "model": "mlp-256-256", "epochs": 2}


def write_table(root: Path, first: float = 0.5) -> Path:
    """200 rows as Higgs has them, the first number of which is `first`."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({f"feature_{n}": rng.normal(size=200).round(3) for n in range(24)})
    table.loc[0, "feature_0"] = first
    table["target"] = np.arange(200) % 2
    path = root / "higgs" / "higgs.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    return path


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DST_DATA", str(tmp_path / "data"))
    return write_table(tmp_path / "data")


@pytest.fixture
def own(tiny: RunFactory, table: Path) -> RunConfig:
    return tiny(**OWN)


def job(run: RunConfig, results: Path, policy: of_snakemake.Policy = "retrain") -> str:
    """What Snakemake goes by."""
    return of_snakemake.source(run, results, policy, Today())


def test_the_folder_of_every_data_set_that_a_user_can_change_is_known() -> None:
    schemas = {slug: entry["schema"].get("properties", {}) for slug, entry in catalogue()["dataset"].items()}
    by_path = {slug for slug, properties in schemas.items() if "path" in properties}
    assert by_path == {"arrays", "folder"}
    assert set(FOLDERS) | by_path == set(schemas) - {"digits"}  # a part of scikit-learn, and checked


def test_an_edited_data_set_is_stale_with_the_reason_and_trained_again(
    own: RunConfig, results: Path, table: Path
) -> None:
    before = job(own, results)
    first = train(own, results)
    assert job(own, results) == before
    assert not standing(own, results).stale
    assert not needed(own, results, "retrain")

    write_table(table.parents[1], first=0.25)
    told = standing(own, results)
    assert told.stale
    assert told.reason == CHANGED
    assert not needed(own, results, "keep")
    assert needed(own, results, "retrain")
    assert job(own, results, "keep") == before
    changed = job(own, results)
    assert changed != before
    second = train(own, results)
    assert second.sums == Today().sums(own) != first.sums
    assert job(own, results) == job(own, results, "keep") == changed  # nothing is left to be done
    assert not standing(own, results).stale
    record.write(second.model_copy(update={"fingerprint": "0" * 16}), results)  # and of other source
    assert job(own, results) == changed
    train(own, results)
    assert job(own, results) == changed

    write_table(table.parents[1])  # as it was at first
    again = job(own, results)
    assert again not in (before, changed)
    assert train(own, results) == first
    assert job(own, results) == again
    record.forget(results, own.id)
    assert job(own, results) == before


def test_a_data_set_that_is_not_there_changes_nothing(own: RunConfig, results: Path, table: Path) -> None:
    train(own, results)
    before = job(own, results)
    table.unlink()
    assert Today().sums(own) is None
    assert not standing(own, results).stale
    assert not needed(own, results, "retrain")
    assert job(own, results) == before
    shutil.rmtree(table.parents[1])
    assert not standing(own, results).stale
    assert not table.parents[1].exists()


def test_a_data_set_that_can_not_be_read_is_told_and_changes_nothing(
    own: RunConfig, results: Path, table: Path
) -> None:
    train(own, results)
    table.write_text("no table")
    now = Today()
    assert not standing(own, results, now).stale
    assert next(iter(now.refused.values())).startswith(f"higgs: {table} is not the table")
    assert not needed(own, results, "retrain")


def test_nothing_is_read_twice(own: RunConfig, table: Path) -> None:
    sums = Today().sums(own)
    assert sums == {part: getattr(source("higgs", {}), part).sha256() for part in ("train", "test")}
    kept = cache_folder() / "data" / f"{today.state(own)}.json"
    assert json.loads(kept.read_text()) == sums
    kept.write_text(json.dumps({"train": "a", "test": "b"}))
    assert Today().sums(own) == {"train": "a", "test": "b"}
    stamp = table.stat()
    os.utime(table, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert Today().sums(own) == sums
    for damaged in ("", "[]", "{}", '{"train": 1, "test": 2}', "[" * 10_000):
        (cache_folder() / "data" / f"{today.state(own)}.json").write_text(damaged)
        assert Today().sums(own) == sums


def test_training_leaves_the_sums_for_the_next_call(own: RunConfig, results: Path) -> None:
    made = train(own, results)
    kept = cache_folder() / "data" / f"{today.state(own)}.json"
    assert json.loads(kept.read_text()) == made.sums


def test_what_is_edited_while_it_is_read_is_not_remembered(own: RunConfig, table: Path) -> None:
    before = today.state(own)
    write_table(table.parents[1], first=0.125)
    today.keep(own, before, {"train": "a", "test": "b"})
    assert not (cache_folder() / "data" / f"{before}.json").exists()


def test_a_checkpoint_of_other_data_is_not_gone_on_from(
    own: RunConfig, results: Path, table: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DST_CHECKPOINT_SECONDS", "0")
    monkeypatch.setattr(Checkpoint, "remove", lambda _: None)  # as after a kill
    train(own, results)
    record.forget(results, own.id)
    write_table(table.parents[1], first=0.25)
    whole = train(own, results)
    assert "starts anew, as its checkpoint is of other source, data" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setenv("DST_DATA", str(table.parents[1]))
    assert record.runtime(results, own.id)["resumed_at_epoch"] == 0
    assert train(own, results / "other") == whole


def test_networks_of_other_data_are_made_again(tiny: RunFactory, own: RunConfig, results: Path, table: Path) -> None:
    pruned = tiny("one-shot", density=0.1, weights_from={"method": "dense"}, **OWN)
    rewound = tiny("one-shot", density=0.1, weights_from={"method": "dense"}, weights_at={"step": 3}, **OWN)
    paths = [state_path(results, own.id), state_path(results, own.id, {"step": 3})]
    train(own, results, keep_state=True)
    for run in (pruned, rewound):
        provide_states(run, results)
        train(run, results)
    before = [path.read_bytes() for path in paths]

    write_table(table.parents[1], first=40.0)
    train(own, results)  # first, as Snakemake does
    assert not any(path.exists() for path in paths)
    for run in (pruned, rewound):
        assert needed(run, results, "retrain")
        provide_states(run, results, "retrain")
        train(run, results)
    assert [path.read_bytes() for path in paths] != before
    alone = results / "alone"
    for run in (pruned, rewound):
        provide_states(run, alone)
        assert train(run, alone) == record.read(results, run.id)


def test_a_network_that_can_not_be_made_again_says_why(
    tiny: RunFactory, own: RunConfig, results: Path, table: Path
) -> None:
    pruned = tiny("one-shot", density=0.1, weights_from={"method": "dense"}, **OWN)
    train(own, results)
    write_table(table.parents[1], first=0.25)
    with pytest.raises(UserError, match=f"^{own.id}: {CHANGED}, so that its network can't be made again; remove "):
        provide_states(pruned, results)
    assert record.read(results, own.id).fingerprint == fingerprint(own)
