"""Rules about tricks, with gains by hand."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from dst_repro.claims.below_dense import below_dense
from dst_repro.claims.best_mask import MaskParams, best_mask
from dst_repro.claims.beyond_dense import gain_beyond_dense
from dst_repro.claims.gain_grows import GrowsWithParams, gain_grows
from dst_repro.claims.gain_of_tricks import HelpParams, gain_of_tricks
from dst_repro.claims.gains_most import MostParams, gains_most
from dst_repro.claims.parts_help import parts_help
from dst_repro.claims.plain_in_the_end import PlainParams, plain_in_the_end
from dst_repro.claims.trick_gains import TricksParams
from dst_repro.claims.variants_agree import AgreeParams, variants_agree
from dst_repro.records.frames import Frames
from tests.small import HISTORY, frames, run, with_ghosts
from tests.unit.claims.grids import EVERY, gaining, masked

Rows = list[dict[str, object]]


def many(*gains: tuple[float, ...]) -> Rows:
    """SNIP on so many data sets."""
    return [
        row for number, each in enumerate(gains) for row in gaining("snip", *each, density=0.1, dataset=f"set-{number}")
    ]


@pytest.mark.parametrize(
    ("gains", "verdict", "share"),
    [(((1, 1.1),) * 9 + ((-0.2, 0.1),), "holds", 0.9), (((1, 1.1),) * 8 + ((-1, 0),) * 2, "inconclusive", 0.8),
     (((1, 2), (-1.01, -0.99)), "fails", 0.5), (((1,), (1.1,)), "holds", 1.0), (((1,), (9,)), "inconclusive", 1.0),
     (((-3, 1), (1, -3.1)), "fails", 0.0), (((-9, 1), (2, -4)), "inconclusive", 0.0)],
)  # fmt: skip
def test_tricks_help_nearly_everywhere(gains: tuple[tuple[float, ...], ...], verdict: str, share: float) -> None:
    """Medians over cells by seed, with intervals: 1.05 +- 0.64, twice; the third is -1 significantly; of one seed means
    over cells, 1.05 +- 0.64, 5 +- 51; -1.025 +- 0.32; -2.5 +- 12.7.
    """
    rows = many(*gains) + gaining("dense", -5, -5)
    answer = gain_of_tricks(frames(*rows), HelpParams())
    assert (answer.verdict, answer.statistic, answer.threshold) == (verdict, share, 0.9)
    assert len(answer.runs) == len(rows) - 4  # dense training is none of the cases


def test_mean_and_median_are_said() -> None:
    answer = gain_of_tricks(frames(*many((1, 1), (2, 2), (6, 6))), HelpParams())
    assert "their median above 0: +2.00 [+2.00, +2.00] points, mean +3.00, +1.00 to +6.00; by" in answer.evidence
    assert "by sparsity 90 % +3.00; " in answer.evidence


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [((1.1, 1.1), "holds"), ((1.0, 1.0), "fails"), ((5.0, 5.0), "fails"), ((0.99, 1.0), "inconclusive")],
)
def test_gains_overlap_a_range(gains: tuple[float, float], verdict: str) -> None:
    """The last one's interval is 0.995 +- 0.064."""
    answer = gain_of_tricks(frames(*many(gains)), HelpParams(share=1, reaches=(1.05, 4.93)))
    assert answer.verdict == verdict


def test_what_has_no_seed_yet_is_unknown() -> None:
    rows = many((1, 2)) + masked("snip", {}, 80.0, density=0.05)
    (gone,) = masked("snip", EVERY, 80.0, density=0.05)
    gone |= {key: value for key, value in run("snip", 0, None, "diverged", density=0.05).items()
             if key.endswith("accuracy") or key == "status"}  # fmt: skip
    answer = gain_of_tricks(frames(*rows, gone), HelpParams())
    assert answer.verdict == "inconclusive"
    assert answer.evidence.endswith("; 1 cell unknown; runs: 1 diverged")
    assert gain_of_tricks(frames(*masked("snip", {}, 80.0)), HelpParams()).verdict == "not run"


