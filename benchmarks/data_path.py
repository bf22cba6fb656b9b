"""An epoch of Dynamic Sparse Training on images like MNIST's, ours and the reference's in turn, and where it goes.

The parts of an epoch are differences between trainings: `loader` is an epoch of batches that nothing is trained on,
`masks` what the training with thresholds costs more than the dense one, `rest` what the dense one costs more than its
batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from torch import nn

from benchmarks import reference
from benchmarks.measure import interleaved, ratios, say, seconds, summed_up
from benchmarks.result import Result
from benchmarks.subjects import MNIST, REQUIRED, build, epoch_timer, random_data, random_images
from dst_repro.data.base import Data, Images

EPOCH = 60_000  # images of MNIST's training set
BATCH = 64
NAME = "epoch, lenet-300-100 with dst, 60,000 images"
TARGET = ">= 8"
Action = Callable[[], float]


def ours(data: Data) -> dict[str, Action]:
    """What trains an epoch and returns its seconds: with DST, dense, and the batches alone."""
    numbers = itertools.count()
    return {
        "dst": epoch_timer(build("lenet-300-100", "dst", data, BATCH)),
        "dense": epoch_timer(build("lenet-300-100", "dense", data, BATCH)),
        "loader": lambda: seconds(lambda: exhaust(data.train_batches(BATCH, seed=0, epoch=next(numbers)))),
    }


def theirs(part: Images) -> dict[str, Action]:
    """The same three of the reference."""
    batches = reference.loader(part.images.squeeze(1), part.labels, BATCH)
    sparse, dense = reference.Training(reference.LeNet(), REQUIRED), reference.Training(reference.LeNet(nn.Linear), 0)
    return {
        "dst": lambda: seconds(lambda: sparse.epoch(batches)),
        "dense": lambda: seconds(lambda: dense.epoch(batches)),
        "loader": lambda: seconds(lambda: exhaust(batches)),
    }


def exhaust(batches: Iterable[object]) -> None:
    for _ in batches:
        pass


def shares(dst: Sequence[float], dense: Sequence[float], loader: Sequence[float]) -> dict[str, list[float]]:
    """Per cent of the seconds `dst` that each part takes, round by round."""
    rounds = list(zip(dst, dense, loader, strict=True))
    return {
        "loader": [100 * c / a for a, _, c in rounds],
        "masks": [100 * (a - b) / a for a, b, _ in rounds],
        "rest": [100 * (b - c) / a for a, b, c in rounds],
    }


def measure(quick: bool) -> Iterator[Result]:
    images, rounds = (EPOCH // 10, 3) if quick else (EPOCH, 4)
    say(f"{NAME}: {rounds} rounds of {images:,} images, ours and the reference, whole and in parts")
    data = random_data(MNIST, images)
    sides = {"ours": ours(data), "reference": theirs(random_images(MNIST, images))}
    actions = {f"{side} {what}": action for side, each in sides.items() for what, action in each.items()}
    found = interleaved(rounds, actions)
    for side in sides:
        times = [found[f"{side} {what}"] for what in ("dst", "dense", "loader")]
        yield summed_up(f"{NAME}: {side}", [s * EPOCH / images for s in times[0]], "s")
        for part, percent in shares(*times).items():
            yield summed_up(f"{NAME}: {side}, of it {part}", percent, "%")
    reference_, ours_, dense = (found[name] for name in ("reference dst", "ours dst", "ours dense"))
    yield summed_up(f"{NAME}: reference over ours", ratios(reference_, ours_), "ratio", TARGET)
    yield summed_up(f"{NAME}: reference over ours, if masks cost nothing", ratios(reference_, dense), "ratio")
