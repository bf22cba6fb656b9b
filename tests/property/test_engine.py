"""What holds for every point in the space of drop-and-grow methods, on networks down to layers of one weight.

Half a minute of examples here; `pytest -m soak` tries many more.
"""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.errors import ConfigError
from dst_repro.methods.base import Context, Method
from dst_repro.plan.config import RunConfig
from dst_repro.registry import drops, grows, methods
from dst_repro.training.optimisation import build_optimizer

STEPS = 7
EXAMPLES, SOAK = 400, int(os.environ.get("DST_SOAK_EXAMPLES", "20000"))
METHODS = ["rigl", "set", "itop-set", "itop-rigl", "sparse-momentum", "dsr", "drop-and-grow"]
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": "sgd", "optimizer_params": {"momentum": 0.0}},
    "momentum": {"optimizer": "sgd"},
    "nesterov": {"optimizer": "sgd", "optimizer_params": {"nesterov": True}},
    "adam": {"optimizer": "adam"},
}


class Net(nn.Sequential):
    """Perhaps a convolution of two images of 3x3, then linear layers; each of `widths` outputs."""

    def __init__(self, channels: int | None, widths: list[int]) -> None:
        torch.manual_seed(0)
        first: list[nn.Module] = [nn.Flatten()] if channels is None else [nn.Conv2d(2, channels, 3), nn.Flatten()]
        layers, inputs = first, 18 if channels is None else channels
        for width in widths:
            layers += [nn.Linear(inputs, width), nn.Tanh()]
            inputs = width
        super().__init__(*layers[:-1])


@st.composite
def runs(draw: st.DrawFn) -> tuple[RunConfig, Net]:
    params = {
        "update_period": draw(st.integers(1, 4)),
        "update_end": draw(st.sampled_from([0.5, 0.8, 1.0])),
        "prune_rate": draw(st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.9, 1.0])),
        "timing": draw(st.sampled_from(["before-step", "instead-of-step", "after-step"])),
        "grow": draw(st.sampled_from(sorted(grows.discover()))),
        "momentum": draw(st.sampled_from(["masked", "dense"])),
        "regrown": draw(st.sampled_from(["keep", "zero"])),
        "distribution": draw(st.sampled_from(["uniform", "er", "erk"])),
        "gradient_batches": draw(st.integers(1, 3)),
    }
    method = draw(st.sampled_from(METHODS))
    if method != "dsr":  # whose criterion, scope and shares are its own
        params |= {
            "drop": draw(st.sampled_from(sorted(drops.discover()))),
            "scope": draw(st.sampled_from(["layer", "global"])),
            "decay": draw(st.sampled_from(["cosine", "cosine-floor", "linear", "constant"])),
            "redistribution": draw(
                st.sampled_from(["none", "nonzeros", "survivors", "magnitude", "gradient", "momentum"])
            ),
        }
    fields = {
        "dataset": "digits",
        "model": "lenet-300-100",
        "method": method,
        "method_params": params,
        "density": draw(st.floats(0.001, 1.0)),
        "learning_rate": 0.1,
        "weight_decay": draw(st.sampled_from([0.0, 0.01])),
        "epochs": 1,
        "seed": draw(st.integers(0, 9)),
    } | OPTIMIZERS[draw(st.sampled_from(sorted(OPTIMIZERS)))]
    channels = draw(st.none() | st.integers(1, 3))
    widths = draw(st.lists(st.integers(1, 7), min_size=1, max_size=3))
    return RunConfig.parse(fields), Net(channels, widths)


@st.composite
def changing(draw: st.DrawFn) -> tuple[RunConfig, Net]:
    """Methods whose density changes on its way: only its end is asked for."""
    method = draw(st.sampled_from(["granet", "mest"]))
    params: dict[str, Any] = {
        "update_period": draw(st.integers(1, 3)),
        "prune_rate": draw(st.sampled_from([0.0, 0.3, 0.5])),
        "drop": draw(st.sampled_from(sorted(drops.discover()))),
        "grow": draw(st.sampled_from(["random", "random-unfired", "gradient"])),
        "timing": draw(st.sampled_from(["before-step", "instead-of-step", "after-step"])),
        "regrown": draw(st.sampled_from(["keep", "zero"])),
        "distribution": draw(st.sampled_from(["uniform", "er", "erk"])),
    }
    if method == "mest":
        params["excess_rate"] = draw(st.sampled_from([0.0, 0.5]))
    else:
        params |= {
            "initial_density": draw(st.sampled_from([0.5, 1.0])),
            "end": draw(st.sampled_from([0.4, 0.7, 1.0])),
            "redistribution": draw(st.sampled_from(["none", "survivors", "magnitude"])),
            "scope": draw(st.sampled_from(["layer", "global"])),
        }
    fields = {
        "dataset": "digits",
        "model": "lenet-300-100",
        "method": method,
        "method_params": params,
        "density": draw(st.floats(0.001, 0.5)),
        "learning_rate": 0.1,
        "epochs": 1,
        "seed": draw(st.integers(0, 9)),
    }
    channels = draw(st.none() | st.integers(1, 3))
    return RunConfig.parse(fields), Net(channels, draw(st.lists(st.integers(1, 7), min_size=1, max_size=3)))


