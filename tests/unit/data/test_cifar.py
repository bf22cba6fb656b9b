"""CIFAR: the two kinds of copy that are accepted, every way in which one is refused, and the channels' statistics."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from dst_repro.data.base import Images, source
from dst_repro.data.batches import read_batch
from dst_repro.data.cifar import PER_IMAGE, PER_PIXEL
from dst_repro.data.known import KNOWN_FILES
from dst_repro.errors import ConfigError, DataError
from dst_repro.machine.vision import torchvision_datasets

KINDS = {"cifar10": "CIFAR10", "cifar100": "CIFAR100"}


def batch(n: int, first: int, fine: bool) -> bytes:
    """One file in CIFAR's format: n images, each of its number, red plane first."""
    rows = np.repeat(np.arange(first, first + n, dtype=np.uint8)[:, None], 3072, axis=1) + np.arange(3072) // 1024
    return pickle.dumps({"fine_labels" if fine else "labels": list(range(n)), "data": rows.astype(np.uint8)})


@pytest.fixture(params=KINDS)
def small(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """Well-formed files of other images that torchvision takes for the originals, and no network: (name, folder)."""
    name: str = request.param
    kind = getattr(torchvision_datasets(), KINDS[name])
    folder = tmp_path / kind.base_folder
    folder.mkdir()
    files = [file for file, _ in kind.train_list + kind.test_list]
    for i, file in enumerate(files):
        (folder / file).write_bytes(batch(3, 10 * i, name == "cifar100"))
    (folder / kind.meta["filename"]).write_bytes(pickle.dumps({kind.meta["key"]: list("abcdefghij")}))

    def md5(file: str) -> str:
        return hashlib.md5((folder / file).read_bytes()).hexdigest()

    for attribute in ("train_list", "test_list"):
        monkeypatch.setattr(kind, attribute, [[file, md5(file)] for file, _ in getattr(kind, attribute)])
    monkeypatch.setattr(kind, "meta", kind.meta | {"md5": md5(kind.meta["filename"])})
    monkeypatch.setattr(kind, "url", "http://127.0.0.1:9/")
    monkeypatch.setenv("DST_DATA", str(tmp_path))
    return name, folder


def sums(name: str, folder: Path) -> dict[str, str]:
    kind = getattr(torchvision_datasets(), KINDS[name])
    files = [file for file, _ in kind.train_list + kind.test_list]
    return {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files}


def rebuilt(folder: Path) -> None:
    """Say of a folder that it is a copy made of other sources."""
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    (folder / "PROVENANCE.json").write_text(json.dumps({"note": "of the test's own making", "sha256": sums}))


def refused(name: str) -> str:
    with pytest.raises(DataError) as caught:
        source(name, {})
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_files_with_the_sums_of_the_original_are_the_original(small: tuple[str, Path]) -> None:
    name, _ = small
    found = source(name, {})
    assert found.note == ""
    assert (len(found.train), len(found.test)) == ((15, 3) if name == "cifar10" else (3, 3))
    assert isinstance(found.test, Images)
    first = 50 if name == "cifar10" else 10  # of the last file
    assert found.test.images[1, :, 7, 9].tolist() == [first + 1, first + 2, first + 3]
    assert found.test.labels.tolist() == [0, 1, 2]


def test_fewer_images_are_the_first_ones(small: tuple[str, Path]) -> None:
    name, _ = small
    whole, found = source(name, {}), source(name, {"train": 2, "test": 1})
    assert isinstance(found.train, Images)
    assert isinstance(whole.train, Images)
    assert (len(found.train), len(found.test)) == (2, 1)
    assert torch.equal(found.train.images, whole.train.images[:2])
    assert torch.equal(found.train.labels, whole.train.labels[:2])
    assert len(source(name, {"train": len(whole.train)}).train) == len(whole.train)
    with pytest.raises(ConfigError, match="dataset_params: test: 4 images are asked for, but there are 3"):
        source(name, {"test": 4})


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
)
def test_a_damaged_file_is_noticed(small: tuple[str, Path], damage: Callable[[Path], object], rebuild: bool) -> None:
    name, folder = small
    if rebuild:
        rebuilt(folder)
    damage(folder / ("data_batch_2" if name == "cifar10" else "test"))
    assert refused(name).startswith(f"{name}: {folder} holds no whole copy (")


