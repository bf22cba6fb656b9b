"""Higgs: a generated table of the same columns, the split by hand and against scikit-learn, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.model_selection import train_test_split

from dst_repro.data.base import load, source
from dst_repro.errors import ConfigError, DataError
from dst_repro.training.run import train
from tests.conftest import RunFactory

ROWS, POSITIVE = 1000, 600


def table() -> pd.DataFrame:
    """1,000 rows, 600 of class 1; the target stands between the features, and the first feature numbers the rows."""
    rng = np.random.default_rng(0)
    columns = {f"feature_{n}": rng.normal(size=ROWS) for n in range(24)}
    columns["feature_0"] = np.arange(ROWS, dtype=float)
    frame = pd.DataFrame(columns)
    frame.insert(7, "target", rng.permutation(np.arange(ROWS) < POSITIVE).astype(int))
    return frame


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DST_DATA", str(tmp_path))
    (tmp_path / "higgs").mkdir()
    table().to_parquet(tmp_path / "higgs" / "higgs.parquet")
    return tmp_path


@pytest.mark.usefixtures("root")
def test_shares_are_85_and_15_stratified_and_disjoint() -> None:
    found = source("higgs", {})
    assert (len(found.train), len(found.test), found.classes) == (850, 150, 2)
    rows = [next(part.batches(ROWS)) for part in (found.train, found.test)]
    assert [int(labels.sum()) for _, labels in rows] == [510, 90]  # 60 % of each
    assert sorted(torch.cat([values[:, 0] for values, _ in rows]).tolist()) == list(range(ROWS))


@pytest.mark.usefixtures("root")
def test_the_test_is_that_of_the_released_code() -> None:
    features, target = table().drop(columns="target"), table()["target"]
    _, apart, _, labels = train_test_split(features, target, test_size=0.3, random_state=42, stratify=target)
    test, _, labels, _ = train_test_split(apart, labels, test_size=0.5, random_state=42, stratify=labels)
    values, found = next(source("higgs", {}).test.batches(ROWS))
    assert torch.equal(values, torch.tensor(test.to_numpy(), dtype=torch.float32))
    assert found.tolist() == labels.tolist()


def test_a_csv_file_gives_the_same(root: Path) -> None:
    before = source("higgs", {})
    (root / "higgs" / "higgs.parquet").unlink()
    table().to_csv(root / "higgs" / "higgs.csv", index=False)
    after = source("higgs", {})
    assert (after.train.sha256(), after.test.sha256()) == (before.train.sha256(), before.test.sha256())


@pytest.mark.usefixtures("root")
def test_rows_are_not_standardised_and_a_seventh_and_more_can_be_held_out(tiny: RunFactory) -> None:
    data = load(tiny(dataset="higgs", dataset_params={}, validation=0.17647))
    assert data.validation is not None
    assert (len(data.train), len(data.validation), len(data.test)) == (700, 150, 150)
    values, labels = next(data.train_batches(50, seed=0, epoch=0))
    assert (values.shape, values.dtype, labels.dtype) == ((50, 24), torch.float32, torch.int64)
    wanted = torch.tensor(table().drop(columns="target").to_numpy(), dtype=torch.float32)[values[:, 0].long()]
    assert torch.equal(values, wanted)


@pytest.mark.usefixtures("root")
def test_a_run_is_trained_on_rows(tiny: RunFactory, results: Path) -> None:
    record = train(tiny("static", dataset="higgs", dataset_params={}, model="mlp-256-256", density=0.5), results)
    assert record.status == "finished", record.reason
    assert sum(layer.numel for layer in record.layers) == 71_936


@pytest.mark.usefixtures("root")
def test_rows_are_not_cropped(tiny: RunFactory) -> None:
    with pytest.raises(ConfigError, match=r"^augmentation: 'crop-flip' can't be had of higgs; take none$"):
        load(tiny(dataset="higgs", dataset_params={}, augmentation="crop-flip"))


def refused() -> str:
    with pytest.raises(DataError) as caught:
        source("higgs", {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_the_file_one_line_says_what_to_get(root: Path) -> None:
    (root / "higgs" / "higgs.parquet").unlink()
    assert refused() == (
        f"higgs: not found in {root / 'higgs'}; put the table of OpenML's task 361069 there as higgs.parquet or "
        "higgs.csv, or set DST_DATA to a folder that has higgs/"
    )


def test_a_damaged_file_is_named(root: Path) -> None:
    path = root / "higgs" / "higgs.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    assert refused().startswith(f"higgs: {path} is not the table (")


@pytest.mark.parametrize("wrong", ["columns", "numbers", "target", "no target"])
def test_another_table_is_refused(root: Path, wrong: str) -> None:
    path, frame = root / "higgs" / "higgs.parquet", table()
    if wrong == "columns":
        frame = frame.drop(columns="feature_3")
    elif wrong == "numbers":
        frame.loc[5, "feature_3"] = np.nan
    elif wrong == "target":
        frame.loc[5, "target"] = 2
    else:
        frame = frame.rename(columns={"target": "label"})
    frame.to_parquet(path)
    message = refused()
    if wrong == "no target":
        assert message == f"higgs: {path} is not the table ('target'); fetch it again"
    else:
        assert message == f"higgs: {path} must have 24 columns of finite numbers and 'target', 0 and 1"


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_a_table_too_small_to_split_is_refused(root: Path, rows: int) -> None:
    table().sort_values("target").iloc[[0, *range(-rows + 1, 0)]].to_parquet(root / "higgs" / "higgs.parquet")
    with pytest.raises(DataError, match=r"higgs\.parquet can't be split: ") as caught:
        source("higgs", {})
    assert "\n" not in str(caught.value)
