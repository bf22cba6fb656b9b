"""What tricks cost: a step with them over the plain step of the same network, while they last and afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measure import interleaved, ratios, say, summed_up
from benchmarks.result import Result
from benchmarks.subjects import CIFAR, build, epoch_timer, random_data
from dst_repro.data.base import Data
from dst_repro.registry import tricks

BATCH = 32
MODELS = {"resnet-32": 4, "resnet-18-cifar": 1}
"""Model -> steps of a timed block; the first is so narrow that a core is busy with all but its convolutions."""
CHEAP = 1.05
"""What soft neurons and label smoothing may cost."""
SHORT = {"rescaled-init": {"iterations": 1}}  # it costs no step
AT_ONCE = 1e-9
"""Share of the training after which there is no trick left: at its first step."""


def sets() -> dict[str, dict[str, Any]]:
    """What is timed: nothing, each trick alone, all, and all when they are over."""
    one = {slug: {slug: SHORT.get(slug, {})} for slug in sorted(tricks.discover())}
    every = {slug: params for chosen in one.values() for slug, params in chosen.items()}
    over = {slug: params | ({} if slug in SHORT else {"until": AT_ONCE}) for slug, params in every.items()}
    return {"none": {}, **one, "all": every, "all, afterwards": over}


def operations(model: str, chosen: dict[str, Any], data: Data) -> float:
    """Of a training step, forward and backward."""
    trainer = build(model, "static", data, BATCH, tricks=chosen)
    images, labels = next(data.batches(data.train, BATCH))
    with FlopCounterMode(display=False) as counter:  # ghosts hang on the network from outside
        trainer.tricks.loss(trainer.model(images), labels).backward()
    return float(counter.get_total_flops())


def measure(quick: bool) -> Iterator[Result]:
    for model, steps in MODELS.items():
        rounds = 2 if quick else 12
        say(f"step with tricks, {model}: {rounds} rounds of {steps} steps")
        data = random_data(CIFAR, steps * BATCH)
        found = interleaved(
            rounds, {name: epoch_timer(build(model, "static", data, BATCH, tricks=t)) for name, t in sets().items()}
        )
        plain = operations(model, {}, data)
        for name, chosen in sets().items():
            if name == "none":
                continue
            by_work = operations(model, chosen, data) / plain
            target = by_work * CHEAP if by_work > 1 else 1.0 + (CHEAP - 1) * (name != "all, afterwards")
            title = f"step, {model}, batch {BATCH}: {name} over no tricks"
            yield summed_up(title, ratios(found[name], found["none"]), "ratio", f"<= {target:.3g}")