def ladder(**gains: tuple[float, float]) -> Rows:
    """Mask -> gain at 10 and at 2 %."""
    return [row for mask, pair in gains.items() for density, gain in zip((0.1, 0.02), pair, strict=True)
            for row in gaining(mask, gain, gain, density=density)]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "verdict", "mean"),
    [({"static": (1, 3), "snip": (1, 2.9), "imp": (1, 3.1)}, "holds", 2.0),
     ({"static": (1, 9), "snip": (1, 2), "imp": (1, 0.5)}, "inconclusive", 8.5 / 3),
     ({"static": (3, 1), "snip": (3, 1.1), "imp": (3, 0.9)}, "fails", -2.0)],
)  # fmt: skip
def test_the_gain_grows(given: dict[str, tuple[float, float]], verdict: str, mean: float) -> None:
    answer = gain_grows(frames(*ladder(**given)), GrowsWithParams())
    assert answer.verdict == verdict
    assert answer.statistic == pytest.approx(mean)
    assert len(answer.runs) == 24


def test_random_masks_alone_do_not_decide() -> None:
    """8, 8.1 and 7.9 on three networks; SNIP's gain shrinks there."""
    rows: Rows = []
    for number, grown in enumerate((8.0, 8.1, 7.9)):
        for mask, more in (("static", grown), ("snip", -0.1 - number / 100)):
            for density, gain in ((0.1, 1.0), (0.02, 1.0 + more)):
                rows += gaining(mask, gain, gain, density=density, model=f"net-{number}")
    assert gain_grows(frames(*rows), GrowsWithParams()).verdict == "fails"
    assert gain_grows(frames(*rows), GrowsWithParams(without=())).verdict == "inconclusive"  # 3.9 +- 4.4
    assert gain_grows(frames(*gaining("snip", 1, 1, density=0.1)), GrowsWithParams()).verdict == "not run"


def two_sets(at_most: tuple[float, ...], snip: float = 3.0) -> Rows:
    rows = gaining("static", 1, 2, density=0.1, dataset="cifar10") + gaining("snip", snip, snip, density=0.02)
    return rows + gaining("static", *at_most, density=0.02, dataset="cifar100")


@pytest.mark.parametrize(
    ("given", "verdict", "share"),
    [(((9, 9), 3), "holds", 1.0), (((9, 9.02), 10), "fails", 1.0), (((-0.99, -1.01), 3), "fails", 0.5),
     (((9,), 3), "inconclusive", 1.0), (((9, 13), 10), "inconclusive", 1.0), (((8, 10), 10), "inconclusive", 1.0)],
)  # fmt: skip
def test_random_masks_gain_most(given: tuple[tuple[float, ...], float], verdict: str, share: float) -> None:
    answer = gains_most(frames(*two_sets(*given)), MostParams())
    assert (answer.verdict, answer.statistic) == (verdict, share)
    assert gains_most(frames(*gaining("snip", 1, 1)), MostParams()).verdict == "not run"


def test_the_largest_gain_is_told_beside_the_next() -> None:
    answer = gains_most(frames(*two_sets((9, 9.02), snip=10)), MostParams())
    assert (
        "that less the largest other one, to be above 0: lenet -0.99 points [-1.12, -0.86] (2 seeds)" in answer.evidence
    )
    assert "significantly below 1 others (Holm)" in answer.evidence


def ranked(imp: tuple[float, ...], static: tuple[float, ...]) -> Rows:
    """SNIP has 80 and 81, and 82 and 83 with tricks; lottery tickets 85 with, random masks 70."""
    rows = masked("snip", {}, 80, 81) + masked("imp", {}, *imp) + masked("static", {}, *static)
    return rows + masked("snip", EVERY, 82, 83) + masked("imp", EVERY, 85, 86) + masked("static", EVERY, 90, 60)


@pytest.mark.parametrize(
    ("imp", "static", "verdict", "share"),
    [((82, 83), (70, 71), "holds", 1.0), ((80.5, 80.4), (70, 71), "inconclusive", 0.5),
     ((79.01, 79.99), (70, 71), "fails", 0.5), ((82, 83), (80.4, 81), "inconclusive", 1.0),
     ((83, 84), (81.01, 81.99), "fails", 1.0)],
)  # fmt: skip
def test_the_best_and_the_worst_mask(
    imp: tuple[float, ...], static: tuple[float, ...], verdict: str, share: float
) -> None:
    masks = ("static", "snip", "imp")
    answer = best_mask(frames(*ranked(imp, static)), MaskParams(treatments=masks))
    assert (answer.verdict, answer.statistic, len(answer.runs)) == (verdict, share, 12)


