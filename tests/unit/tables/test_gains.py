"""What tricks gain, on frames made by hand."""

from __future__ import annotations

import json
import math

import pytest

from dst_repro.plots.gains_by_trick import GainsByTrick
from dst_repro.plots.gains_vs_sparsity import GainsVsSparsity
from dst_repro.records.frames import Frames
from dst_repro.tables.gains import GainsParams, gains, table
from tests.small import frames, run, with_ghosts

SKIPS, INIT, SMOOTH, SOFT = "ghost-skips", "rescaled-init", "label-smoothing", "soft-neurons"
EVERY = {slug: {} for slug in (SKIPS, INIT, SMOOTH, SOFT)}


def row(
    tricks: dict[str, dict[str, object]], seed: int, accuracy: float | None, density: float = 0.1, **fields: object
) -> dict[str, object]:
    config = {"method": "snip", "density": density, "seed": seed} | ({"tricks": tricks} if tricks else {})
    status = "finished" if accuracy is not None else "missing"
    made = run("snip", seed, accuracy, status, density=density, tricks=" + ".join(sorted(tricks)) or None, **fields)
    words = json.dumps([tricks, density], sort_keys=True)
    return made | {"config": json.dumps(config), "cell": words, "id": f"{words}-s{seed}"}


def small() -> Frames:
    """Gains of all four: 1, 2 and 3 points at 10 %; of one seed, -1, at 2 %. Of skips alone no seed has both."""
    return frames(
        *(row({}, seed, accuracy) for seed, accuracy in enumerate((0.50, 0.51, 0.52))),
        *(row(EVERY, seed, accuracy) for seed, accuracy in enumerate((0.51, 0.53, 0.55))),
        row({SKIPS: {}}, 3, 0.9),
        row({}, 0, 0.40, density=0.02),
        row(EVERY, 0, 0.39, density=0.02),
        row(EVERY, 1, None, density=0.02),
        row({SOFT: {}}, 0, 0.2, density=0.5),
    )


def test_gains_by_hand() -> None:
    found = gains(small(), GainsParams())
    assert list(zip(found["setting"], found["tricks"], strict=True)) == [
        ("10 %", SKIPS), ("10 %", "all"), ("2 %", "all")]  # fmt: skip
    none, many, one = found.to_dict("records")
    assert (none["n"], none["text"]) == (0, "— (0 of 1; without tricks s3 not planned)")
    assert many["without"] == pytest.approx(51)
    assert (many["gain"], many["std"], many["up"], many["n"]) == (pytest.approx(2), pytest.approx(1), 3, 3)
    assert many["p"] == pytest.approx(0.0742, abs=1e-4)  # t = 2 sqrt(3)
    assert math.isnan(many["p_holm"])  # the only test: nothing to be corrected for
    assert many["last_gain"] == pytest.approx(2)
    assert (one["gain"], one["up"], one["n"]) == (pytest.approx(-1), 0, 1)
    assert math.isnan(one["p_holm"])


def test_the_table_says_so() -> None:
    shown = table(small(), GainsParams())
    assert shown.rows == ["mask", "setting", "tricks"]
    assert shown.labels == [("SNIP", "10 %", "ghost skips"), ("SNIP", "10 %", "all"), ("SNIP", "2 %", "all")]
    assert shown.texts[1] == ["51.00", "+2.00 (3)", "\N{MINUS SIGN}0.48 to +4.48", "3 of 3", "0.074"]
    assert shown.texts[2] == ["40.00", "\N{MINUS SIGN}1.00 (1 of 2; s1 missing)", "", "0 of 1", ""]


@pytest.mark.parametrize(
    ("tricks", "name"),
    [({SKIPS: {}}, SKIPS), ({SKIPS: {}, SOFT: {}}, f"{SKIPS} + {SOFT}"), (EVERY, "all"),
     ({s: {} for s in EVERY if s != INIT}, f"all but {INIT}"),
     ({SKIPS: {"until": None}}, f"{SKIPS} (until never)"), (EVERY | {SOFT: {"beta": 3.0}}, "all (beta 3)"),
     (EVERY | {SOFT: {"until": 0.2}, SKIPS: {"until": 0.2}}, "all (until 0.2)"),
     (EVERY | {SOFT: {"until": 0.2}, SKIPS: {"until": 0.3}}, f"all ({SKIPS} until 0.3; {SOFT} until 0.2)")],
)  # fmt: skip
def test_names_of_sets(tricks: dict[str, dict[str, object]], name: str) -> None:
    """Parameters are named where another cell has the same trick with others."""
    rows = {str(one["id"]): one for one in (row({}, 0, 0.5), row(EVERY, 0, 0.5), row(tricks, 0, 0.6))}
    found = gains(frames(*rows.values()), GainsParams())
    assert name in set(found["tricks"])


