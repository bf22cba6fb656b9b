"""Data of one's own, from files as users have them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dst_repro import cli
from dst_repro.data.base import load, source
from dst_repro.data.today import Today
from dst_repro.errors import DataError
from dst_repro.records import record
from dst_repro.training.run import train
from tests.conftest import RunFactory
from tests.own_data import CLASSES, EDGE, SIZES, write_arrays, write_folder


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DST_DATA", str(tmp_path))
    return tmp_path


def arrays(**params: Any) -> Any:
    return source("arrays", {"path": "mine.npz"} | params)


def rewritten(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with np.load(path) as saved:
        found = dict(saved)
    change(found)
    np.savez(path, **found)


def test_bytes_are_divided_by_255_and_normalised_as_asked(root: Path, tiny: RunFactory) -> None:
    path = write_arrays(root / "mine.npz")
    with np.load(path) as saved:
        first = saved["test"][0].astype("float64")
    given = {"path": "mine.npz", "mean": [0.25], "std": [0.5]}
    data = load(tiny(dataset="arrays", dataset_params=given))
    assert (len(data.train), len(data.test), data.classes) == (SIZES["train"], SIZES["test"], CLASSES)
    images, labels = next(data.batches(data.test, 1))
    assert images[0].double().numpy() == pytest.approx((first / 255 - 0.25) / 0.5, abs=1e-6)
    assert labels.tolist() == [0]


def test_other_numbers_are_taken_as_they_are(root: Path, tiny: RunFactory) -> None:
    write_arrays(root / "mine.npz", "float64")
    data = load(tiny(dataset="arrays", dataset_params={"path": "mine.npz"}))
    images, _ = next(data.batches(data.test, 5))
    assert images.dtype == torch.float32
    assert 100 < float(images.max()) < 200


def test_images_without_channels_rows_and_tensors(root: Path) -> None:
    write_arrays(root / "mine.npz", shape=(EDGE, EDGE))
    assert arrays().train.shape == (1, EDGE, EDGE)
    write_arrays(root / "mine.npz", shape=(7,))
    assert arrays().train.shape == (7,)
    with np.load(root / "mine.npz") as saved:
        torch.save({name: torch.from_numpy(array) for name, array in saved.items()}, root / "mine.pt")
    assert arrays(path="mine.pt").train.sha256() == arrays().train.sha256()
    assert arrays(path=str(root / "mine.pt")).classes == CLASSES


def test_a_changed_label_beyond_255_changes_the_sum(root: Path) -> None:
    def many(found: dict[str, Any]) -> None:
        found["train_labels"] = np.arange(SIZES["train"]) % 60 * 10

    write_arrays(root / "mine.npz")
    rewritten(root / "mine.npz", many)
    before = arrays().train.sha256()
    rewritten(root / "mine.npz", lambda found: found["train_labels"].__setitem__(3, 30 + 256))  # the same byte
    assert arrays().train.sha256() != before


WRONG: list[tuple[Callable[[dict[str, Any]], object], str]] = [
    (lambda f: f.pop("test"), "has no `test`; it must have train, train_labels, test, test_labels"),
    (lambda f: f.update(train=f["train"][:9]), "`train` has 9 entries and 300 labels"),
    (lambda f: f.update(test=f["test"][:, :, :4]), "train has (1, 12, 12), test (1, 4, 12); both must be alike"),
    (lambda f: f.update(train_labels=f["train_labels"] * 1.0), "`train_labels` must be whole numbers (n,), not"),
    (lambda f: f.update(test_labels=f["test_labels"] - 1), "labels must be whole numbers from 0 on"),
    (lambda f: f.update(test_labels=f["test_labels"] + 1), "the test has label 3, of which there is no training image"),
    (lambda f: f.update(train_labels=f["train_labels"] * 0, test_labels=f["test_labels"] * 0), "has one class"),
    (lambda f: f.update(test=f["test"] / 255), "one of train and test has bytes, the other floats"),
    (lambda f: f.update(train=f["train"] / 0.0), "`train` has numbers that are not finite"),
    (lambda f: f.update(train=np.array(["a"] * 300)), "`train` is no array of numbers"),
    (lambda f: f.update(train=np.zeros(300)), "`train` must be (n, channels, height, width)"),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_what_is_wrong_with_a_file_is_told_in_one_line(
    root: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    write_arrays(root / "mine.npz")
    rewritten(root / "mine.npz", change)
    with pytest.raises(DataError) as caught:
        arrays()
    assert f"arrays: {root / 'mine.npz'}: " in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("other.npz", None, "there is no such file"), ("mine.csv", b"1,2", "must be a file that ends in .npz or .pt"),
     ("mine.npz", b"no archive", "can't be read"), ("mine.pt", b"no archive", "can't be read")],
)  # fmt: skip
def test_what_is_no_such_file(root: Path, name: str, content: bytes | None, said: str) -> None:
    if content is not None:
        (root / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        arrays(path=name)


def test_no_code_in_a_file_is_run(root: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (root / "run",))

    (root / "mine.pt").write_bytes(pickle.dumps({"train": Trap()}))
    np.savez(root / "mine.npz", train=np.array([Trap()], dtype=object), allow_pickle=True)
    for path in ("mine.pt", "mine.npz"):
        with pytest.raises(DataError):
            arrays(path=path)
    torch.save({"train": Trap()}, root / "mine.pt")
    with pytest.raises(DataError):
        arrays(path="mine.pt")
    assert not (root / "run").exists()


@pytest.mark.parametrize("given", [{"mean": [0.5]}, {"mean": [0.5, 0.5], "std": [1.0, 1.0]}])
def test_mean_and_std_have_a_number_for_each_channel(root: Path, given: dict[str, Any]) -> None:
    write_arrays(root / "mine.npz")
    with pytest.raises(DataError, match="where a channel has one of each"):
        arrays(**given)


@pytest.mark.parametrize("name", ["arrays", "folder"])
def test_a_network_learns_from_it_and_an_edit_is_told(root: Path, tiny: RunFactory, tmp_path: Path, name: str) -> None:
    place = {"arrays": write_arrays, "folder": write_folder}[name]
    place(root / "mine.npz")
    size = {"size": 28} if name == "folder" else {}
    fields = {"dataset": name, "dataset_params": {"path": "mine.npz", **size}, "model": "lenet-300-100", "epochs": 3}
    run = tiny(**fields, learning_rate=0.1, method="rigl", density=0.5, method_params={"update_period": 2})
    done = train(run, tmp_path / "results")
    assert done.status == "finished"
    assert done.metrics is not None
    if name == "arrays":
        assert done.metrics.last.test_accuracy > 0.9  # a third of each image tells its class
    assert done.data is not None
    found = record.read(tmp_path / "results", run.id)
    assert found is not None
    assert not Today().changed(run, found.sums)
    place(root / "mine.npz", seed=1)  # type: ignore[operator]
    assert Today().changed(run, found.sums)


def test_the_data_command_reads_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_arrays(root / "mine.npz")
    out = root / "found.json"
    assert cli.main(["data", "arrays", str(out), "--params", '{"path": "mine.npz"}']) == 0
    assert '"train": 300' in out.read_text()
    for params, said in (
        ("[]", "must be a mapping"),
        ('{"pth": "a"}', "did you mean 'path'?"),
        ("{}", "'path' is a required"),
    ):
        assert cli.main(["data", "arrays", str(out), "--params", params]) == 2
        assert said in capsys.readouterr().err


def test_what_a_link_leads_to_is_looked_at(root: Path, tiny: RunFactory) -> None:
    """Large sets often lie elsewhere."""
    write_folder(root / "bulk")
    (root / "mine").mkdir()
    for part in ("train", "val"):
        (root / "mine" / part).symlink_to(root / "bulk" / part)
    run = tiny(dataset="folder", dataset_params={"path": "mine", "size": 8})
    before = Today().sums(run)
    write_folder(root / "bulk", seed=1)
    assert before is not None
    assert Today().changed(run, before)
