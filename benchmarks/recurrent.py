"""A step of Dynamic Sparse Training on the smaller LSTM, ours and the reference's in turn."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks import reference, reference_lstm
from benchmarks.measure import interleaved, ratios, say, seconds, summed_up
from benchmarks.result import Result
from benchmarks.subjects import ADAM, MNIST, REQUIRED, build, epoch_timer, random_data

BATCH, UNITS = 100, 128
NAME = "lstm-a with dst"


def training() -> reference.Training:
    model = reference_lstm.LSTM(UNITS)
    return reference.Training(model, REQUIRED, torch.optim.Adam(model.parameters(), lr=ADAM["learning_rate"]))


def measure(quick: bool) -> Iterator[Result]:
    steps, rounds = (2, 3) if quick else (5, 9)
    say(f"{NAME}: {rounds} rounds of {steps} steps, ours and the reference")
    data = random_data(MNIST, steps * BATCH)
    batches = list(data.batches(data.train, BATCH))
    ours, theirs = epoch_timer(build("lstm-a", "dst", data, BATCH)), training()
    found = interleaved(rounds, {"ours": ours, "reference": lambda: seconds(lambda: theirs.epoch(batches))})
    for name, times in found.items():
        yield summed_up(f"{NAME}: {name}", [1000 * s / steps for s in times], "ms")
    yield summed_up(f"{NAME}: reference over ours", ratios(found["reference"], found["ours"]), "ratio", ">= 3")
