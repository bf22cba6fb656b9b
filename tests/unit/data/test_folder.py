"""Streamed images: decoding, cropping and order against torchvision, workers that change nothing, damaged files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import Tensor

from dst_repro.data.augment import draw_resized_crop
from dst_repro.data.base import Data, load, source
from dst_repro.data.folder import Files, workers
from dst_repro.data.imagenet import MEAN, STD
from dst_repro.errors import ConfigError, DataError, UserError
from dst_repro.machine.vision import torchvision_datasets, torchvision_transforms
from dst_repro.seeding import generator
from dst_repro.training.run import train
from tests.conftest import RunFactory

SIZES = [(64, 64), (80, 64), (64, 90), (100, 72)]  # (width, height)
PER_CLASS = 6


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with `imagenet`: 3 classes of 6 JPEGs for training and 2 for the test, one of them in grey."""
    root = tmp_path_factory.mktemp("root")
    rng = np.random.default_rng(0)
    for part, n in (("train", PER_CLASS), ("val", 2)):
        for c, name in enumerate(("n01440764", "n01443537", "n02102040")):
            folder = root / "imagenet" / part / name
            folder.mkdir(parents=True)
            for i in range(n):
                coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
                picture = coarse.resize(SIZES[(i + c) % len(SIZES)], Image.Resampling.BICUBIC)
                (picture.convert("L") if i == 1 else picture).save(folder / f"{name}_{i}.JPEG", quality=90)
    return root


