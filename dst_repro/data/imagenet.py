"""ImageNet (ILSVRC 2012), streamed from `imagenet/train` and `imagenet/val` in the data root."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dst_repro.data.base import Source
from dst_repro.data.folder import read_folder
from dst_repro.registry import Params, datasets

WHOLE = {"training images": 1_281_167, "test images": 50_000, "classes": 1_000}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ImageNetParams(Params):
    size: Annotated[int, Field(ge=1)] = 224
    """Edge of the images that the network sees. For evaluation, the centre of an image made 8/7 as large."""


@datasets.register("imagenet", ImageNetParams, train=1_281_167, test=50_000, shape=[3, 224, 224], classes=1_000)
def imagenet(params: ImageNetParams) -> Source:
    """ImageNet: 1,281,167 photographs of 1,000 classes for training, the 50,000 for validation as the test, 224x224

    Normalised by the means and standard deviations that torchvision's models have. Of the files, the hash of
    names and sizes is recorded, and that of their content only where there are few; a set with fewer images or classes
    says so in every record.
    """
    train, test, classes = read_folder("imagenet", params.size)
    found = dict(zip(WHOLE, (len(train), len(test), classes), strict=True))
    note = "" if found == WHOLE else ", ".join(f"{n:,} of {WHOLE[what]:,} {what}" for what, n in found.items())
    return Source("imagenet", train, test, classes, divisor=255, note=note, mean=MEAN, std=STD)
