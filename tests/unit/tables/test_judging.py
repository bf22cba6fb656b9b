"""By which epoch runs are judged, by hand."""

from __future__ import annotations

from dst_repro.records.frames import Frames
from dst_repro.tables.cells import Cell, cells
from dst_repro.tables.judging import accuracies, judged, selected, with_ghosts
from tests.small import frames, run
from tests.small import with_ghosts as history

FIELDS = {"density": 0.1, "validation": 0.1}


def pair(*ghosts: int) -> tuple[Cell, Cell]:
    """A run without tricks, best of all at epoch 1, then at 4; and one with, best at 2, and at 3 of the last two."""
    plain = run("snip", 0, 0.5, **FIELDS)
    treated = run("snip", 0, 0.5, tricks="ghost-skips", **FIELDS) | {"best_on_validation.epoch": 2.0}
    epochs = {
        str(plain["id"]): [(90, 50, 0), (60, 51, 0), (61, 52, 0), (62, 53, 0)],
        str(treated["id"]): list(zip((40, 80, 70, 60), (41, 81, 71, 73), ghosts, strict=True)),
    }
    made = history(frames(plain, treated), epochs)
    without, with_ = sorted(cells(judged(made, "best_without_ghosts")), key=lambda cell: cell.field("tricks"))
    return without, with_


def test_two_that_are_compared_choose_among_the_same_epochs() -> None:
    plain, treated = pair(9, 9, 0, 0)
    assert accuracies(plain, "best_without_ghosts") == {0: 50}
    assert accuracies(treated, "best_without_ghosts") == {0: 71}
    assert accuracies(plain, "best_without_ghosts", treated) == {0: 53}
    assert accuracies(treated, "best_without_ghosts", plain) == {0: 71}
    assert accuracies(treated, "best_on_test_without_ghosts", plain) == {0: 73}
    assert with_ghosts(treated) == {0: True}


def test_without_ghosts_all_epochs_count() -> None:
    plain, treated = pair(0, 0, 0, 0)
    assert accuracies(plain, "best_without_ghosts", treated) == {0: 50}
    assert accuracies(treated, "best_without_ghosts", plain) == {0: 81}
    assert with_ghosts(treated) == {0: False}


def test_where_ghosts_stay_there_is_no_value() -> None:
    plain, treated = pair(9, 9, 9, 9)
    assert accuracies(treated, "best_without_ghosts", plain) == {}
    assert accuracies(plain, "best_without_ghosts", treated) == {0: 50}


def test_without_images_held_out_it_is_the_last_epoch() -> None:
    (cell,) = cells(frames(run("snip", 0, 0.5)).runs)
    assert selected(cell, "best_without_ghosts") == selected(cell, "best_on_validation") == "last"
    assert selected(cell, "best_on_test_without_ghosts") == "best_on_test_without_ghosts"
    assert accuracies(cell, "best_without_ghosts") == {0: 50}


def test_other_selections_need_no_history() -> None:
    made = frames(run("snip", 0, 0.5))
    assert judged(Frames(made.runs, made.history), "last") is made.runs
