"""A last batch of one image: refused where batch normalisation can't train on it, and only there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dst_repro.cli import main
from dst_repro.data.base import Data, Images, load
from dst_repro.errors import ConfigError
from dst_repro.plan.config import RunConfig
from dst_repro.training.loop import Trainer
from tests.conftest import RunFactory

NARROW: dict[str, dict[str, Any]] = {
    "vgg-16": {"model_params": {"width": 0.0625}},
    "efficientnet-b0": {"model_params": {"width": 0.1}},
    "wrn-16-8": {"model_params": {"width": 0.0625}},  # normalises maps of 8x8 at least
    "lenet-300-100": {},
    "lstm-a": {},
}


def few(run: RunConfig, images: int) -> Data:
    """So many images to train on, of 32x32 pixels."""
    rng = torch.Generator().manual_seed(0)
    channels = 3 if run.model == "efficientnet-b0" else 1
    pixels = torch.randint(0, 17, (images, channels, 32, 32), generator=rng, dtype=torch.uint8)
    part = Images(pixels, torch.arange(images) % 10)
    return replace(load(run), train=part, test=part)


@pytest.mark.parametrize("model", ["vgg-16", "efficientnet-b0"])
@pytest.mark.parametrize(
    ("images", "size", "said"),
    [
        (65, 64, "the last batch of 65 training images has 1 image, and batch normalisation needs 2; take 63 or 65"),
        (9, 4, "the last batch of 9 training images has 1 image, and batch normalisation needs 2; take 3 or 5"),
        (3, 2, "the last batch of 3 training images has 1 image, and batch normalisation needs 2; take 3"),
        (3, 1, "each batch has 1 image, and batch normalisation needs 2; take 3"),
        (4, 1, "each batch has 1 image, and batch normalisation needs 2; take 2"),
        (1, 64, "the last batch of 1 training images has 1 image, and batch normalisation needs 2;"
                " more images are needed"),
    ],
)  # fmt: skip
def test_a_last_image_is_refused(tiny: RunFactory, model: str, images: int, size: int, said: str) -> None:
    run = tiny(model=model, batch_size=size, **NARROW[model])
    with pytest.raises(ConfigError) as caught:
        Trainer(run, few(run, images), torch.device("cpu"))
    assert str(caught.value) == f"batch_size: {said}"


@pytest.mark.parametrize(
    ("model", "images", "size"),
    [("vgg-16", 64, 64), ("vgg-16", 66, 64), ("vgg-16", 65, 63), ("vgg-16", 65, 65), ("efficientnet-b0", 66, 64)]
    + [(model, 65, 64) for model in ("wrn-16-8", "lenet-300-100", "lstm-a")]
    + [("lenet-300-100", 3, 1)],
)
def test_whatever_can_train_does(tiny: RunFactory, model: str, images: int, size: int) -> None:
    run = tiny(model=model, batch_size=size, **NARROW[model])
    trainer = Trainer(run, few(run, images), torch.device("cpu"))
    trainer._train(0)


def test_looking_changes_no_weight(tiny: RunFactory) -> None:
    """wrn-16-8 is tried out before its weights are drawn where 65 images leave one over, not where 64 do."""
    run = tiny(model="wrn-16-8", **NARROW["wrn-16-8"])
    one, other = (Trainer(run, few(run, images), torch.device("cpu")).model.state_dict() for images in (64, 65))
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_it_is_one_line_and_no_record(
    tiny: RunFactory, results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny(model="vgg-16", **NARROW["vgg-16"])
    monkeypatch.setattr("dst_repro.training.run.load", lambda run: few(run, 65))
    assert main(["train", run.json_text(), "--results", str(results)]) == 2
    said = "dst_repro: batch_size: the last batch of 65 training images has 1 image, and batch normalisation needs 2"
    assert capsys.readouterr().err == f"{said}; take 63 or 65\n"
    assert not (results / "runs").exists()
