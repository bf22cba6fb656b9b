"""Tiny-ImageNet in the layout of its archive, `tiny-imagenet-200` in the data root, decoded into memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from dst_repro.data.augment import Augmentation
from dst_repro.data.base import Images, Source
from dst_repro.data.fetch import data_root
from dst_repro.data.folder import workers
from dst_repro.data.imagenet import MEAN, STD
from dst_repro.errors import DataError
from dst_repro.machine.vision import torchvision_datasets
from dst_repro.registry import Params, datasets

FOLDER = "tiny-imagenet-200"
EDGE = 64
WHOLE = {"training images": 100_000, "test images": 10_000, "classes": 200}


class Mirrored(Images):
    """Images in memory whose augmentation is the flip alone: each is mirrored with probability 1/2."""

    augmentations: ClassVar[frozenset[str]] = frozenset({"none", "flip"})

    def batches(
        self, size: int, order: Tensor | None = None, augmentation: Augmentation | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        plain = super().batches(size, order)
        if order is None or augmentation is None or augmentation.kind != "flip":
            yield from plain
            return
        flips = (torch.rand(len(order), generator=augmentation.rng()) < 0.5).to(self.device).split(size)
        for flip, (images, labels) in zip(flips, plain, strict=True):
            yield torch.where(flip[:, None, None, None], images.flip(3), images), labels


@datasets.register("tiny-imagenet", train=100_000, test=10_000, shape=[3, 64, 64], classes=200)
def tiny_imagenet(_: Params) -> Source:
    """Tiny-ImageNet: 100,000 photographs of 200 classes for training, the 10,000 for validation as the test, 64x64

    From http://cs231n.stanford.edu/tiny-imagenet-200.zip, unpacked: `train/<class>/images/*.JPEG`, `val/images/*.JPEG`
    and `val/val_annotations.txt`. Normalised by ImageNet's means and standard deviations, and tested on the images for
    validation, as in the released code of Nowak et al. (2023): the true test has no labels. 1.3 GiB in memory.
    """
    root = data_root() / FOLDER
    classes = sorted(path.parent.name for path in root.glob("train/*/images"))
    if not classes or not (root / "val" / "val_annotations.txt").is_file():
        raise DataError(
            f"tiny-imagenet: {root} must hold train/<class>/images, val/images and val/val_annotations.txt; "
            f"unpack {FOLDER}.zip there, or set DST_DATA to a folder that has {FOLDER}/"
        )
    train = [(path, n) for n, name in enumerate(classes) for path in sorted((root / "train" / name).glob("images/*"))]
    parts = _decoded(train), _decoded(_validation(root / "val", classes))
    found = dict(zip(WHOLE, (len(parts[0]), len(parts[1]), len(classes)), strict=True))
    note = "" if found == WHOLE else ", ".join(f"{n:,} of {WHOLE[what]:,} {what}" for what, n in found.items())
    return Source("tiny-imagenet", *parts, classes=len(classes), divisor=255, note=note, mean=MEAN, std=STD)


def _validation(folder: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    """(image, number of its class), from lines of `name, class, box` that tabulators divide."""
    numbers, found = {name: n for n, name in enumerate(classes)}, []
    for n, line in enumerate((folder / "val_annotations.txt").read_text(encoding="utf-8").splitlines(), start=1):
        name, _, rest = line.partition("\t")
        number = numbers.get(rest.partition("\t")[0])
        if number is None:
            raise DataError(f"tiny-imagenet: {folder / 'val_annotations.txt'}, line {n}, names no class of train/")
        found.append((folder / "images" / name, number))
    return found


def _decoded(files: Sequence[tuple[Path, int]]) -> Mirrored:
    """All images of a part. Raises `DataError` for the first that is damaged."""
    pixels = np.empty((len(files), EDGE, EDGE, 3), np.uint8)

    def decode(i: int) -> None:
        path = files[i][0]
        try:
            image = np.asarray(torchvision_datasets().folder.default_loader(path))
            if image.shape != pixels.shape[1:]:
                raise ValueError(f"{image.shape[1]}x{image.shape[0]} pixels")
        except (OSError, ValueError, SyntaxError) as error:
            what = " ".join(str(error).split())
            raise DataError(f"{path} is no whole image of {EDGE}x{EDGE} ({what}); unpack it again") from None
        pixels[i] = image

    with ThreadPoolExecutor(max(1, workers())) as pool:
        for _ in pool.map(decode, range(len(files))):
            pass  # an exception of a thread is raised here
    return Mirrored(torch.from_numpy(pixels).permute(0, 3, 1, 2), torch.tensor([n for _, n in files]))
