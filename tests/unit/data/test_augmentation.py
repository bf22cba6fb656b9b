"""Augmentation, normalisation and the batches of a run, against torchvision's own transforms and against statistics."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from scipy import stats
from torch import Tensor

from dst_repro.data.augment import Augmentation, Padded, draw_crop_flip
from dst_repro.data.base import Data, Images, load
from dst_repro.errors import ConfigError
from dst_repro.machine.vision import torchvision_transforms
from dst_repro.seeding import generator
from tests.conftest import RunFactory

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def random_images(n: int, channels: int = 3, height: int = 32, width: int = 32) -> Images:
    rng = torch.Generator().manual_seed(n)
    pixels = torch.randint(256, (n, channels, height, width), dtype=torch.uint8, generator=rng)
    return Images(pixels, torch.arange(n) % 10)


def data(n: int = 100, **fields: object) -> Data:
    part = random_images(n)
    whole = Data("random", part, None, part.take(torch.arange(7)), classes=10, divisor=255, note="", sha256={})
    return replace(whole, mean=MEAN, std=STD, **fields)  # type: ignore[arg-type]


def by_torchvision(image: Tensor, top: int, left: int, flip: bool, border: str = "constant") -> Tensor:
    """What the papers' loaders make of one image (3, 32, 32), uint8, for given draws: through PIL, as they do."""
    functional = torchvision_transforms().functional
    picture = functional.pad(functional.to_pil_image(image), 4, padding_mode=border)
    picture = functional.crop(picture, top, left, 32, 32)
    picture = functional.hflip(picture) if flip else picture
    made: Tensor = functional.normalize(functional.to_tensor(picture), MEAN, STD)
    return made


@pytest.mark.parametrize("border", ["constant", "reflect"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_place_and_mirroring_is_torchvisions(layout: torch.memory_format, border: str) -> None:
    images = random_images(162).images.contiguous(memory_format=layout)
    top, left, flip = (t.flatten() for t in torch.meshgrid(*map(torch.arange, (9, 9, 2)), indexing="ij"))
    index = torch.randperm(162, generator=torch.Generator().manual_seed(0))
    made = data().batch(Padded(images, border == "reflect").crop(index, top, left, flip.bool()))
    how = zip(index, top.tolist(), left.tolist(), flip.tolist(), strict=True)
    assert torch.equal(made, torch.stack([by_torchvision(images[i], t, le, bool(f), border) for i, t, le, f in how]))
    assert made.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 12)])
def test_crops_keep_the_size_of_the_image(shape: tuple[int, int, int]) -> None:
    images = random_images(5, *shape).images
    centre, no = torch.full((5,), 4), torch.zeros(5, dtype=torch.bool)
    padded = Padded(images)
    assert torch.equal(padded.crop(torch.arange(5), centre, centre, no), images)
    assert torch.equal(padded.crop(torch.arange(5), centre, centre, ~no), images.flip(3))
    corner = padded.crop(torch.arange(5), centre * 0, centre * 2, no)  # up and to the right: shifted down and left
    assert torch.equal(corner[:, :, 4:, :-4], images[:, :, :-4, 4:])
    assert int(corner[:, :, :4].max()) == int(corner[:, :, :, -4:].max()) == 0


def test_draws_are_uniform_and_independent() -> None:
    n = 81 * 2 * 500
    top, left, flip = draw_crop_flip(n, generator(0, "augmentation", 0))
    cell = top * 18 + left * 2 + flip
    counts = torch.bincount(cell, minlength=162)
    assert len(counts) == 162
    assert int(counts.min()) > 0
    assert (
        stats.chisquare(counts.numpy()).pvalue > 0.001
    )  # all 162 outcomes alike: uniform, and independent of each other
    follows = torch.bincount(flip[:-1] * 2 + flip[1:].long(), minlength=4)
    assert stats.chisquare(follows.numpy()).pvalue > 0.001


