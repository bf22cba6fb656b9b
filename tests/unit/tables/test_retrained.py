"""Masks trained from scratch beside the runs that found them: numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from dst_repro.plots.retrained import RetrainedMasks, RetrainedParams
from dst_repro.tables.cells import Selected
from dst_repro.tables.retrained import retrained as table
from dst_repro.tables.retraining import retrained
from tests import small

Runs = list[dict[str, Any]]


def given(seed: int, accuracy: float | None, source: dict[str, Any], **fields: Any) -> dict[str, Any]:
    cell = f"given-{'-'.join(fields)}"
    status = "finished" if accuracy is not None else "diverged"
    return small.run("given-mask", seed, accuracy, status, mask_of=source["id"], **fields) | {
        "cell": cell,
        "id": f"{cell}-s{seed}",
    }


@pytest.fixture
def runs() -> Runs:
    """DST at 90, 91, 92 %; its masks at 88, 90, 89 % redrawn, and at 80, 82 % shuffled, where seed 2 diverged."""
    dst = [small.run("dst", seed, 0.90 + seed / 100, **{"method_params.alpha": 1e-3}) for seed in range(3)]
    redrawn = [given(s, a, dst[s], initialisation="redrawn") for s, a in enumerate((0.88, 0.90, 0.89))]
    positions = {"method_params.positions": "shuffled"}
    return [*dst, *redrawn, *(given(s, a, dst[s], **positions) for s, a in enumerate((0.80, 0.82, None)))]


def test_runs_are_paired_with_the_run_that_found_their_mask(runs: Runs) -> None:
    found = {one.variant: one for one in retrained(small.frames(*runs).runs, {})}
    assert set(found) == {"redrawn weights", "shuffled in layers"}
    assert all(one.source.method == "dst" for one in found.values())
    pairs = found["redrawn weights"].pairs("last.test_accuracy")
    assert list(pairs["source"]) == pytest.approx([90, 91, 92])
    assert list(pairs["retrained"]) == pytest.approx([88, 90, 89])
    assert list(found["shuffled in layers"].pairs("last.test_accuracy").index) == [0, 1]


def test_difference_is_taken_seed_by_seed(runs: Runs) -> None:
    """-2, -1 and -3: mean -2, std 1; t(0.975, 2) = 4.3027, so 4.3027 / sqrt(3) = 2.4841 on either side."""
    long = table(small.frames(*runs), Selected()).long.set_index(["variant", "metric"])
    row = long.loc[("redrawn weights", "difference")]
    assert (row["mean"], row["std"], row["n"]) == (pytest.approx(-2), pytest.approx(1), 3)
    assert (row["low"], row["high"]) == (pytest.approx(-4.4841, abs=1e-4), pytest.approx(0.4841, abs=1e-4))
    assert "\N{MINUS SIGN}4.48 to +0.48" in {texts[-1] for texts in table(small.frames(*runs), Selected()).texts}
    assert long.loc[("redrawn weights", "source"), "text"] == "91.00 ± 1.00 (3)"
    shuffled = long.loc[("shuffled in layers", "difference"), "text"]
    assert shuffled == "\N{MINUS SIGN}9.50 ± 0.71 (2 of 3; s2 diverged)"


def test_figure_has_a_line_a_variant_and_one_for_the_own_run(runs: Runs) -> None:
    frame = RetrainedMasks.frame(small.frames(*runs), RetrainedParams())
    own = frame[frame["line"] == ""]
    assert set(own["method"]) == {"dst"}
    redrawn = frame[frame["line"] == "redrawn weights"].iloc[0]
    assert (redrawn["accuracy"], redrawn["accuracy_std"]) == (pytest.approx(89), pytest.approx(1))
    drawn = RetrainedMasks.figure(frame, RetrainedParams(least=70))
    labels = {text.get_text() for text in drawn.legends[0].get_texts()}
    assert labels == {"DST, as it was found", "redrawn weights", "shuffled in layers"}
    assert drawn.axes[0].get_ylim()[0] == 70
