"""Sets too large for memory: one folder a class, files decoded by worker processes as they are needed.

`DST_WORKERS` is the number of workers; 0 decodes in the training process. It can't change a number: what is drawn for
an image depends on seed, epoch and image alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dst_repro.data.augment import Augmentation, draw_resized_crop
from dst_repro.data.fetch import data_root
from dst_repro.errors import DataError, UserError
from dst_repro.machine.vision import torchvision_datasets, torchvision_transforms

MARGIN = 256 / 224
"""How much larger than its central crop an image is made for evaluation."""

CONTENT = 2_000_000_000
"""Bytes of a part's files that are read for its hash. All of ImageNet would take hours."""


def workers() -> int:
    """`DST_WORKERS`, else one for each core that this process may use."""
    text = os.environ.get("DST_WORKERS")
    if not text:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdecimal():
        raise UserError(f"DST_WORKERS is '{text}'; it must be a whole number, 0 for no worker processes")
    return int(text)


@dataclass(frozen=True)
class Files:
    """Images on disk, of which `index` (n,) says which of all `names` and `labels` (N,) this part has."""

    root: Path
    names: np.ndarray[tuple[int], np.dtype[np.bytes_]]  # one array: a list would be copied into every worker
    labels: Tensor
    index: Tensor
    size: int
    device: torch.device

    augmentations: ClassVar[frozenset[str]] = frozenset({"none", "resized-crop-flip"})

    @property
    def shape(self) -> tuple[int, ...]:
        return 3, self.size, self.size

    def __len__(self) -> int:
        return len(self.index)

    def take(self, index: Tensor) -> Files:
        return replace(self, index=self.index[index])

    def to(self, device: torch.device) -> Files:
        return replace(self, device=device)

    def path(self, i: int) -> Path:
        """Of image `i` of all."""
        return self.root / os.fsdecode(self.names[i])

    def sha256(self) -> str:
        """Of the names, sizes and content of the files; without the content if it is more than `CONTENT` bytes."""
        digest = hashlib.sha256()
        sizes = [self.path(i).stat().st_size for i in self.index.tolist()]
        whole = sum(sizes) <= CONTENT
        for i, size in zip(self.index.tolist(), sizes, strict=True):
            digest.update(b"%s\0%d\n" % (self.names[i], size))
            if whole:
                digest.update(self.path(i).read_bytes())
        return digest.hexdigest()

    def batches(
        self, size: int, order: Tensor | None = None, augmentation: Augmentation | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        decoder = Decoder(self, self.index if order is None else self.index[order], augmentation)
        loader = DataLoader(
            decoder,
            batch_size=size,
            num_workers=workers(),
            collate_fn=_collate,
            pin_memory=self.device.type == "cuda",
            generator=torch.Generator(),  # else it would draw from the global one
        )
        for batch in loader:
            if isinstance(batch, DataError):
                raise batch
            pixels, labels = (each.to(self.device, non_blocking=True) for each in batch)
            yield pixels.permute(0, 3, 1, 2), labels


@dataclass(frozen=True)
class Decoder(Dataset[Any]):
    """The images `index` of `files`, one by one: (height, width, 3) uint8, and the label."""

    files: Files
    index: Tensor
    augmentation: Augmentation | None

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor] | DataError:
        i = int(self.index[position])
        path = self.files.path(i)
        try:
            image = torchvision_datasets().folder.default_loader(path)
        except (OSError, ValueError, SyntaxError) as error:  # returned, since a worker's exception grows a traceback
            return DataError(f"{path} is no whole image ({' '.join(str(error).split())}); fetch it again")
        return torch.from_numpy(np.array(self._cropped(image, i))), self.files.labels[i]

    def _cropped(self, image: Any, i: int) -> Any:
        """Training: a random part at the size asked for, mirrored or not. Evaluation: the centre."""
        functional, size = torchvision_transforms().functional, self.files.size
        if self.augmentation is None or self.augmentation.kind == "none":
            return functional.center_crop(functional.resize(image, round(size * MARGIN)), size)
        rng = self.augmentation.rng(i)
        part = functional.resized_crop(image, *draw_resized_crop(image.height, image.width, rng), [size, size])
        return functional.hflip(part) if torch.rand((), generator=rng) < 0.5 else part


def _collate(items: list[Any]) -> tuple[Tensor, Tensor] | DataError:
    for item in items:
        if isinstance(item, DataError):
            return item
    images, labels = zip(*items, strict=True)
    return torch.stack(images), torch.stack(labels)


def read_folder(name: str, size: int) -> tuple[Files, Files, int]:
    """`train` and `val` of the folder `name` in the data root, and the number of classes; images of size x size.

    The layout is that of torchvision's ImageFolder, `train/<class>/<image>`. Raises `DataError`, one line.
    """
    root = data_root() / name
    try:
        train, test = (torchvision_datasets().ImageFolder(str(root / part)) for part in ("train", "val"))
    except (OSError, ValueError) as error:
        what = " ".join(str(error).split())
        raise DataError(
            f"{name}: {root} must hold train/<class>/<image> and val/<class>/<image> ({what}); "
            f"put them there, or set DST_DATA to a folder that has {name}/"
        ) from None
    if train.classes != test.classes:
        odd = sorted(set(train.classes) ^ set(test.classes))[0]
        raise DataError(f"{name}: {root} has the class '{odd}' in only one of train and val; both must have the same")
    return _files(train, size), _files(test, size), len(train.classes)


def _files(found: Any, size: int) -> Files:
    names = np.array([os.fsencode(path[len(found.root) + 1 :]) for path, _ in found.samples])
    labels, index = torch.tensor(found.targets), torch.arange(len(names))
    return Files(Path(found.root), names, labels, index, size, torch.device("cpu"))