class Training:
    """The hooks of a method in the order in which the loop calls them, on random images."""

    def __init__(self, run: RunConfig, model: Net) -> None:
        self.model = model
        entry = methods[run.method]
        self.method: Method = entry.object(entry.params(**run.method_params), Context(run, STEPS))
        self.method.prepare(model)
        self.optimizer = build_optimizer(run, self.method.param_groups(model, run.weight_decay))
        self.method.bind(self.optimizer)

    def step(self, step: int) -> None:
        rng = torch.Generator().manual_seed(step)
        images, targets = torch.randn(5, 2, 3, 3, generator=rng), torch.randn(5, 1, generator=rng)
        self.optimizer.zero_grad(set_to_none=True)
        functional.mse_loss(self.model(images).mean(1, keepdim=True), targets).backward()
        if not self.method.after_backward(step):
            self.optimizer.step()
            self.method.after_step(step)

    def state(self) -> dict[str, Any]:
        stream = io.BytesIO()
        parts = (self.model, self.optimizer, self.method)
        torch.save([part.state_dict() for part in parts], stream)
        stream.seek(0)
        return torch.load(stream, weights_only=True)  # type: ignore[no-any-return]

    def load(self, state: Any) -> None:
        for part, saved in zip((self.model, self.optimizer, self.method), state, strict=True):
            part.load_state_dict(saved)

    def everything(self) -> dict[str, Tensor]:
        masks = {f"mask {name}": mask for name, mask in self.method.masks().items()}
        return {name: value.clone() for name, value in (self.model.state_dict() | masks).items()}


def check(training: Training, run: RunConfig, start: dict[str, Any]) -> None:
    method = training.method
    layers = method.layers()
    numel = sum(layer.numel for layer in layers.values())
    assert sum(layer.kept for layer in layers.values()) == round(run.full()["density"] * numel)
    if run.full()["method_params"]["redistribution"] == "none":
        assert layers == start
    for name, mask in method.masks().items():
        weight = method.modules[name].weight
        assert int(mask.sum()) == layers[name].kept
        assert not bool(weight[~mask].any())
        assert bool(weight.isfinite().all())
        if run.full()["method_params"]["momentum"] == "masked":
            for value in training.optimizer.state[weight].values():
                if value.shape == weight.shape:
                    assert not bool(value[~mask].any())


def hold(example: tuple[RunConfig, Net], resume_at: int) -> None:
    run, model = example
    try:
        training = Training(run, model)
    except ConfigError:
        assume(False)
    start = training.method.layers()
    check(training, run, start)
    for step in range(resume_at):
        training.step(step)
        check(training, run, start)
    other = Training(run, _like(model))
    other.load(training.state())
    for step in range(resume_at, STEPS):
        training.step(step)
        other.step(step)
        check(training, run, start)
    for name, value in training.everything().items():
        assert torch.equal(value, other.everything()[name]), name
    assert training.method.events() == other.method.events()


def _like(model: Net) -> Net:
    """The same layers, newly drawn."""
    convolutions = [m.out_channels for m in model if isinstance(m, nn.Conv2d)]
    widths = [m.out_features for m in model if isinstance(m, nn.Linear)]
    return Net(convolutions[0] if convolutions else None, widths)


quick = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@quick
@given(runs(), st.integers(0, STEPS - 1))
def test_counts_zeros_and_resuming(example: tuple[RunConfig, Net], resume_at: int) -> None:
    """At every step: the number asked for, exactly; pruned weights and, where masked, their state exactly zero; each
    layer its own number unless weights are redistributed. Resumed at any step it goes on to the same bits.
    """
    hold(example, resume_at)


@quick
@given(changing())
def test_methods_that_change_their_density_end_where_they_should(example: tuple[RunConfig, Net]) -> None:
    run, model = example
    try:
        training = Training(run, model)
    except ConfigError:
        assume(False)
    for step in range(STEPS):
        training.step(step)
        for name, mask in training.method.masks().items():
            assert not bool(training.method.modules[name].weight[~mask].any())
    layers = training.method.layers().values()
    assert sum(layer.kept for layer in layers) == round(run.full()["density"] * sum(layer.numel for layer in layers))


@pytest.mark.soak
@settings(quick, max_examples=SOAK, derandomize=False)
@given(runs(), st.integers(0, STEPS - 1))
def test_counts_zeros_and_resuming_for_long(example: tuple[RunConfig, Net], resume_at: int) -> None:
    hold(example, resume_at)
