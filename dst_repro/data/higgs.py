"""Higgs, the table of OpenML's task 361069, read from `higgs/higgs.parquet` or `higgs/higgs.csv` in the data root."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from dst_repro.data.base import Images, Source
from dst_repro.data.fetch import DAMAGED, data_root
from dst_repro.errors import DataError
from dst_repro.registry import Params, datasets

FEATURES = 24
TARGET = "target"
TEST_SHARES = 0.3, 0.5
"""Of all rows 30 % are set apart, and of those one half is the test (released code of Nowak et al. 2023)."""
SEED = 42
FILES = {"higgs.parquet": "read_parquet", "higgs.csv": "read_csv"}
"""Name -> the function of pandas that reads it."""

Vector = np.ndarray[tuple[int], np.dtype[np.int64]]
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]


class Rows(Images):
    """Rows of a table, (n, numbers): there is nothing to augment."""

    augmentations: ClassVar[frozenset[str]] = frozenset({"none"})


@datasets.register("higgs")
def higgs(_: Params) -> Source:
    """Higgs: 24 kinematic numbers of a simulated collision, of which two classes; 85 % for training, 15 % the test

    With openml and pyarrow installed, this gets it:

        table, *_ = openml.tasks.get_task(361069).get_dataset().get_data()
        table.to_parquet("data/higgs/higgs.parquet")

    A file has the columns of that table in their order, `target` (0 or 1) among them. Numbers are not standardised.
    The released code of Nowak et al. (2023) splits 70 / 15 / 15, stratified, by scikit-learn with seed 42. The test is
    exactly theirs; `validation: 0.17647` (15 / 85) holds as many rows out as they do, drawn by the run's own seed.
    """
    path = _path()
    rows, labels = _read(path)
    try:
        tested = _test_rows(labels)
    except ValueError as error:  # too few rows for a split in which each part has both classes
        raise DataError(f"higgs: {path} can't be split: {' '.join(str(error).split())}") from None
    trained = np.setdiff1d(np.arange(len(labels)), tested)
    train, test = (Rows(torch.from_numpy(rows[i]), torch.from_numpy(labels[i])) for i in (trained, tested))
    return Source("higgs", train, test, classes=2, divisor=1)


def _path() -> Path:
    folder = data_root() / "higgs"
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"higgs: not found in {folder}; put the table of OpenML's task 361069 there as {' or '.join(FILES)}, "
        "or set DST_DATA to a folder that has higgs/"
    )


def _read(path: Path) -> tuple[Matrix, Vector]:
    """Features (n, 24) and labels (n,). Raises `DataError`, one line."""
    import pandas as pd  # every process imports this module

    try:
        table = getattr(pd, FILES[path.name])(path)
        labels = table.pop(TARGET).astype("int64").to_numpy()
        rows = table.to_numpy("float32")
    except DAMAGED as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"higgs: {path} is not the table ({what}); fetch it again") from None
    if rows.shape[1] != FEATURES or not np.isfinite(rows).all() or np.unique(labels).tolist() != [0, 1]:
        raise DataError(f"higgs: {path} must have {FEATURES} columns of finite numbers and '{TARGET}', 0 and 1")
    return rows, labels


def _test_rows(labels: Vector) -> Vector:
    """Rows of the test, (m,): what `train_test_split` gives, both times stratified."""
    from sklearn.model_selection import train_test_split

    _, apart = train_test_split(np.arange(len(labels)), test_size=TEST_SHARES[0], random_state=SEED, stratify=labels)
    test, _ = train_test_split(apart, test_size=TEST_SHARES[1], random_state=SEED, stratify=labels[apart])
    return test  # type: ignore[no-any-return]
