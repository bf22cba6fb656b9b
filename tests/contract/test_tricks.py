"""What every trick promises, on every model and beside every method: in the end the network is the plain one."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dst_repro.data.base import Data
from dst_repro.data.parts import Images
from dst_repro.errors import ConfigError
from dst_repro.models.plain import plain_network
from dst_repro.plan.config import RunConfig
from dst_repro.registry import Entry, models, tricks
from dst_repro.training.checkpoint import Checkpoint
from dst_repro.training.loop import Trainer
from dst_repro.training.parents import provide_states
from dst_repro.training.run import train
from dst_repro.training.state import begin
from tests.conftest import RunFactory, thinned
from tests.contract.test_methods import files, one_each
from tests.contract.test_networks import ROW, every_model, taken

SHORT = {"rescaled-init": {"iterations": 2}}
ALL: dict[str, dict[str, Any]] = {slug: SHORT.get(slug, {}) for slug in sorted(tricks.discover())}


def random_data(shape: tuple[int, ...], classes: int = 10, images: int = 12) -> Data:
    """Noise, of as many classes as there are."""
    rng = torch.Generator().manual_seed(3)

    def part() -> Images:
        pixels = torch.randn(images, *shape, generator=rng)
        return Images(pixels, torch.arange(images) % classes)

    return Data(
        name="noise", train=part(), validation=None, test=part(), classes=classes, divisor=1.0, note="", sha256={}
    )


def config(slug: str, chosen: dict[str, dict[str, Any]], **fields: Any) -> RunConfig:
    params = {"width": 0.1} if "width" in models[slug].params.model_fields else {}
    base = {"dataset": "digits", "model": slug, "model_params": params, "learning_rate": 1e-4, "batch_size": 4,
            "epochs": 4, "seed": 0, "method": "static", "density": 0.3, "tricks": chosen}  # fmt: skip
    return RunConfig.parse(base | fields)


def taking(slug: str, data: Data) -> dict[str, dict[str, Any]]:
    """The tricks that a network takes; what refuses says so in one line."""
    found = {}
    for trick, params in ALL.items():
        refused = None
        try:
            Trainer(config(slug, {trick: params}), data, torch.device("cpu"))
        except ConfigError as error:
            refused = str(error)
        if refused is None:
            found[trick] = params
        else:
            assert refused.startswith(f"tricks.{trick}: the network has no ")
    return found


def hung(network: nn.Module) -> list[str]:
    """What is not as a network is built."""
    return [
        name
        for name, module in network.named_modules()
        if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
    ]


def logits(network: nn.Module, data: Data) -> Tensor:
    network.eval()
    with torch.no_grad():
        found: Tensor = network(data.batch(data.test.images))  # type: ignore[attr-defined]
    return found


def flops(network: nn.Module, data: Data) -> int:
    with FlopCounterMode(display=False) as counter:
        logits(network, data)
    return counter.get_total_flops()


@every_model
def test_the_network_is_the_plain_one_after_the_anneal(entry: Entry) -> None:
    """The same keys, parameters and operations, the same output to the bit; and a run goes on in between."""
    shape = next(iter(taken(entry)), ROW)
    data = random_data(shape)
    chosen = taking(entry.slug, data)
    assert {"label-smoothing", "rescaled-init"} <= set(chosen)
    run = config(entry.slug, chosen)
    trainer, other = (Trainer(run, data, torch.device("cpu")) for _ in range(2))
    plain = Trainer(config(entry.slug, {}), data, torch.device("cpu"))
    keys = list(plain.model.state_dict())
    for name, mask in plain.method.masks().items():
        assert torch.equal(mask, trainer.method.masks()[name])
    if "ghost-skips" in chosen:
        assert trainer.tricks.parameters > 0
        assert flops(trainer.model, data) > flops(plain.model, data)
    assert list(trainer.model.state_dict()) == keys
    trainer.run_epoch()
    other.load_state_dict(copy.deepcopy(trainer.state_dict()))
    assert trainer.tricks.values(trainer.method) == other.tricks.values(other.method)
    for _ in range(3):
        assert trainer.run_epoch() == other.run_epoch()
    assert not hung(trainer.model)
    assert trainer.tricks.parameters == 0
    assert list(trainer.model.state_dict()) == keys
    assert [len(group["params"]) for group in trainer.optimizer.param_groups] == [len(list(plain.model.parameters()))]
    assert set(trainer.optimizer.state) <= set(trainer.model.parameters())
    network = plain_network(run, data).to(memory_format=torch.channels_last)
    network.load_state_dict(trainer.method.network(trainer.model))
    assert torch.equal(logits(network, data), logits(trainer.model, data))
    assert flops(network, data) == flops(trainer.model, data)
    assert trainer.tricks.values(trainer.method)["density_with_ghosts"] == trainer.epochs[-1][0].density


VALUES: dict[str, list[dict[str, Any] | None]] = {
    "soft-neurons": [None, {}, {"shape": "mish", "rise": "linear"}, {"fidelity": "released"}],
    "ghost-skips": [None, {}, {"form": "identity", "anneal": "cosine"}, {"until": None}],
    "label-smoothing": [None, {"until": 0.5}, {"fidelity": "released"}],
    "rescaled-init": [None, {"iterations": 2}, {"iterations": 2, "when": "before-masking"},
                      {"iterations": 2, "gradients": "all"}],
}  # fmt: skip


def pairs() -> list[Any]:
    """Combinations of methods and tricks in which every two values of every two of them meet.

    Those in which a method or a value is seen first come first; the others are for `make test-all`.
    """
    names = list(VALUES)
    axes: list[list[Any]] = [one_each(), *VALUES.values()]
    sizes = [range(len(axis)) for axis in axes]
    left = {
        ((a, x), (b, y)) for a, b in itertools.combinations(range(len(axes)), 2) for x in sizes[a] for y in sizes[b]
    }
    every = list(itertools.product(*sizes))
    met = {row: set(itertools.combinations(enumerate(row), 2)) for row in every}
    found = []
    seen: set[tuple[int, int]] = set()
    while left:
        row = max(every, key=lambda row: len(met[row] & left))
        left -= met[row]
        quick = not seen.issuperset(enumerate(row))
        seen |= set(enumerate(row))
        method, *values = (axis[i] for axis, i in zip(axes, row, strict=True))
        chosen = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        words = "-".join("x" if value is None else str(i) for i, value in zip(row[1:], values, strict=True))
        found.append(thinned(method.values[0] | {"tricks": chosen}, id=f"{method.id}-{words}", quick=quick))
    return found


@pytest.mark.parametrize("fields", pairs())
def test_tricks_go_with_every_method(tiny: RunFactory, tmp_path: Path, fields: dict[str, Any]) -> None:
    """Masks at the start are those without tricks, counts are exact, and a run goes on in the middle of an anneal."""
    small = {"model": "resnet-8", "model_params": {"width": 0.5}, "batch_size": 512, "epochs": 4}
    run, plain = tiny(**fields, **small), tiny(**{k: v for k, v in fields.items() if k != "tricks"}, **small)
    assert (run.id == plain.id) == (not fields["tricks"])
    provide_states(run, tmp_path)
    data = _digits(run)
    made = [Trainer(run, data, torch.device("cpu"), *begin(run, tmp_path)) for _ in range(2)]
    alone = Trainer(plain, data, torch.device("cpu"), *begin(run, tmp_path))
    for name, mask in alone.method.masks().items():
        assert torch.equal(mask, made[0].method.masks()[name]), name
    made[0].run_epoch()
    checkpoint = Checkpoint(tmp_path, "run", {})
    checkpoint.save(made[0].state_dict())
    made[1].load_state_dict(checkpoint.load(torch.device("cpu")))
    for _ in range(3):
        assert made[0].run_epoch() == made[1].run_epoch()
    assert made[0].history.rows == made[1].history.rows
    wanted = made[0].method.wanted()
    assert wanted is None or sum(layer.kept for layer in made[0].method.layers().values()) in wanted
    stay = fields["tricks"].get("ghost-skips", {}).get("until", 0.5) is None
    assert (made[0].tricks.parameters > 0) == stay
    network = plain_network(run, data).to(memory_format=torch.channels_last)
    network.load_state_dict(made[0].method.network(made[0].model))
    permanent = stay or fields["tricks"].get("soft-neurons", {}).get("fidelity") == "released"
    assert torch.equal(logits(network, data), logits(made[0].model, data)) != permanent


def _digits(run: RunConfig) -> Data:
    from dst_repro.data.base import load

    return load(run)


def test_a_killed_run_goes_on_in_the_middle_of_an_anneal(
    tiny: RunFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Record and history are equal to the bit, whether the ghosts are still there or gone when it is killed."""
    small = {"model": "resnet-8", "model_params": {"width": 0.5}, "batch_size": 256, "epochs": 6, "tricks": ALL}
    run = tiny(method="rigl", density=0.1, method_params={"update_period": 5}, **small)
    train(run, tmp_path / "whole")
    for epochs in (2, 4):
        steps = Trainer._step

        def killed(
            self: Trainer, step: int, images: Tensor, labels: Tensor, n: int = epochs, do: Any = steps
        ) -> Tensor:
            if len(self.epochs) == n and step == n * self.steps_per_epoch + 1:
                raise KeyboardInterrupt
            found: Tensor = do(self, step, images, labels)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "_step", killed)
            patch.setenv("DST_CHECKPOINT_SECONDS", "0")
            with pytest.raises(KeyboardInterrupt):
                train(run, tmp_path / f"{epochs}")
        train(run, tmp_path / f"{epochs}")
        assert files(tmp_path / f"{epochs}", run) == files(tmp_path / "whole", run)


