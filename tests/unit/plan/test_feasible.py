"""Trainings too short for an update are refused when they are planned."""

from __future__ import annotations

from typing import Any

import pytest

from dst_repro.errors import ConfigError
from dst_repro.plan.feasible import refuse_idle
from tests.conftest import RunFactory


@pytest.mark.parametrize(
    ("method", "fields", "said"),
    [  # an epoch of digits has 23 steps
        ("rigl", {"epochs": 3}, "the period is 100 of 69 steps, and updates end at step 51"),
        ("itop-set", {"epochs": 3}, "the period is 1500 of 69 steps, and updates end at step 69"),
        ("itop-rigl", {"epochs": 3}, "the period is 4000 of 69 steps, and updates end at step 69"),
        ("mest", {"epochs": 4}, "the period is 115 of 92 steps, and updates end at step 92"),
        (
            "set",
            {"epochs": 2, "method_params": {"update_end": 0.4}},
            "the period is 23 of 46 steps, and updates end at",
        ),
    ],
)
def test_no_update_is_refused(tiny: RunFactory, method: str, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=f"^method_params.update_period: leaves no update: {said}"):
        refuse_idle(tiny(method, density=0.1, **fields))


@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("rigl", {"epochs": 6, "density": 0.1}),  # at 100 of 103
        ("set", {"density": 0.1}),
        ("mest", {"epochs": 6, "density": 0.1}),
        ("gmp", {"density": 0.1}),  # prunes at its end, whatever its period is
        ("deep-r", {"density": 0.1}),  # rewires at every step
        ("dense", {}),
        ("rigl", {"dataset": "higgs", "dataset_params": {}, "model": "mlp-256-256", "density": 0.1}),  # size unknown
    ],
)
def test_others_are_not(tiny: RunFactory, method: str, fields: dict[str, Any]) -> None:
    refuse_idle(tiny(method, **fields))