def test_a_setting_without_a_mask_is_unknown() -> None:
    rows = ranked((82, 83), (70, 71)) + masked("imp", {}, 80, 81, density=0.5)
    answer = best_mask(frames(*rows), MaskParams(treatments=("static", "snip", "imp")))
    assert answer.verdict == "inconclusive"
    assert "; 1 setting unknown" in answer.evidence
    assert best_mask(frames(*masked("imp", {}, 80, 81)), MaskParams()).verdict == "not run"


@pytest.mark.parametrize(
    ("dense", "verdict", "mean"),
    [((90, 91), "holds", 5.0), ((85, 86.2), "inconclusive", 0.1), ((84.01, 84.99), "fails", -1.0)],
)
def test_the_best_with_tricks_is_below_dense(dense: tuple[float, ...], verdict: str, mean: float) -> None:
    """85 and 86 with tricks at 10 %; a dense network with tricks is not asked."""
    rows = gaining("snip", 5, 6, density=0.1) + gaining("snip", 1, 1, density=0.05) + masked("dense", {}, *dense)
    answer = below_dense(frames(*rows, *masked("dense", EVERY, 70, 71)), TricksParams())
    assert answer.verdict == verdict
    assert answer.statistic == pytest.approx(mean)
    assert len(answer.runs) == 4
    assert below_dense(frames(*gaining("snip", 1, 1)), TricksParams()).verdict == "not run"


def parts(single: float = 1.0, union: float = 3.0, but: float = 2.0, jitter: float = 0.02) -> Rows:
    """Gains of each alone, of all, and of all but one; that of the last single and of the last set as given."""
    rows = masked("static", {}, 80, 81) + masked("static", EVERY, 80 + union, 81 + union)
    for slug in EVERY:
        last = slug == "soft-neurons"
        alone, less = (single, but) if last else (1.0, 2.0)
        rows += masked("static", {slug: {}}, 80 + alone, 81 + jitter + alone)
        rows += masked("static", {s: {} for s in EVERY if s != slug}, 80 + less, 81 + jitter + less)
    return rows


@pytest.mark.parametrize(
    ("given", "verdict", "share"),
    [({}, "holds", 1.0), ({"single": -1.0}, "fails", 0.75), ({"union": 0.5}, "fails", 1.0),
     ({"but": 4.0}, "fails", 1.0), ({"single": -0.02, "jitter": 0.03}, "inconclusive", 0.75)],
)  # fmt: skip
def test_each_trick_helps_and_all_most(given: dict[str, float], verdict: str, share: float) -> None:
    answer = parts_help(frames(*parts(**given)), TricksParams())
    assert (answer.verdict, answer.statistic, len(answer.runs)) == (verdict, share, 20)


def test_without_all_together_it_is_open() -> None:
    rows = [row for row in parts() if row["tricks"] != " + ".join(sorted(EVERY))]
    assert parts_help(frames(*rows), TricksParams()).verdict == "inconclusive"
    assert parts_help(frames(*gaining("snip", 1, 1)), TricksParams()).verdict == "not run"


LIKE = {"layers": json.dumps([{"name": "a", "kept": 5, "numel": 10}]), "parameters": 100.0}


def ended(after: dict[str, float], tricks: dict[str, Any] = EVERY, judged: int = 3, **changed: Any) -> Frames:
    """A run with tricks whose ghosts are there in epoch 1, and whose last epoch has these rows. `judged`: the best."""
    rows = masked("snip", {}, 80, **LIKE) + masked("snip", tricks, 81, **LIKE | changed)
    rows[-1]["best_on_validation.epoch"] = float(judged)
    id_ = str(rows[-1]["id"])
    after = after | {"test_accuracy": 0.8}
    during = {
        "test_accuracy": 0.7,
        "ghost_parameters": 50.0,
        "density_with_ghosts": 5.5,
        "beta": 2.0,
        "skip_weight": 0.5,
    }
    events = [(id_, epoch, epoch, "", name, value) for epoch, values in ((1, during), (3, after))
              for name, value in values.items()]  # fmt: skip
    return Frames(frames(*rows).runs, pd.DataFrame(events, columns=HISTORY))


