"""By which epoch runs are judged, alone or one beside another."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from dst_repro.records.frames import Frames
from dst_repro.records.ghosts import COLUMN, By, Epoch, among, best, with_epochs
from dst_repro.tables.cells import Cell

Selection = Literal["last", "best_on_validation", "best_on_test", "best_without_ghosts", "best_on_test_without_ghosts"]
GHOSTLESS: dict[str, By] = {"best_without_ghosts": "validation", "best_on_test_without_ghosts": "test"}
"""Selections of `ghosts.with_epochs`, and which images the epoch is best on."""
EPOCHS = {
    "last": "at the last epoch",
    "best_on_validation": "at the best epoch on images held out",
    "best_on_test": "at the best epoch on the test",
    "best_without_ghosts": "at the best epoch on images held out of those without ghosts",
    "best_on_test_without_ghosts": "at the best epoch on the test of those without ghosts",
}


def judged(frames: Frames, selection: str) -> pd.DataFrame:
    """The runs, with what `accuracies` reads of them."""
    return with_epochs(frames) if selection in GHOSTLESS else frames.runs


def selected(cell: Cell, selection: str) -> str:
    """The epoch by which the runs of a cell are judged: without images held out there is none that is best on them."""
    held_out = selection in ("best_on_validation", "best_without_ghosts")
    return "last" if held_out and not cell.runs["validation"].iloc[0] > 0 else selection


def accuracies(cell: Cell, selection: str, beside: Cell | None = None) -> dict[int, float]:
    """Seed -> test accuracy in percent of the finished runs.

    Of epochs without ghosts a run chooses among those in which the run of `beside` with its seed has none either: two
    that are compared choose among the same epochs. Else that which has fewer would be the lower of two maxima.
    """
    name = selected(cell, selection)
    runs = cell.finished
    if name not in GHOSTLESS:
        values = [float(value) for value in runs[f"{name}.test_accuracy"]]
    else:
        other = _by_seed(beside.finished) if beside is not None else {}
        own, by = _by_seed(runs), GHOSTLESS[name]
        chosen = [best(_shared(epochs, other.get(seed, ())), by) for seed, epochs in own.items()]
        values = [epoch.test if epoch else float("nan") for epoch in chosen]
    return {int(s): 100 * v for s, v in zip(runs["seed"], values, strict=True) if v == v}


def _by_seed(runs: pd.DataFrame) -> dict[int, tuple[Epoch, ...]]:
    return {int(seed): epochs for seed, epochs in zip(runs["seed"], runs[COLUMN], strict=True)}


def _shared(own: tuple[Epoch, ...], other: tuple[Epoch, ...]) -> tuple[Epoch, ...]:
    """A partner that has no such epoch takes none away: the pair has no value for want of its own."""
    return among(own, {epoch.number for epoch in other}) if other else own


def with_ghosts(cell: Cell) -> dict[int, bool]:
    """Seed -> whether the best epoch on images held out, as the record has it, is one with ghosts.

    Of the finished runs; without images held out there is no such epoch.
    """
    runs = cell.finished
    numbers = zip(runs["seed"], runs["best_on_validation.epoch"], runs[COLUMN], strict=True)
    return {int(seed): not among(epochs, {int(e)}) for seed, e, epochs in numbers if e == e and e is not None}