@pytest.fixture(autouse=True)
def _root(photographs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DST_DATA", str(photographs))
    monkeypatch.setenv("DST_WORKERS", "0")


@pytest.fixture
def streamed(tiny: RunFactory) -> Data:
    return load(tiny(dataset="imagenet", dataset_params={"size": 48}, augmentation="resized-crop-flip"))


def joined(batches: Iterator[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


def test_evaluation_is_torchvisions(streamed: Data, photographs: Path) -> None:
    transforms = torchvision_transforms()
    prepare = transforms.Compose(
        [
            transforms.Resize(55),  # 48 * 256 / 224 = 54.86
            transforms.CenterCrop(48),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    reference = torchvision_datasets().ImageFolder(str(photographs / "imagenet" / "val"), prepare)
    images, labels = joined(streamed.batches(streamed.test, 4))
    assert torch.equal(images, torch.stack([image for image, _ in reference]))
    assert labels.tolist() == reference.targets == [0, 0, 1, 1, 2, 2]


def test_training_images_are_the_drawn_parts_in_seeded_order(streamed: Data, photographs: Path) -> None:
    functional = torchvision_transforms().functional
    reference = torchvision_datasets().ImageFolder(str(photographs / "imagenet" / "train"))
    order = torch.randperm(18, generator=generator(3, "order", 1)).tolist()
    wanted, flips = [], 0
    for i in order:
        image, rng = reference[i][0], generator(3, "augmentation", 1, i)
        top, left, height, width = draw_resized_crop(image.height, image.width, rng)
        image = functional.resize(functional.crop(image, top, left, height, width), [48, 48])
        flip = float(torch.rand((), generator=rng)) < 0.5
        flips += flip
        image = functional.hflip(image) if flip else image
        wanted.append(functional.normalize(functional.to_tensor(image), MEAN, STD))
    assert 0 < flips < 18
    images, labels = joined(streamed.train_batches(5, seed=3, epoch=1))
    assert torch.equal(images, torch.stack(wanted))
    assert labels.tolist() == [reference.targets[i] for i in order]


def test_batches_are_channels_last_floats_and_the_last_is_smaller(streamed: Data) -> None:
    batches = list(streamed.train_batches(5, 0, 0))
    assert [tuple(images.shape) for images, _ in batches] == [(5, 3, 48, 48)] * 3 + [(3, 3, 48, 48)]
    for images, labels in batches:
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert labels.dtype == torch.int64
    assert (streamed.shape, streamed.classes) == ((3, 48, 48), 3)


def test_workers_batch_size_and_global_state_change_nothing(streamed: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = joined(streamed.train_batches(18, 0, 4))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    monkeypatch.setenv("DST_WORKERS", "2")
    again = joined(streamed.train_batches(4, 0, 4))
    assert torch.equal(again[0], images)
    assert torch.equal(again[1], labels)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.equal(joined(streamed.train_batches(18, 0, 5))[0], images)


def test_a_run_on_streamed_images_is_trained_and_recorded(
    tiny: RunFactory, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tiny(dataset="imagenet", dataset_params={"size": 16}, augmentation="resized-crop-flip", validation=1 / 3)
    in_process = train(run, results / "a")
    monkeypatch.setenv("DST_WORKERS", "2")
    by_workers = train(run, results / "b")
    assert in_process.status == "finished", in_process.reason
    assert by_workers == in_process
    assert in_process.data is not None
    assert in_process.data.note.startswith("18 of 1,281,167 training images")
    histories = [(results / which / "runs" / run.id / "history.parquet").read_bytes() for which in "ab"]
    assert histories[0] == histories[1]


def test_an_image_is_varied_alike_whatever_the_split(tiny: RunFactory, streamed: Data) -> None:
    """What is drawn for an image follows its place in the whole set, not in the run's part of it."""
    split = load(
        tiny(dataset="imagenet", dataset_params={"size": 48}, augmentation="resized-crop-flip", validation=1 / 3)
    )
    assert split.validation is not None
    assert (len(split.train), len(split.validation), len(split.test)) == (12, 6, 6)
    images, _ = joined(split.train_batches(12, 0, 0))
    known = {image.numpy().tobytes() for image in joined(streamed.train_batches(18, 0, 0))[0]}
    assert {image.numpy().tobytes() for image in images} < known
    train, validation = split.train, split.validation
    assert isinstance(train, Files)
    assert isinstance(validation, Files)
    assert sorted(torch.cat([train.index, validation.index]).tolist()) == list(range(18))
    assert split.sha256 == streamed.sha256  # of the whole set


def test_without_augmentation_training_images_are_as_in_evaluation(streamed: Data) -> None:
    plain = replace(streamed, augmentation="none")
    images, _ = joined(plain.batches(plain.train, 18))
    order = torch.randperm(18, generator=generator(0, "order", 0))
    assert torch.equal(joined(plain.train_batches(6, 0, 0))[0], images[order])


def test_crop_flip_is_refused_for_streamed_images(tiny: RunFactory) -> None:
    with pytest.raises(
        ConfigError, match=r"^augmentation: 'crop-flip' can't be had of imagenet; take none or resized-crop-flip$"
    ):
        load(tiny(dataset="imagenet", augmentation="crop-flip"))


@pytest.mark.parametrize("shape", [(375, 500), (64, 48), (30, 500), (500, 30)])
def test_drawn_parts_follow_torchvisions_distribution(shape: tuple[int, int]) -> None:
    height, width = shape
    draw = torchvision_transforms().RandomResizedCrop.get_params
    blank = torch.zeros(3, height, width)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = np.array([draw(blank, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(3000)], dtype=float)
    ours = np.array([draw_resized_crop(height, width, generator(0, "t", i)) for i in range(3000)], dtype=float)
    for part in (ours, theirs):
        assert (part[:, :2] >= 0).all()
        assert (part[:, 0] + part[:, 2] <= height).all()
        assert (part[:, 1] + part[:, 3] <= width).all()
    assert ours[:, 2:].min() >= 1
    for of in (lambda x: x[:, 2] * x[:, 3], lambda x: x[:, 3] / x[:, 2], lambda x: x[:, 0], lambda x: x[:, 1]):
        assert stats.ks_2samp(of(ours), of(theirs), method="asymp").pvalue > 0.001


def test_when_no_try_fits_the_centre_is_taken() -> None:
    assert draw_resized_crop(10, 1000, generator(0, "t")) == (0, 493, 10, 13)  # 10 * 4/3 = 13.3 wide; (1000 - 13) // 2
    assert draw_resized_crop(1000, 10, generator(0, "t")) == (493, 0, 13, 10)


def test_a_set_that_is_not_whole_says_so(photographs: Path) -> None:
    found = source("imagenet", {"size": 48})
    assert found.note == "18 of 1,281,167 training images, 6 of 50,000 test images, 3 of 1,000 classes"


@pytest.fixture
def copy(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(photographs / "imagenet", tmp_path / "imagenet")
    monkeypatch.setenv("DST_DATA", str(tmp_path))
    return tmp_path / "imagenet"


def test_the_hash_is_of_names_sizes_and_content(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = source("imagenet", {}).train.sha256()
    first = copy / "train" / "n01440764" / "n01440764_0.JPEG"
    first.write_bytes(first.read_bytes() + b"\0")
    longer = source("imagenet", {}).train.sha256()
    first.rename(first.with_name("other.JPEG"))
    renamed = source("imagenet", {}).train.sha256()
    other = first.with_name("other.JPEG")
    other.write_bytes(other.read_bytes()[:-1] + b"\1")
    edited = source("imagenet", {}).train.sha256()
    assert len({before, longer, renamed, edited}) == 4
    assert source("imagenet", {}).train.sha256() == edited
    monkeypatch.setattr("dst_repro.data.folder.CONTENT", 10_000)  # too much to be read
    by_size = source("imagenet", {}).train.sha256()
    other.write_bytes(other.read_bytes()[:-1] + b"\2")
    assert source("imagenet", {}).train.sha256() == by_size
    other.write_bytes(other.read_bytes() + b"\2")
    assert source("imagenet", {}).train.sha256() != by_size


@pytest.mark.parametrize("count", ["0", "2"])
@pytest.mark.parametrize("damage", ["truncated", "text", "gone"])
def test_a_damaged_image_is_named_in_one_line(
    copy: Path, monkeypatch: pytest.MonkeyPatch, count: str, damage: str
) -> None:
    monkeypatch.setenv("DST_WORKERS", count)
    whole = source("imagenet", {"size": 48})
    path = copy / "val" / "n01443537" / "n01443537_0.JPEG"
    good = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(good[: len(good) // 2] if damage == "truncated" else b"<html>")
    with pytest.raises(DataError) as caught:
        list(whole.test.batches(2))
    message = str(caught.value)
    assert message.startswith(f"{path} is no whole image (")
    assert "\n" not in message


def refused() -> str:
    with pytest.raises(DataError) as caught:
        source("imagenet", {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_that_lacks_something_says_what(copy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (copy / "val" / "n02102040").rename(copy / "val" / "n99999999")
    assert refused() == (
        f"imagenet: {copy} has the class 'n02102040' in only one of train and val; both must have the same"
    )
    shutil.rmtree(copy / "val" / "n99999999")
    (copy / "val" / "n02102040").mkdir()
    assert refused().startswith(f"imagenet: {copy} must hold train/<class>/<image> and val/<class>/<image> (")
    shutil.rmtree(copy / "val")
    assert refused().startswith(f"imagenet: {copy} must hold train/<class>/<image> and val/<class>/<image> (")
    monkeypatch.setenv("DST_DATA", str(tmp_path / "elsewhere"))
    assert "DST_DATA" in refused()


def test_number_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DST_WORKERS", "3")
    assert workers() == 3
    monkeypatch.delenv("DST_WORKERS")
    assert workers() >= 1
    for wrong in ("-1", "two", "1.5"):
        monkeypatch.setenv("DST_WORKERS", wrong)
        with pytest.raises(UserError, match=rf"^DST_WORKERS is '{wrong}'; it must be a whole number"):
            workers()