GONE = {"ghost_parameters": 0.0, "density_with_ghosts": 0.5, "skip_weight": 0.0}  # as runs write it
STAYS = {"ghost_parameters": 50.0, "density_with_ghosts": 5.5, "beta": 2.0}


@pytest.mark.parametrize(
    ("after", "changed", "verdict"),
    [(GONE, {}, "holds"), (STAYS, {}, "fails"), (GONE | {"beta": 2.0}, {}, "fails"),
     (GONE | {"skip_weight": 0.1}, {}, "fails"),
     (GONE, {"parameters": 150.0}, "fails"),
     (GONE, {"layers": json.dumps([{"name": "a", "kept": 6, "numel": 10}])}, "fails")],
)  # fmt: skip
def test_plain_in_the_end(after: dict[str, float], changed: dict[str, Any], verdict: str) -> None:
    answer = plain_in_the_end(ended(after, **changed), PlainParams())
    assert (answer.verdict, answer.statistic, len(answer.runs)) == (verdict, float(verdict == "holds"), 2)


@pytest.mark.parametrize(("after", "verdict"), [(STAYS, "holds"), (GONE, "fails")])
def test_ghosts_that_stay(after: dict[str, float], verdict: str) -> None:
    released = EVERY | {"ghost-skips": {"fidelity": "released"}}
    answer = plain_in_the_end(ended(after, released), PlainParams(tricks="*", plain=False))
    assert answer.verdict == verdict
    assert plain_in_the_end(ended(after), PlainParams(tricks="*", plain=False)).verdict == "not run"  # none is released
    assert f"up to {after['ghost_parameters']:g} parameters beside" in answer.evidence


def test_an_early_best_epoch_is_told() -> None:
    answer = plain_in_the_end(ended(GONE, judged=1), PlainParams())
    assert answer.verdict == "holds"
    assert "; the best epoch of all on images held out still has some in 1 of 1 runs" in answer.evidence
    assert "still has some in 0 of 1 runs" in plain_in_the_end(ended(GONE), PlainParams()).evidence
    assert plain_in_the_end(frames(*gaining("snip", 1, 1)), PlainParams()).verdict == "not run"


@pytest.mark.parametrize(
    ("dense", "verdict", "mean"),
    [((1, 1.02), "holds", 0.99), ((2.1, 1.8), "inconclusive", 0.05), ((3, 3.02), "fails", -1.01)],
)
def test_more_than_on_the_dense_network(dense: tuple[float, ...], verdict: str, mean: float) -> None:
    """Masks gain 1 and 3, two in the mean, at one density."""
    rows = gaining("snip", 1, 1, density=0.1) + gaining("static", 3, 3, density=0.1) + gaining("dense", *dense)
    answer = gain_beyond_dense(frames(*rows), TricksParams())
    assert answer.verdict == verdict
    assert answer.statistic == pytest.approx(mean)
    assert len(answer.runs) == 12
    assert gain_beyond_dense(frames(*gaining("snip", 1, 1)), TricksParams()).verdict == "not run"


@pytest.mark.parametrize(
    ("variant", "verdict", "mean"),
    [((1.1, 1.12), "holds", 0.11), ((1.3, 1.9), "inconclusive", 0.6), ((3, 3.02), "fails", 2.01)],
)
def test_variants_agree(variant: tuple[float, ...], verdict: str, mean: float) -> None:
    """All tricks gain 1; CIFAR-10 allows half a point."""
    released = EVERY | {"ghost-skips": {"fidelity": "released"}}
    rows = gaining("snip", 1, 1, dataset="cifar10")
    rows += masked("snip", released, *(80 + gain for gain in variant), dataset="cifar10")
    answer = variants_agree(frames(*rows), AgreeParams())
    assert (answer.verdict, answer.threshold) == (verdict, 0.5)
    assert answer.statistic == pytest.approx(mean)
    assert "cifar10, snip all (fidelity released) " in answer.evidence
    assert variants_agree(frames(*gaining("snip", 1, 1)), AgreeParams()).verdict == "not run"


