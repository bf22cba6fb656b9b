"""What is drawn to vary training images, and the random crop and mirroring of whole batches in memory.

Those are torchvision's RandomCrop(size, padding=4) and RandomHorizontalFlip in one gather: index arithmetic says where
each pixel comes from, and the batch is channels-last as it arrives. The border is black (`crop-flip`) or the image
itself mirrored (`reflect-crop-flip`, of the released codes of Nowak et al. 2023 and Dettmers and Zettlemoyer 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dst_repro.seeding import generator

PADDING = 4
AREA = 0.08, 1.0
RATIO = 3 / 4, 4 / 3
TRIES = 10


@dataclass(frozen=True)
class Augmentation:
    """How the training images of one epoch are varied (`RunConfig.augmentation`), and the stream it is drawn from."""

    kind: str
    seed: int
    epoch: int

    def rng(self, *image: int) -> torch.Generator:
        """The stream of the epoch, or of one image in it. On the CPU, whatever the training device is."""
        return generator(self.seed, "augmentation", self.epoch, *image)


def draw_crop_flip(n: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """For n images: top and left of the crop in the padded image, and whether it is mirrored; (n,) each.

    Each of the 9 x 9 places is equally likely, and so is mirroring.
    """
    top, left = torch.randint(2 * PADDING + 1, (2, n), generator=rng)
    return top, left, torch.rand(n, generator=rng) < 0.5


def draw_resized_crop(height: int, width: int, rng: torch.Generator) -> tuple[int, int, int, int]:
    """A random part of an image: (top, left, height, width) in pixels, drawn as torchvision's RandomResizedCrop does.

    8 to 100 % of the area, uniformly; ratio of width to height 3/4 to 4/3, its logarithm uniformly (Szegedy et al.
    2015, sec. 6). Of ten tries, the first that fits; if none does, as much of the centre as the ratios allow.
    """
    area = torch.empty(TRIES, dtype=torch.float64).uniform_(*AREA, generator=rng) * (height * width)
    ratio = torch.empty(TRIES, dtype=torch.float64).uniform_(*map(math.log, RATIO), generator=rng).exp()
    sides = zip((area / ratio).sqrt().round().tolist(), (area * ratio).sqrt().round().tolist(), strict=True)
    fitting = [(int(h), int(w)) for h, w in sides if 0 < h <= height and 0 < w <= width]
    if not fitting:
        h, w = min(height, round(width / RATIO[0])), min(width, round(height * RATIO[1]))
        return (height - h) // 2, (width - w) // 2, h, w
    h, w = fitting[0]
    top, left = (int(torch.randint(room + 1, (), generator=rng)) for room in (height - h, width - w))
    return top, left, h, w


class Padded:
    """Images (n, channels, height, width) with a border of 4 pixels, ready to be cropped to their own size."""

    def __init__(self, images: Tensor, reflect: bool = False) -> None:
        padded = (_reflected if reflect else _blackened)(images.permute(0, 2, 3, 1))
        _, height, self.row, channels = padded.shape
        self.image = height * self.row
        self.pixels = padded.reshape(-1, channels)
        self.shape = (*images.shape[2:], channels)
        y, x = (torch.arange(size, device=images.device) for size in images.shape[2:])
        self.upright, self.mirrored = (y[:, None] * self.row + columns for columns in (x, x.flip(0)))

    def crop(self, index: Tensor, top: Tensor, left: Tensor, flip: Tensor) -> Tensor:
        """The images `index`, cut out and mirrored as `draw_crop_flip` says; all (b,), on the images' device.

        Returns (b, channels, height, width), channels-last.
        """
        first = index * self.image + top * self.row + left
        pixel = torch.where(flip[:, None, None], self.mirrored, self.upright) + first[:, None, None]
        return self.pixels.index_select(0, pixel.flatten()).view(-1, *self.shape).permute(0, 3, 1, 2)


def _blackened(images: Tensor) -> Tensor:
    return functional.pad(images, (0, 0, PADDING, PADDING, PADDING, PADDING))


def _reflected(images: Tensor) -> Tensor:
    """Row -1 is row 1, row -2 is row 2: the edge itself is not repeated."""
    for dim in (1, 2):
        last = images.shape[dim] - 1
        source = torch.arange(-PADDING, last + 1 + PADDING, device=images.device)
        images = images.index_select(dim, last - (last - source.abs()).abs())
    return images
