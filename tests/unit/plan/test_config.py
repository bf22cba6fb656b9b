"""Runs as data: ids that never change, and one clear line for every wrong value."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

import pytest

from dst_repro.errors import ConfigError
from dst_repro.plan.catalogue import catalogue, check_params
from dst_repro.plan.config import RunConfig
from dst_repro.registry import ALL
from tests.conftest import RunFactory

PLAIN = {"dataset": "digits", "model": "lenet-300-100", "method": "dense", "learning_rate": 0.1, "epochs": 2, "seed": 0}

PINNED = {
    "mnist-lenet-300-100-dense-s0-4afaa7294b": (
        '{"dataset":"mnist","epochs":20,"learning_rate":0.01,"method":"dense","model":"lenet-300-100"}'
    ),
    "mnist-lenet-300-100-dst-s4-6dd43cd783": (
        '{"dataset":"mnist","epochs":20,"learning_rate":0.01,"method":"dst","method_params":{"alpha":0.0005},'
        '"model":"lenet-300-100","step_history":938}'
    ),
    "digits-lenet-300-100-rigl-d0.05-s2-5df3632f64": (
        '{"dataset":"digits","dataset_params":{"size":8},"density":0.05,"epochs":10,"learning_rate":0.05,'
        '"method":"rigl","method_params":{"update_period":20},"model":"lenet-300-100","validation":0.1}'
    ),
    "fashion-mnist-lenet-5-caffe-gmp-d0.001-s11-74f4d43bc3": (
        '{"batch_size":128,"dataset":"fashion-mnist","density":0.001,"epochs":160,"fidelity":"released",'
        '"learning_rate":0.001,"method":"gmp","method_params":{"scope":"global"},"model":"lenet-5-caffe",'
        '"optimizer":"adam","optimizer_params":{"beta1":0.8},"schedule":"multi-step",'
        '"schedule_params":{"milestones":[80,120]},"weight_decay":0.0001}'
    ),
}
"""Id -> the fields it is made of. These never change: a new field has to keep them."""


def run(**fields: Any) -> RunConfig:
    return RunConfig.parse(PLAIN | fields)


@pytest.mark.parametrize("run_id", PINNED)
def test_ids_are_pinned(run_id: str) -> None:
    seed = int(re.search(r"-s(\d+)-", run_id)[1])
    made = RunConfig.parse(json.loads(PINNED[run_id]) | {"seed": seed})
    assert made.id == run_id
    assert made.id.endswith(hashlib.sha256(PINNED[run_id].encode()).hexdigest()[:10])
    assert made.cell == run_id.replace(f"-s{seed}-", "-")
    assert re.fullmatch(r"[a-z0-9.-]+", made.id)


SAME = [
    ({"weight_decay": 0}, {}),
    ({"batch_size": 64, "validation": 0.0, "optimizer": "sgd", "precision": "float32"}, {}),
    ({"optimizer_params": {"momentum": 0.9}}, {}),
    ({"learning_rate": 1}, {"learning_rate": 1.0}),
    ({"method": "static", "density": 1}, {"method": "static", "density": 1.0}),
    (
        {"method": "static", "density": 0.1, "method_params": {"distribution": "erk"}},
        {"method": "static", "density": 0.1},
    ),
    ({"method": "dst", "method_params": {"alpha": 1}}, {"method": "dst", "method_params": {"alpha": 1.0}}),
    ({"dataset_params": {"size": 28}}, {}),
    (
        {"schedule": "multi-step", "schedule_params": {"milestones": (1, 2)}},
        {"schedule": "multi-step", "schedule_params": {"gamma": 0.1, "milestones": [1, 2]}},
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_setting_has_one_id(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert run(**one).id == run(**other).id


DIFFERENT = [
    {"seed": 1},
    {"fidelity": "released"},
    {"epochs": 3},
    {"validation": 0.1},
    {"threads": 2},
    {"step_history": 5},
    {"dataset_params": {"size": 8}},
    {"optimizer_params": {"nesterov": True}},
    {"method": "static", "density": 0.1},
    {"method": "static", "density": 0.10000001},
    {"method": "static", "density": 0.1, "method_params": {"distribution": "er"}},
    {"method": "dst", "method_params": {"alpha": 1e-4}},
    {"method": "dst", "method_params": {"alpha": 1e-4, "reset": False}},
]


def test_different_settings_have_different_ids() -> None:
    ids = [run().id, *(run(**fields).id for fields in DIFFERENT)]
    assert len(set(ids)) == len(ids)
    assert run().cell == run(seed=1).cell


@pytest.mark.parametrize("fields", [{}, *DIFFERENT, *(one for one, _ in SAME)])
def test_text_and_full_form_give_the_run_back(fields: dict[str, Any]) -> None:
    made = run(**fields)
    assert RunConfig.parse(made.json_text()) == made
    assert RunConfig.parse(made.full()).id == made.id
    assert RunConfig.parse(json.loads(json.dumps(made.full()))).id == made.id


def test_full_form_has_the_defaults() -> None:
    full = run(method="gmp", density=0.1, method_params={"end": 0.5}).full()
    layers = {"scope": "uniform", "layers": "all", "exempt": []}
    assert full["method_params"] == layers | {"begin": 0.0, "end": 0.5, "update_period": 100}
    assert full["optimizer_params"] == {"momentum": 0.9, "nesterov": False}
    assert full["dataset_params"] == {"size": 28}


STATIC, DST = {"method": "static", "density": 0.1}, {"method": "dst", "method_params": {"alpha": 1e-3}}
WRONG = [
    ({"method": "rigll"}, "method: unknown method 'rigll'; did you mean 'rigl'?"),
    ({"dataset": "digit"}, "dataset: unknown dataset 'digit'; did you mean 'digits'?"),
    ({"model": "resnet"}, "model: unknown model 'resnet'; "),
    ({"learnin_rate": 0.1}, "learnin_rate: unknown key; did you mean 'learning_rate'?"),
    (STATIC | {"density": 0.0}, "density: "),
    (STATIC | {"density": 1.01}, "density: "),
    (STATIC | {"density": -0.1}, "density: "),
    (STATIC | {"density": float("nan")}, "density: "),
    (STATIC | {"density": "0.1"}, "density: "),
    (STATIC | {"density": None}, "density: method 'static' needs a density in (0, 1]"),
    ({"density": 0.5}, "density: method 'dense' takes no density"),
    (DST | {"density": 0.5}, "density: method 'dst' takes no density"),
    ({"learning_rate": "1e-5"}, "learning_rate: "),
    ({"learning_rate": 0.0}, "learning_rate: "),
    ({"epochs": 2.5}, "epochs: "),
    ({"epochs": 0}, "epochs: "),
    ({"seed": -1}, "seed: "),
    ({"seed": True}, "seed: "),
    ({"validation": 1.0}, "validation: "),
    ({"fidelity": "exact"}, "fidelity: "),
    ({"optimizer": "sdg"}, "optimizer: "),
    ({"optimizer_params": {"momentm": 0.5}}, "optimizer_params.momentm: unknown key; did you mean 'momentum'?"),
    ({"optimizer": "adam", "optimizer_params": {"momentum": 0.5}}, "optimizer_params.momentum: unknown key"),
    ({"schedule": "step"}, "schedule_params.step_size: this key is missing"),
    ({"schedule": "multi-step", "schedule_params": {"milestones": []}}, "schedule_params.milestones: "),
    ({"schedule": "multi-step", "schedule_params": {"milestones": [8, 3]}}, "schedule_params.milestones: "),
    ({"schedule": "multi-step", "schedule_params": {"milestones": [0, 3]}}, "schedule_params.milestones"),
    ({"method": "dst"}, "method_params: 'alpha' is a required property"),
    ({"method": "dst", "method_params": {"alpha": "1e-5"}}, "method_params.alpha: "),
    ({"method": "dst", "method_params": {"alpha": -1.0}}, "method_params.alpha: "),
    (
        {"method": "dst", "method_params": {"alpha": 1e-5, "rest": True}},
        "method_params.rest: unknown key; did you mean",
    ),
    (STATIC | {"method_params": {"distribution": "ERK"}}, "method_params.distribution: "),
    (
        {"model": "lenet-5-caffe", "model_params": {"width": 2}},
        "model_params.width: unknown key; model 'lenet-5-caffe' takes no parameters",
    ),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_wrong_values_give_one_line_that_names_the_key(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run(**fields)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


NOT_FINITE = [float("inf"), float("-inf"), float("nan")]
NUMBERS: list[tuple[str, dict[str, Any]]] = [
    ("learning_rate", {}),
    ("weight_decay", {}),
    ("validation", {}),
    ("density", STATIC),
    ("optimizer_params.momentum", {}),
    ("optimizer_params.eps", {"optimizer": "adam"}),
    ("schedule_params.gamma", {"schedule": "step", "schedule_params": {"step_size": 1}}),
    ("schedule_params.final", {"schedule": "cosine"}),
    ("method_params.alpha", {"method": "dst"}),
]


def numbers_of_plug_ins() -> list[tuple[str, str, str]]:
    """(kind, slug, parameter) of every parameter of a plug-in that may be a number with a fraction."""
    found = []
    for kind, entries in catalogue().items():
        for slug, entry in entries.items():
            for name, spec in entry["schema"].get("properties", {}).items():
                if "number" in {s.get("type") for s in (spec, *spec.get("anyOf", []))}:
                    found.append((kind, slug, name))
    return found


@pytest.mark.parametrize("value", NOT_FINITE)
@pytest.mark.parametrize(("key", "fields"), NUMBERS, ids=[key for key, _ in NUMBERS])
def test_numbers_are_finite(key: str, fields: dict[str, Any], value: float) -> None:
    head, _, inner = key.partition(".")
    given = fields | {head: fields.get(head, {}) | {inner: value} if inner else value}
    with pytest.raises(ConfigError) as caught:
        run(**given)
    assert str(caught.value) == f"{key}: must be finite, not {value}"
    with pytest.raises(ConfigError) as caught:
        RunConfig.parse(json.dumps(PLAIN | given))
    assert str(caught.value) == f"{key}: must be finite, not {value}"


@pytest.mark.parametrize("value", NOT_FINITE)
def test_numbers_of_plug_ins_are_finite(value: float) -> None:
    numbers = numbers_of_plug_ins()
    assert len(numbers) > 60
    for kind, slug, name in numbers:
        with pytest.raises(ConfigError, match=rf"^p\.{name}: must be finite, not {value}$"):
            check_params(kind, slug, {name: value}, "p")
    for kind, registry in ALL.items():
        for slug, entry in registry.discover().items():
            assert entry.params.model_config["allow_inf_nan"] is False, (kind, slug)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threads": 257}, "threads: Input should be less than or equal to 256, not 257"),
        ({"seed": 2**32}, "seed: Input should be less than 4294967296, not 4294967296"),
        ({"epochs": 2**63}, "epochs: a whole number of more than 64 bits"),
        ({"learning_rate": 10**400}, "learning_rate: a whole number of more than 64 bits"),
        ({"model": "a" * 10_000}, "model: unknown model 'aaa"),
        ({"model": "a\0b"}, "model: the character '\\x00' can't be in a text"),
        ({"compile": False}, "compile: Input should be 'auto' or 'off', not False"),
        ({"optimizer_params": {"nesterov": "off"}}, "optimizer_params.nesterov: must be true or false, not 'off'"),
        (
            DST | {"method_params": {"alpha": 0.1, "reset": "off"}},
            "method_params.reset: 'off' is not of type 'boolean'; wr",
        ),
        ({"method_params": {1: 2}}, "method_params: a key must be a word, not 1"),
        (
            {"method": "rigl", "density": 0.1, "method_params": {"update_period": 2.0}},
            "method_params.update_period: 2.0 is",
        ),
        # digits: 1,437 training images, so 23 steps of 64 an epoch
        ({"begin_at": {"step": 46}}, "begin_at.step: the run has 46 steps"),
        ({"begin_at": {"step": 42}, "validation": 0.1}, "begin_at.step: the run has 42 steps"),
        ({"begin_at": {"epoch": 2}}, "begin_at.epoch: the run has 2 epochs"),
        (
            {"weights_from": {"method": "dense", "epochs": 3}, "weights_at": {"step": 70}},
            "weights_at.step: that run has 69 steps",
        ),
        (
            {"weights_from": {"method": "dense", "epochs": 3}, "weights_at": {"epoch": 4}},
            "weights_at.epoch: that run has 3 epochs",
        ),
        (
            {"mask_from": {"method": "dense", "begin_at": {"step": 46}}},
            "mask_from: begin_at.step: the run has 46 steps",
        ),
    ],
)
def test_what_cant_be_trained_is_refused_when_planning(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run(**fields)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) <= 1001
    assert "\n" not in str(caught.value)


def test_the_last_moment_that_can_be_trained_is_taken() -> None:
    assert run(begin_at={"step": 45}).begin_at == {"step": 45}
    assert run(weights_from={"method": "dense", "epochs": 3}, weights_at={"step": 69}).weights_at == {"step": 69}
    assert run(threads=256, seed=2**32 - 1).seed == 2**32 - 1


@pytest.mark.parametrize("text", ["{", "", "[]", "3", '{"seed": 0, "seed": 1}', "[" * 5000])
def test_text_that_is_no_run(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", PLAIN)
def test_missing_key_is_named(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RunConfig.parse({k: v for k, v in PLAIN.items() if k != key})
    assert str(caught.value) == f"{key}: this key is missing"


def test_the_defaults_of_a_run_never_change(tiny: RunFactory) -> None:
    """An id says only what differs from them, and a fingerprint nothing of them."""
    dense = tiny().full()
    own = ("dataset_params", "model", "model_params", "learning_rate")
    assert {key: dense[key] for key in dense if key not in own} == {
        "dataset": "digits",
        "validation": 0.0,
        "augmentation": "none",
        "method": "dense",
        "method_params": {},
        "density": None,
        "tricks": {},
        "fidelity": "paper",
        "optimizer": "sgd",
        "optimizer_params": {"momentum": 0.9, "nesterov": False},
        "weight_decay": 0.0,
        "schedule": "constant",
        "schedule_params": {},
        "epochs": 2,
        "batch_size": 64,
        "precision": "float32",
        "compile": "auto",
        "threads": 1,
        "initialisation": "original",
        "weights_from": None,
        "weights_at": None,
        "begin_at": None,
        "mask_from": None,
        "step_history": 0,
        "seed": 0,
    }
    assert tiny(optimizer="adam").full()["optimizer_params"] == {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    schedules = {
        "step": ({"step_size": 3}, {"step_size": 3, "gamma": 0.1, "unit": "epoch"}),
        "multi-step": ({"milestones": [1]}, {"milestones": [1], "gamma": 0.1, "unit": "epoch"}),
        "cosine": ({}, {"final": 0.0}),
    }
    for schedule, (given, full) in schedules.items():
        assert tiny(schedule=schedule, schedule_params=given).full()["schedule_params"] == full


@pytest.mark.parametrize(
    ("tricks", "message"),
    [({"soft-neuron": {}}, "tricks.soft-neuron: unknown trick; did you mean 'soft-neurons'?"),
     ({"soft-neurons": {"until": 0.0}}, "tricks.soft-neurons.until: 0.0 is less than or equal to the minimum of 0"),
     ({"soft-neurons": {"fidelity": "other"}}, "tricks.soft-neurons.fidelity: 'other' is not one of"),
     ({"ghost-skips": {"weigth": 1.0}}, "tricks.ghost-skips.weigth: unknown key; did you mean 'weight'?")],
)  # fmt: skip
def test_a_wrong_trick_is_refused_in_one_line(tiny: RunFactory, tricks: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        tiny(tricks=tricks)
    assert str(error.value).startswith(message)


def test_one_setting_of_tricks_has_one_id(tiny: RunFactory) -> None:
    """And a parent has its own."""
    one = tiny(tricks={"soft-neurons": None})
    assert one.id == tiny(tricks={"soft-neurons": {"until": 0.5, "rise": "geometric"}}).id
    assert one.id != tiny().id
    child = tiny("one-shot", density=0.1, weights_from={"method": "dense"}, tricks={"soft-neurons": {}})
    assert child.parents["weights_from"].tricks == {}


def test_a_misspelt_key_is_told_before_the_one_that_is_missing_for_it(tiny: RunFactory) -> None:
    fields = {
        "dataset": "digits",
        "model": "lenet-300-100",
        "method": "dense",
        "epochs": 2,
        "learning_rat": 0.1,
        "seed": 0,
    }
    with pytest.raises(ConfigError, match=r"^learning_rat: unknown key; did you mean 'learning_rate'\?$"):
        RunConfig.parse(fields)