@pytest.mark.parametrize(("other", "verdict"), [((1.1, 1.12), "holds"), ((3, 3.02), "fails")])
def test_gains_with_another_setting_agree(other: tuple[float, ...], verdict: str) -> None:
    rows = gaining("snip", 1, 1, dataset="cifar10", batch_size="128") + gaining(
        "snip", *other, dataset="cifar10", batch_size="64"
    )
    answer = variants_agree(frames(*rows), AgreeParams(field="batch_size", reference="128"))
    assert answer.verdict == verdict
    assert "cifar10, snip 64 " in answer.evidence


def test_gains_with_a_setting_that_is_none_by_default() -> None:
    rows = gaining("synflow", 1, 1, dataset="cifar10")
    rows += gaining("synflow", 3, 3.02, dataset="cifar10", method_params={"mode": "train"})
    answer = variants_agree(frames(*rows), AgreeParams(field="method_params.mode"))
    assert (answer.verdict, len(answer.runs)) == ("fails", 8)
    assert "cifar10, synflow train +2.01" in answer.evidence


@pytest.mark.parametrize(("on_test", "verdict"), [(82.0, "holds"), (84.0, "fails")])
def test_gains_by_another_epoch_agree(on_test: float, verdict: str) -> None:
    """At the last epoch 1; at the best on the test 82 or 84 less 81."""
    rows = gaining("snip", 1, 1, dataset="cifar10")
    for row in rows:
        row["best_on_test.test_accuracy"] = (on_test if row["tricks"] else 81.0) / 100
    rows[-1]["best_on_test.test_accuracy"] = on_test / 100 + 1e-6
    assert variants_agree(frames(*rows), AgreeParams(against="best_on_test")).verdict == verdict


def haunted(mask: str, plain: float, early: float, late: float, seeds: int = 2) -> tuple[Rows, dict[str, list[Any]]]:
    """Runs with tricks, best of all at epoch 1, which has ghosts; those without have `plain` at both epochs."""
    rows = gaining(mask, *[1.0] * seeds, density=0.02, validation=0.1)
    epochs: dict[str, list[Any]] = {}
    for row in rows:
        row["best_on_validation.epoch"] = 1.0
        jitter = 0.02 * int(str(row["seed"]))
        with_ = [(90, early + jitter, 7), (80, late + jitter, 0)]
        epochs[str(row["id"])] = with_ if row["tricks"] else [(90, plain, 0), (80, plain, 0)]
    return rows, epochs


@pytest.mark.parametrize(("late", "verdict", "gain"), [(42.0, "holds", 2.0), (38.0, "fails", -2.0)])
def test_claims_judge_by_epochs_without_ghosts(late: float, verdict: str, gain: float) -> None:
    """43 with ghosts, 40 without tricks: 3 points that no network of that density gains."""
    rows, epochs = haunted("snip", plain=40, early=43, late=late)
    made = with_ghosts(frames(*rows), epochs)
    answer = gain_of_tricks(made, HelpParams())
    assert answer.verdict == verdict
    assert f"their median above 0: {gain + 0.01:+.2f} [" in answer.evidence
    assert answer.evidence.endswith("at the best epoch on images held out of those without ghosts")
    best = gain_of_tricks(made, HelpParams(selection="last"))
    assert (best.verdict, best.evidence.endswith("at the last epoch")) == ("holds", True)


def test_many_differences_are_summed_up() -> None:
    """Gains 1 and 1 at the last epoch; 0.1, 0.2, 0.3 and 0.4 more by the best on the test."""
    rows: Rows = []
    for number, more in enumerate((0.1, 0.2, 0.3, 0.4)):
        made = gaining("snip", 1, 1, dataset="cifar10", density=0.1 * (number + 1))
        for row in made:
            row["best_on_test.test_accuracy"] = (81 + more if row["tricks"] else 80) / 100
        rows += made
    answer = variants_agree(frames(*rows), AgreeParams(selection="last", against="best_on_test"))
    assert answer.verdict == "holds"
    assert "4 of 4 intervals within 0.5, needed in all; in points cifar10, lenet, snip, 40 % +0.40" in answer.evidence
    assert ", and 1 more; the widest interval has 0.00 (" in answer.evidence
    assert (
        "the median difference is +0.25; at the last epoch, the other at the best epoch on the test" in answer.evidence
    )
