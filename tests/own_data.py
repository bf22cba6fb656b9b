"""Small data sets of one's own: an array file, and images in a folder for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

EDGE, CLASSES = 12, 3
SIZES = {"train": 300, "test": 60}


def write_arrays(path: Path, dtype: str = "uint8", shape: tuple[int, ...] = (1, EDGE, EDGE), seed: int = 0) -> Path:
    """Images whose class can be seen: a third of each is bright."""
    rng = np.random.default_rng(seed)
    found = {}
    for part, n in SIZES.items():
        labels = np.arange(n) % CLASSES
        images = rng.integers(0, 100, (n, *shape))
        for image, label in zip(images, labels, strict=True):
            image.reshape(-1)[label::CLASSES] += 100
        found |= {part: images.astype(dtype), f"{part}_labels": labels}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **found)
    return path


def write_folder(root: Path, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    for part, n in (("train", SIZES["train"]), ("val", SIZES["test"])):
        for i in range(n):
            folder = root / part / f"class-{i % CLASSES}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (20, 16, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return root
