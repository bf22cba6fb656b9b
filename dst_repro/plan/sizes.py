"""How large a run's data set is, as far as its registration says: train, test, shape, classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from dst_repro.plan.catalogue import look_up


class Reads(Protocol):
    """What a run says of its data: `RunConfig` does."""

    @property
    def dataset(self) -> str: ...

    @property
    def dataset_params(self) -> Mapping[str, Any]: ...

    @property
    def validation(self) -> float: ...

    @property
    def batch_size(self) -> int: ...


class Sizes(NamedTuple):
    """Training images before any are held out, test images, shape of one, classes."""

    train: int
    test: int
    shape: tuple[int, ...]
    classes: int


def images(run: Reads) -> Sizes | None:
    """Of the data set as the run takes it; None where it is known only when it is read."""
    facts = look_up("dataset", run.dataset)["facts"]
    if "train" not in facts:
        return None
    params, shape = run.dataset_params, tuple(facts["shape"])
    edge = params.get("size", shape[-1])
    return Sizes(
        params.get("train") or facts["train"],
        params.get("test") or facts["test"],
        (shape[0], edge, edge),
        facts["classes"],
    )


def steps_per_epoch(run: Reads) -> int | None:
    """Mini-batches of an epoch; None where the size of the data set is not known."""
    known = images(run)
    return None if known is None else math.ceil((known.train - round(run.validation * known.train)) / run.batch_size)