def haunted(*ghosts: float) -> Frames:
    """Two seeds of all four, of three epochs; best of all is the second, whose ghosts are as given."""
    plain, treated = (
        [row(tricks, seed, 0.5 + 0.01 * gain * (seed + 1), validation=0.1) for seed in (0, 1)]
        for tricks, gain in (({}, 0), (EVERY, 1))
    )
    for one in treated:
        one["best_on_validation.epoch"] = 2.0
    epochs = {str(one["id"]): [(70, 40, 0), (60, 41, 0), (65, 42, 0)] for one in plain}
    for number, one in enumerate(treated):
        tested = (50, 49, 45 + number)
        epochs[str(one["id"])] = [(h, t, g) for h, t, g in zip((10, 90, 80), tested, ghosts, strict=True)]
    return with_ghosts(frames(*plain, *treated), epochs)


def test_gains_without_ghosts() -> None:
    """At the third epoch 45 and 46 less 42 each; at the last, as the record has it, 1 and 2 points."""
    params = GainsParams(selection="best_without_ghosts")
    (one,) = gains(haunted(5, 5, 0), params).to_dict("records")
    assert (one["without"], one["gain"], one["n"]) == (pytest.approx(42), pytest.approx(3.5), 2)
    assert (one["last_gain"], one["early"]) == (pytest.approx(1.5), 2)
    shown = table(haunted(5, 5, 0), params)
    assert [head for (head,) in shown.heads][-3:] == ["p", "gain at the last epoch", "best epoch has ghosts"]
    assert shown.texts[0][-2:] == ["+1.50", "2 of 2"]


def test_gains_without_ghosts_from_the_second_epoch_on() -> None:
    (one,) = gains(haunted(5, 0, 0), GainsParams(selection="best_without_ghosts")).to_dict("records")
    assert (one["without"], one["gain"], one["early"]) == (pytest.approx(42), pytest.approx(7), 0)


def test_ghosts_that_stay_leave_nothing_to_judge_by() -> None:
    shown = table(haunted(5, 5, 5), GainsParams(selection="best_without_ghosts"))
    assert shown.texts == [["—", "— (0 of 2; all with ghosts in every epoch)", "", "", "", "+1.50", ""]]


def test_p_is_called_corrected_where_it_is() -> None:
    given: tuple[tuple[dict[str, dict[str, object]], float], ...] = (({}, 0.5), ({SKIPS: {}}, 0.6), (EVERY, 0.7))
    two = [row(tricks, seed, share + 0.01 * seed * (1 + len(tricks))) for tricks, share in given for seed in (0, 1, 2)]
    assert ("p (Holm)",) in table(frames(*two), GainsParams()).heads
    assert ("p",) in table(small(), GainsParams()).heads


def test_dense_training_has_an_interval_too() -> None:
    found = [one | {"method": "dense", "density": math.nan} for tricks, gain in (({}, 0), (EVERY, 2))
             for seed in (0, 1) for one in [row(tricks, seed, 0.5 + 0.01 * gain * (1 + seed))]]  # fmt: skip
    for one in found:
        one["config"] = str(one["config"]).replace('"method": "snip", "density": 0.1, ', "")
    frame = GainsVsSparsity.frame(frames(*found), GainsParams())
    (axes,) = GainsVsSparsity.figure(frame, GainsParams()).axes
    (bars,) = axes.containers
    assert bars.lines[0].get_xydata().tolist() == [[-1, pytest.approx(3)]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["dense"]
    assert axes.get_xlabel() == "sparsity (%)"


def test_a_parameter_that_all_share_is_not_named() -> None:
    longer = EVERY | {INIT: {"iterations": 60}}
    found = gains(frames(row({}, 0, 0.5), row(longer, 0, 0.5), row({INIT: {"iterations": 60}}, 0, 0.6)), GainsParams())
    assert list(found["tricks"]) == [INIT, "all"]


@pytest.mark.parametrize("plot", [GainsVsSparsity, GainsByTrick])
def test_figures_show_what_has_a_pair(plot: type[GainsVsSparsity]) -> None:
    frame = plot.frame(small(), GainsParams())
    assert list(frame["gain"]) == pytest.approx([2, -1])
    (axes,) = plot.figure(frame, GainsParams()).axes
    across = 1 if plot is GainsVsSparsity else 0
    drawn = [value for one in axes.containers for value in one.lines[0].get_xydata()[:, across]]
    assert sorted(drawn) == pytest.approx([-1, 2])