def test_epochs_seeds_and_only_they_change_the_draws() -> None:
    def drawn(seed: int, epoch: int) -> Tensor:
        return torch.stack(draw_crop_flip(64, Augmentation("crop-flip", seed, epoch).rng()))

    assert torch.equal(drawn(3, 4), drawn(3, 4))
    assert not torch.equal(drawn(3, 4), drawn(3, 5))
    assert not torch.equal(drawn(3, 4), drawn(4, 4))


def joined(whole: Data, size: int, seed: int = 1, epoch: int = 2) -> tuple[Tensor, Tensor]:
    images, labels = zip(*whole.train_batches(size, seed, epoch), strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize("augmentation", ["none", "crop-flip", "reflect-crop-flip"])
def test_batches_are_the_seeded_permutation_of_the_epoch(augmentation: str) -> None:
    whole = data(augmentation=augmentation)
    order = torch.randperm(100, generator=generator(1, "order", 2))
    draws = torch.stack(draw_crop_flip(100, generator(1, "augmentation", 2))).T.tolist()
    wanted = []
    for i, (top, left, flip) in zip(order, draws, strict=True):
        border = "reflect" if augmentation == "reflect-crop-flip" else "constant"
        how = (4, 4, False) if augmentation == "none" else (top, left, bool(flip), border)
        wanted.append(by_torchvision(whole.train.images[i], *how))  # type: ignore[attr-defined]
    images, labels = joined(whole, 32)
    assert torch.equal(images, torch.stack(wanted))
    assert torch.equal(labels, order % 10)
    assert [len(b) for _, b in whole.train_batches(32, 1, 2)] == [32, 32, 32, 4]
    assert torch.equal(joined(whole, 7)[0], images)  # the batch size changes no image


def test_evaluation_is_in_order_and_never_augmented() -> None:
    plain, augmented = (data(augmentation=kind) for kind in ("none", "crop-flip"))
    for part in (augmented.train, augmented.test):
        images, labels = (torch.cat(b) for b in zip(*augmented.batches(part, 30), strict=True))
        assert torch.equal(images, plain.batch(part.images))  # type: ignore[attr-defined]
        assert torch.equal(labels, part.labels)  # type: ignore[attr-defined]


def test_batches_are_floats_in_channels_last_and_the_images_stay_as_they_are() -> None:
    for whole in (data(), data(augmentation="crop-flip")):
        before = whole.train.sha256()
        for images, labels in [*whole.train_batches(64, 0, 0), *whole.batches(whole.test, 4)]:
            assert images.dtype == torch.float32
            assert labels.dtype == torch.int64
            assert images.is_contiguous(memory_format=torch.channels_last)
        assert whole.train.sha256() == before


def test_the_global_random_state_is_neither_read_nor_changed() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = joined(data(augmentation="crop-flip"), 32)[0]
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(joined(data(augmentation="crop-flip"), 32)[0], first)


def test_unnormalised_batches_are_pixels_over_255(mnist_like: Images) -> None:
    whole = Data("mnist", mnist_like, None, mnist_like, classes=10, divisor=255, note="", sha256={})
    order = torch.randperm(50, generator=generator(0, "order", 0))
    wanted = mnist_like.images[order].float().div_(255)
    assert torch.equal(joined(whole, 16, 0, 0)[0], wanted)
    assert torch.equal(whole.batch(mnist_like.images), mnist_like.images.float().div_(255))


@pytest.fixture
def mnist_like() -> Images:
    return random_images(50, 1, 28, 28)


def test_an_augmentation_that_a_data_set_lacks_is_refused(tiny: RunFactory) -> None:
    assert load(tiny(augmentation="crop-flip")).augmentation == "crop-flip"
    with pytest.raises(
        ConfigError,
        match=r"^augmentation: 'resized-crop-flip' can't be had of digits; take crop-flip, none or reflect-crop-flip$",
    ):
        load(tiny(augmentation="resized-crop-flip"))