def test_a_copy_of_other_sources_is_judged_by_the_sums_in_the_package(
    small: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By those of its files, whatever it says of them itself, and by that of its pixels."""
    name, folder = small
    rebuilt(folder)
    assert refused(name).startswith(f"{name}: {folder} holds no whole copy (")
    monkeypatch.setitem(KNOWN_FILES, name, [sums(name, folder)])
    assert refused(name).startswith(f"{name}: the images found are no known copy (SHA-256 ")


class Code:
    """What a pickle can do: call any function."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("rebuild", [False, True])
def test_no_code_in_a_file_is_run_whatever_its_sum(
    small: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuild: bool
) -> None:
    name, folder = small
    file = folder / ("test_batch" if name == "cifar10" else "test")
    file.write_bytes(pickle.dumps({"data": Code(tmp_path / "ran"), "labels": []}))
    kind = getattr(torchvision_datasets(), KINDS[name])
    monkeypatch.setattr(kind, "test_list", [[file.name, hashlib.md5(file.read_bytes()).hexdigest()]])
    if rebuild:
        rebuilt(folder)
        monkeypatch.setitem(KNOWN_FILES, name, [sums(name, folder)])
    assert "(it asks for " in refused(name)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("codec", ["zlib_codec", "unicode_escape"])
def test_no_other_codec_is_called(tmp_path: Path, codec: str) -> None:
    (tmp_path / "batch").write_bytes(f"c_codecs\nencode\n(Vx\nV{codec}\ntR.".encode())
    with pytest.raises(pickle.UnpicklingError, match=f"the codec {codec}"):
        read_batch(tmp_path / "batch")


def test_batches_of_every_protocol_are_read(tmp_path: Path) -> None:
    """The original files are of protocol 2."""
    pixels = np.arange(2 * 3072).astype(np.uint8).reshape(2, 3072)
    for protocol in range(5):
        (tmp_path / "batch").write_bytes(pickle.dumps({"data": pixels, "labels": [3, 1]}, protocol=protocol))
        read, labels = read_batch(tmp_path / "batch")
        assert (read == pixels).all()
        assert labels == [3, 1]


def test_what_is_no_batch_is_refused_though_its_sum_is_known(
    small: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, folder = small
    for content in (
        b"text",
        b"",
        pickle.dumps([1, 2]),
        pickle.dumps({"data": None, "labels": []}),
        b"cno_module\nx\n.",
    ):
        (folder / "PROVENANCE.json").unlink(missing_ok=True)
        (folder / ("test_batch" if name == "cifar10" else "test")).write_bytes(content)
        rebuilt(folder)
        monkeypatch.setitem(KNOWN_FILES, name, [sums(name, folder)])
        assert refused(name).startswith(f"{name}: {folder} holds no whole copy (")


def test_absent_files_say_where_they_were_sought(
    small: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, folder = small
    monkeypatch.setenv("DST_DATA", str(tmp_path / "elsewhere"))
    message = refused(name)
    assert message.startswith(f"{name}: not found in {tmp_path / 'elsewhere' / folder.name} and the download failed (")
    assert "DST_DATA" in message


@pytest.fixture(params=KINDS)
def real(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a set that lies in `DST_DATA` or `./data`; the test is skipped where there is none."""
    folder = getattr(torchvision_datasets(), KINDS[request.param]).base_folder
    for root in filter(None, (os.environ.get("DST_DATA"), "data")):
        if (Path(root) / folder).is_dir():
            monkeypatch.setenv("DST_DATA", root)
            return str(request.param)
    pytest.skip(f"no {request.param} in DST_DATA or ./data")


def test_real_cifar_is_balanced_and_has_the_stated_statistics(real: str) -> None:
    found = source(real, {})
    train, test = found.train, found.test
    assert isinstance(train, Images)
    assert isinstance(test, Images)
    assert train.images.shape == (50_000, 3, 32, 32)
    assert torch.bincount(train.labels).tolist() == [50_000 // found.classes] * found.classes
    assert torch.bincount(test.labels).tolist() == [10_000 // found.classes] * found.classes
    of_images = [torch.std_mean(images.flatten(2).double() / 255, dim=2) for images in train.images.split(1_000)]
    std, mean = (torch.cat(values) for values in zip(*of_images, strict=True))  # (50000, 3) each
    square = (std**2 * 1023 / 1024 + mean**2).mean(0)
    per_pixel = torch.tensor(PER_PIXEL[real], dtype=torch.float64)
    assert torch.allclose(
        torch.stack([mean.mean(0), (square - mean.mean(0) ** 2).sqrt()]), per_pixel, atol=5e-5, rtol=0
    )
    if real == "cifar10":
        per_image = torch.tensor(PER_IMAGE, dtype=torch.float64)
        assert torch.allclose(torch.stack([mean.mean(0), std.mean(0)]), per_image, atol=5e-5, rtol=0)
    assert (found.mean, found.std) == PER_IMAGE
    assert source(real, {"normalise": "none"}).mean == ()
    assert source(real, {"normalise": "per-pixel-std"}).std == PER_PIXEL[real][1]
