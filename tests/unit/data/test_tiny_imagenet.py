"""Tiny-ImageNet: JPEG files in the layout of its archive, labels by name, mirroring, and damaged files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dst_repro.data.augment import Augmentation
from dst_repro.data.base import load, source
from dst_repro.errors import ConfigError, DataError
from dst_repro.training.run import train
from tests.conftest import RunFactory

CLASSES = ("n01443537", "n01629819", "n02124075")
PER_CLASS = 4
VALIDATION = (2, 0, 1, 1)  # classes of val_0.JPEG ... val_3.JPEG


def jpeg(path: Path, rng: np.random.Generator, grey: bool = False) -> None:
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    picture = coarse.resize((64, 64), Image.Resampling.BICUBIC)
    (picture.convert("L") if grey else picture).save(path, quality=90)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes of 4 images for training, one of them in grey, and 4 for validation."""
    root = tmp_path_factory.mktemp("root") / "tiny-imagenet-200"
    rng = np.random.default_rng(0)
    for name in CLASSES:
        folder = root / "train" / name / "images"
        folder.mkdir(parents=True)
        (folder.parent / f"{name}_boxes.txt").write_text(f"{name}_0.JPEG\t0\t0\t63\t63\n")
        for i in range(PER_CLASS):
            jpeg(folder / f"{name}_{i}.JPEG", rng, grey=i == 1)
    (root / "val" / "images").mkdir(parents=True)
    for i in range(len(VALIDATION)):
        jpeg(root / "val" / "images" / f"val_{i}.JPEG", rng)
    lines = [f"val_{i}.JPEG\t{CLASSES[label]}\t0\t32\t44\t62" for i, label in enumerate(VALIDATION)]
    (root / "val" / "val_annotations.txt").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(autouse=True)
def copy(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(archive, tmp_path / "tiny-imagenet-200")
    monkeypatch.setenv("DST_DATA", str(tmp_path))
    monkeypatch.setenv("DST_WORKERS", "2")
    return tmp_path / "tiny-imagenet-200"


def pixels(path: Path) -> torch.Tensor:
    """(3, 64, 64)"""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)


def test_images_and_labels_are_those_of_the_files(copy: Path) -> None:
    found = source("tiny-imagenet", {})
    assert (len(found.train), len(found.test), found.classes, found.train.shape) == (12, 4, 3, (3, 64, 64))
    images, labels = next(found.train.batches(12))
    assert labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert torch.equal(images[6], pixels(copy / "train" / CLASSES[1] / "images" / f"{CLASSES[1]}_2.JPEG"))
    images, labels = next(found.test.batches(12))
    assert labels.tolist() == [2, 0, 1, 1]
    assert torch.equal(images[3], pixels(copy / "val" / "images" / "val_3.JPEG"))


def test_pixels_are_normalised_as_those_of_imagenet(copy: Path, tiny: RunFactory) -> None:
    data = load(tiny(dataset="tiny-imagenet", dataset_params={}))
    images, _ = next(data.batches(data.test, 4))
    raw = pixels(copy / "val" / "images" / "val_0.JPEG").double() / 255
    mean, std = (torch.tensor(v).double().view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    torch.testing.assert_close(images[0].double(), (raw - mean) / std, atol=1e-5, rtol=0)
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_half_of_the_images_are_mirrored_by_the_epochs_stream() -> None:
    part = source("tiny-imagenet", {}).train.take(torch.arange(12).repeat(50))
    order = torch.arange(600)
    plain = torch.cat([images for images, _ in part.batches(128, order)])
    parts = list(part.batches(128, order, Augmentation("flip", seed=3, epoch=1)))
    found = torch.cat([images for images, _ in parts])
    mirrored = (found == plain.flip(3)).flatten(1).all(1)
    assert torch.equal(found[~mirrored], plain[~mirrored])
    assert 240 < int(mirrored.sum()) < 360  # 300 are expected, with a standard deviation of 12
    assert torch.equal(
        torch.cat([labels for _, labels in parts]), torch.cat([labels for _, labels in part.batches(600)])
    )
    again = torch.cat([images for images, _ in part.batches(50, order, Augmentation("flip", 3, 1))])
    assert torch.equal(found, again), "whatever the size of the batches"
    other = torch.cat([images for images, _ in part.batches(128, order, Augmentation("flip", 3, 2))])
    assert not torch.equal(found, other)


def test_a_run_is_trained_and_says_that_the_set_is_not_whole(tiny: RunFactory, results: Path) -> None:
    run = tiny(dataset="tiny-imagenet", dataset_params={}, model="small-conv", epochs=1, batch_size=4)
    record = train(run, results)
    assert record.status == "finished", record.reason
    assert record.data is not None
    assert record.data.note == "12 of 100,000 training images, 4 of 10,000 test images, 3 of 200 classes"


def test_cropping_is_refused(tiny: RunFactory) -> None:
    with pytest.raises(
        ConfigError, match=r"^augmentation: 'crop-flip' can't be had of tiny-imagenet; take flip or none$"
    ):
        load(tiny(dataset="tiny-imagenet", dataset_params={}, augmentation="crop-flip"))


def refused() -> str:
    with pytest.raises(DataError) as caught:
        source("tiny-imagenet", {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("what", ["train", "val/val_annotations.txt"])
def test_a_missing_part_is_named(copy: Path, what: str) -> None:
    path = copy / what
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert refused() == (
        f"tiny-imagenet: {copy} must hold train/<class>/images, val/images and val/val_annotations.txt; "
        "unpack tiny-imagenet-200.zip there, or set DST_DATA to a folder that has tiny-imagenet-200/"
    )


@pytest.mark.parametrize("damage", ["truncated", "text", "gone", "larger"])
def test_a_damaged_image_is_named(copy: Path, damage: str) -> None:
    path = copy / "val" / "images" / "val_2.JPEG"
    good = path.read_bytes()
    path.unlink()
    if damage == "larger":
        Image.new("RGB", (65, 64)).save(path)
    elif damage != "gone":
        path.write_bytes(good[: len(good) // 2] if damage == "truncated" else b"<html>")
    message = refused()
    assert message.startswith(f"{path} is no whole image of 64x64 (")
    assert "65x64 pixels" in message or damage != "larger"


def test_an_unknown_class_is_named(copy: Path) -> None:
    path = copy / "val" / "val_annotations.txt"
    path.write_text(path.read_text().replace("val_1.JPEG\tn01443537", "val_1.JPEG\tn99999999"))
    assert refused() == f"tiny-imagenet: {path}, line 2, names no class of train/"