@pytest.mark.parametrize("fidelity", ["paper", "released"])
@pytest.mark.parametrize("fields", one_each())
def test_scales_of_initial_weights_outlive_the_first_step(
    tiny: RunFactory, digits: Data, tmp_path: Path, fields: dict[str, Any], fidelity: str
) -> None:
    """With a learning rate of next to nothing the weights are after a step what they were, scaled."""
    scaled = {"rescaled-init": {"iterations": 8, "learning_rate": 0.1}}
    chosen = fields | {"fidelity": fidelity, "learning_rate": 1e-20, "weight_decay": 1e-3}
    made = []
    for tricks_ in (scaled, {}):
        run = tiny(**chosen, tricks=tricks_)
        provide_states(run, tmp_path)
        trainer = Trainer(run, digits, torch.device("cpu"), *begin(run, tmp_path))
        before = {name: mask.clone() for name, mask in trainer.method.masks().items()}
        trainer._train(0, 1)
        network = trainer.method.network(trainer.model)
        kept = {name: mask & before[name] for name, mask in trainer.method.masks().items()}
        made.append((network, kept))
    scales = {row[2]: row[4] for row in Trainer(tiny(**chosen, tricks=scaled), digits, torch.device("cpu"),
              *begin(tiny(**chosen, tricks=scaled), tmp_path)).history.rows if row[3] == "initial_scale"}  # fmt: skip
    (one, kept), (other, also) = made
    for name, mask in kept.items():
        both = mask & also[name] & (other[f"{name}.weight"] != 0)
        ratio = (one[f"{name}.weight"] / other[f"{name}.weight"])[both]
        if fields["method"] != "str":  # whose weights are less a threshold
            assert torch.allclose(ratio, torch.full_like(ratio, scales[f"{name}.weight"]), rtol=1e-4), name
