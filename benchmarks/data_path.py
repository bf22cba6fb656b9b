"""An epoch of Dynamic Sparse Training on images like MNIST's, ours and the reference's in turn."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import reference
from benchmarks.measure import interleaved, ratios, say, seconds, summed_up
from benchmarks.result import Result
from benchmarks.subjects import MNIST, REQUIRED, build, epoch_timer, random_data

EPOCH = 60_000  # images of MNIST's training set
BATCH = 64
NAME = "epoch, lenet-300-100 with dst, 60,000 images"


def measure(quick: bool) -> Iterator[Result]:
    images, rounds = (EPOCH // 10, 3) if quick else (EPOCH, 5)
    say(f"{NAME}: {rounds} rounds of {images:,} images, ours and the reference")
    data = random_data(MNIST, images)
    ours = build("lenet-300-100", "dst", data, BATCH, rounds + 1)
    theirs = reference.Training(REQUIRED)
    batches = reference.loader(data.train.images.squeeze(1), data.train.labels, BATCH)
    actions = {"ours": epoch_timer(ours), "reference": lambda: seconds(lambda: theirs.epoch(batches))}
    found = interleaved(rounds, actions)
    for name, times in found.items():
        yield summed_up(f"{NAME}: {name}", [s * EPOCH / images for s in times], "s")
    yield summed_up(f"{NAME}: reference over ours", ratios(found["reference"], found["ours"]), "ratio", ">= 8")
