"""What tricks gain, on frames made by hand."""

from __future__ import annotations

import json
import math

import pytest

from dst_repro.plots.gains_by_trick import GainsByTrick
from dst_repro.plots.gains_vs_sparsity import GainsVsSparsity
from dst_repro.records.frames import Frames
from dst_repro.tables.gains import GainsParams, gains, table
from tests.small import frames, run

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
    assert many["p_holm"] == pytest.approx(many["p"])  # the only test
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
    found = gains(frames(row({}, 0, 0.5), row(EVERY, 0, 0.5), row(tricks, 0, 0.6)), GainsParams())
    assert name in set(found["tricks"])


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
