"""Epochs without ghosts, of histories by hand."""

from __future__ import annotations

import math

import pandas as pd

from dst_repro.records.frames import Frames
from dst_repro.records.ghosts import COLUMN, Epoch, best, with_best, with_epochs
from tests.small import HISTORY, frames, run, with_ghosts

TRICKED = {"tricks": "ghost-skips + soft-neurons", "validation": 0.1, "density": 0.1}


def of(*epochs: dict[str, float], **fields: object) -> tuple[Epoch, ...]:
    """The epochs that count of a run with this history."""
    row = run("snip", 0, 0.5, **TRICKED | fields)
    history = [
        (row["id"], n, n, "", name, value) for n, values in enumerate(epochs, 1) for name, value in values.items()
    ]
    found = with_epochs(Frames(frames(row).runs, pd.DataFrame(history, columns=HISTORY)))[COLUMN]
    return tuple(found.iloc[0])


GONE = {"ghost_parameters": 0.0, "skip_weight": 0.0, "test_accuracy": 0.5, "validation_accuracy": 0.4, "density": 0.1}


def numbers(*epochs: dict[str, float], **fields: object) -> list[int]:
    return [epoch.number for epoch in of(*epochs, **fields)]


def test_an_epoch_with_any_trace_of_a_ghost_does_not_count() -> None:
    skips, weightless, soft = {"ghost_parameters": 50.0}, {"skip_weight": 0.1}, {"beta": 9.0}
    assert numbers(GONE | skips, GONE | weightless, GONE | soft, GONE) == [4]
    assert numbers(GONE | skips | soft) == []
    assert of(GONE) == (Epoch(1, 0.5, 0.4),)


def test_what_is_not_known_to_be_without_ghosts_does_not_count() -> None:
    unknown = {"test_accuracy": 0.5, "density": 0.1}
    assert numbers(unknown) == []
    assert numbers(unknown, tricks=None) == [1]
    assert numbers(GONE, status="diverged") == []


def test_an_epoch_with_more_weights_than_asked_does_not_count() -> None:
    assert numbers(GONE | {"density": 0.5}, GONE) == [2]
    assert numbers(GONE | {"density": 0.5}, GONE, density=math.nan) == [1, 2]  # no target


def test_the_earliest_best() -> None:
    epochs = (Epoch(1, 0.9, math.nan), Epoch(2, 0.3, 0.7), Epoch(3, 0.5, 0.7), Epoch(4, 0.4, 0.1))
    assert best(epochs, "validation") == epochs[1]
    assert best(epochs, "test") == epochs[0]
    assert best(epochs[:1], "validation") is None


def test_the_best_as_columns() -> None:
    made = frames(row := run("snip", 0, 0.5, **TRICKED), other := run("snip", 1, 0.5, **TRICKED))
    epochs = {str(row["id"]): [(90, 80, 5), (70, 60, 0), (70, 65, 0)], str(other["id"]): [(90, 80, 5)]}
    found = with_best(with_ghosts(made, epochs))
    assert found["best_without_ghosts.test_accuracy"].iloc[0] == 0.6
    assert found["best_without_ghosts.epoch"].iloc[0] == 2
    assert found["best_without_ghosts.epoch"].isna().iloc[1]
