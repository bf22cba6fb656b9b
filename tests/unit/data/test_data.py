"""Data sets: the fixed digits split, the validation split of a run, and every way in which files can be wrong."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from dst_repro.data.base import Data, load, source
from dst_repro.errors import ConfigError, DataError
from dst_repro.machine.vision import torchvision_datasets
from tests.conftest import RunFactory

NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def test_digits_split_is_fixed_and_stratified() -> None:
    digits = source("digits", {"size": 8})
    assert (len(digits.train), len(digits.test)) == (1437, 360)
    assert digits.train.images.shape == (1437, 1, 8, 8)
    whole = torch.bincount(torch.cat([digits.train.labels, digits.test.labels]), minlength=10)
    assert bool(((torch.bincount(digits.test.labels, minlength=10) - whole * 360 / 1797).abs() <= 1).all())
    assert digits.train.sha256() == "7ab53d775e851981fb8cfc53aeb9563c84bf366e28585734d927c49878d37170"
    assert digits.test.sha256() == "33668cfbe0367fcadef980065a5d0b70af462f9ef710a6ddb7d6d9dd97300a1f"
    assert digits.note == ""


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_cache_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cached = tmp_path / "dst_repro" / "digits.npz"
    first = source("digits", {"size": 8})
    assert cached.stat().st_size > 0
    cached.write_bytes(cached.read_bytes()[:-100] if content is None else content)
    again = source("digits", {"size": 8})
    assert torch.equal(again.train.images, first.train.images)
    assert cached.stat().st_size > 10_000


@pytest.mark.parametrize("name", ["train", "test_labels"])
@pytest.mark.parametrize("change", ["missing", "other"])
def test_a_cache_of_another_form_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, change: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = source("digits", {})
    cached = tmp_path / "dst_repro" / "digits.npz"
    with np.load(cached) as saved:
        arrays = dict(saved)
    arrays = {k: v[:3] if k == name else v for k, v in arrays.items() if k != name or change == "other"}
    np.savez(cached, **arrays)
    assert source("digits", {}).train.sha256() == whole.train.sha256()
    with np.load(cached) as saved:
        assert len(saved) == 4


def test_upsampled_digits_are_the_same_images() -> None:
    small, large = source("digits", {"size": 8}), source("digits", {"size": 28})
    assert large.train.images.shape == (1437, 1, 28, 28)
    assert torch.equal(large.test.labels, small.test.labels)
    # pixel 14 of 28 lies at 14.5 * 8 / 28 - 0.5 = 3.642857 of 8, in both directions; corners are corners
    corner, near = small.test.images[:, 0, 0, 0].float(), small.test.images[:, 0, 3:5, 3:5].double()
    a, b = 1 - 0.642857142857, 0.642857142857
    middle = a * a * near[:, 0, 0] + a * b * (near[:, 0, 1] + near[:, 1, 0]) + b * b * near[:, 1, 1]
    assert torch.equal(large.test.images[:, 0, 0, 0], corner)
    assert torch.allclose(large.test.images[:, 0, 14, 14].double(), middle, atol=1e-4)


def test_batches_lie_between_0_and_1(digits: Data) -> None:
    batch = digits.batch(digits.train.images)
    assert batch.dtype == torch.float32
    assert float(batch.min()) == 0.0
    assert float(batch.max()) == 1.0
    assert torch.equal(batch * 16, digits.train.images.float())
    assert digits.train.images.dtype == torch.uint8  # not divided in place


def test_validation_split_is_seeded_disjoint_and_complete(tiny: RunFactory, digits: Data) -> None:
    first, again, other = (load(tiny(validation=0.1, seed=seed)) for seed in (1, 1, 2))
    assert first.validation is not None
    assert (len(first.train), len(first.validation), len(first.test)) == (1293, 144, 360)
    assert torch.equal(first.validation.images, again.validation.images)
    assert not torch.equal(first.validation.images, other.validation.images)

    def bag(*parts: torch.Tensor) -> list[bytes]:
        return sorted(image.numpy().tobytes() for part in parts for image in part)

    assert bag(first.train.images, first.validation.images) == bag(digits.train.images)
    assert first.sha256 == digits.sha256  # the hash is of the whole set
    assert digits.validation is None


@pytest.mark.parametrize(("share", "message"), [(0.0001, "less than one image"), (0.9999, "leaves none to train on")])
def test_empty_part_is_refused(tiny: RunFactory, share: float, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^validation: .*{message}$"):
        load(tiny(validation=share))


def idx(array: torch.Tensor) -> bytes:
    """The format of the MNIST files: magic number, sizes, bytes."""
    header = struct.pack(">HBB", 0, 8, array.dim()) + b"".join(struct.pack(">I", n) for n in array.shape)
    return header + array.to(torch.uint8).numpy().tobytes()


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four well-formed idx files of other images, and no network."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for images, labels in NAMES.values():
        (raw / images).write_bytes(idx(torch.arange(4 * 784).reshape(4, 28, 28) % 256))
        (raw / labels).write_bytes(idx(torch.arange(4)))
    monkeypatch.setenv("DST_DATA", str(tmp_path))
    monkeypatch.setattr(torchvision_datasets().MNIST, "mirrors", ["http://127.0.0.1:9/"])
    return raw


def refused(name: str = "mnist") -> str:
    with pytest.raises(DataError) as caught:
        source(name, {})
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_absent_mnist_says_where_it_was_sought(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DST_DATA", str(tmp_path / "elsewhere"))
    message = refused()
    assert message.startswith(
        f"mnist: not found in {tmp_path / 'elsewhere' / 'MNIST' / 'raw'} and the download failed ("
    )
    assert "DST_DATA" in message


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@pytest.mark.parametrize("damage", ["missing", "empty", "header", "truncated", "type", "text"])
def test_damaged_mnist_names_the_folder(small_mnist: Path, name: str, damage: str) -> None:
    path = small_mnist / name
    good = path.read_bytes()
    path.unlink()
    contents = {
        "empty": b"",
        "header": good[:6],
        "truncated": good[:-1],
        "type": good[:2] + b"\x0a" + good[3:],
        "text": b"<html>not found</html>",
    }
    if damage in contents:
        path.write_bytes(contents[damage])
    assert refused().startswith(f"mnist: {small_mnist} holds no whole copy (")


def test_other_pixels_are_no_known_copy(small_mnist: Path) -> None:
    message = refused()
    assert message.startswith("mnist: the images found are no known copy (SHA-256 ")
    assert "damaged or altered" in message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_read_without_a_lock(small_mnist: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        assert "no known copy" in refused()  # read, and judged by its pixels
    finally:
        tmp_path.chmod(0o755)


def test_real_mnist(mnist_root: Path) -> None:
    mnist = source("mnist", {})
    assert (len(mnist.train), len(mnist.test)) == (60_000, 10_000)
    assert mnist.train.images.shape == (60_000, 1, 28, 28)
    assert torch.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (mnist.note, mnist.mean, mnist.std) == ("", (), ())
    normalised = source("mnist", {"normalise": True})
    std, mean = torch.std_mean(mnist.train.images.double() / 255)
    assert normalised.mean == pytest.approx([float(mean)], abs=5e-5)
    assert normalised.std == pytest.approx([float(std)], abs=5e-5)


def test_one_altered_pixel_of_mnist_is_noticed(
    mnist_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in (*NAMES["train"], *NAMES["test"]):
        (raw / name).write_bytes((mnist_root / "MNIST" / "raw" / name).read_bytes())
    altered = bytearray((raw / NAMES["test"][0]).read_bytes())
    altered[5000] ^= 1
    (raw / NAMES["test"][0]).write_bytes(altered)
    monkeypatch.setenv("DST_DATA", str(tmp_path))
    assert "no known copy" in refused()
