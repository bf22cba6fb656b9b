"""The claims of DST as they stand in the configuration: all seventeen, with numbers and experiments that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dst_repro.claims.close_to_dense import CloseToDenseParams, printed
from dst_repro.plan.grid import load_experiment, load_paper
from dst_repro.plan.schema import Claim
from dst_repro.published import loader as published

CONFIG = Path(__file__).parents[3] / "config"
CLAIMS = {
    (paper, name): claim for paper in ("dst", "dst-small") for name, claim in load_paper(paper, CONFIG).claims.items()
}


def numbers(paper: str) -> set[int]:
    return {int(re.split(r"[c-]", name)[1]) for of, name in CLAIMS if of == paper}


def test_all_claims_stand() -> None:
    assert numbers("dst") == set(range(1, 18))
    assert numbers("dst-small") == {3, 4, 5, 9, 10, 11, 12, 13}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=["/".join(key) for key in CLAIMS])
def test_its_numbers_and_experiments_are_known(claim: Claim) -> None:
    for slug in claim.experiments:
        load_experiment(slug, CONFIG)
    if claim.rule == "close-to-dense":
        assert printed(CloseToDenseParams.model_validate(claim.params))["dense"]
    if claim.rule == "density-at-parameter":
        rows = published.items(claim.params["published"])
        assert any(
            row["metric"] == "remaining_percent" and "alpha" in row["settings"] for row in rows.to_dict("records")
        )


# as printed, or the difference of what is printed, in points
@pytest.mark.parametrize(
    ("name", "difference"),
    [("c1-lenet-300-100", -0.47), ("c1-lenet-5-caffe", -0.07), ("c1-lstm-a", 0.06), ("c1-lstm-b", 0.02),
     ("c1-vgg-16-8.82", 0.18), ("c1-vgg-16-3.76", -0.73), ("c1-wrn-16-8-9.86", -0.13), ("c1-wrn-16-8-4.64", -0.45),
     ("c1-wrn-28-8", -0.85), ("c1-wrn-16-10", -0.58)],
)  # fmt: skip
def test_the_differences_are_those_of_the_papers_tables(name: str, difference: float) -> None:
    number = printed(CloseToDenseParams.model_validate(CLAIMS["dst", name].params))
    assert number["value"] - number["dense"]["value"] == pytest.approx(difference)
