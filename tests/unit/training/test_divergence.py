"""What counts as divergence, when a training stops for it, and that nothing which comes later is recorded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from dst_repro.methods.base import Method
from dst_repro.records.record import Record
from dst_repro.training.divergence import Diverged, not_finite
from dst_repro.training.loop import Trainer
from dst_repro.training.outcome import outcome
from dst_repro.training.run import train
from tests.conftest import RunFactory, TrainerFactory
from tests.contract.test_methods import one_each

SHARES = {"method": "sparse-momentum", "density": 0.1, "fidelity": "released", "learning_rate": 50.0}
"""Its momentum overflows, and at the end of the first epoch shares of it can't be rounded to numbers of weights."""
RESETS = {"method": "dst", "method_params": {"alpha": 0.1}, "learning_rate": 1e6}
"""The first step lifts all thresholds above all weights, the second pass resets them, and the third breaks."""


def diverge(run: Trainer, looks: bool) -> tuple[Record, list[Any]]:
    """Train as a CPU does, looking at each loss, or as a GPU does; what is recorded of it."""
    run.looks_at_each_loss = looks
    with pytest.raises(Diverged) as caught:
        run.advance({"epoch": 2})
    return outcome(run.config, "", "diverged", str(caught.value), None, run), run.history.rows


@pytest.mark.parametrize("fields", [*(case.values[0] | {"learning_rate": 1e20} for case in one_each()), SHARES, RESETS])
def test_all_devices_record_the_same(trainer: TrainerFactory, fields: dict[str, Any]) -> None:
    fields = fields | {"step_history": 20}
    if "mask_from" in fields:
        fields["mask_from"] = fields["mask_from"] | {"learning_rate": 0.05}
    one, other = (diverge(trainer(**fields), looks) for looks in (True, False))
    assert one == other
    assert re.match(r"the loss became (nan|inf) at step \d+$", one[0].reason or "")


def test_an_update_that_breaks_is_divergence(tiny: RunFactory, results: Path) -> None:
    done = train(tiny(**SHARES), results)
    assert done.status == "diverged"
    assert done.metrics is None


def steps_by_hand(run: Trainer) -> int:
    """The steps of the first epoch, written out, up to the first loss that isn't finite; how many came before it."""
    run.model.train()
    for step, (images, labels) in enumerate(run.data.train_batches(64, run.config.seed, 0)):
        run.optimizer.zero_grad()
        loss = functional.cross_entropy(run.model(images), labels)
        if not bool(loss.isfinite()):
            return step
        loss.backward()
        run.method.after_backward(step)
        run.optimizer.step()
        run.method.after_step(step)
    raise AssertionError("it did not diverge")


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("fidelity", ["paper", "released"])
def test_no_reset_after_the_first_loss_that_is_not_finite(trainer: TrainerFactory, fidelity: str, looks: bool) -> None:
    hand, run = (trainer(**RESETS, fidelity=fidelity) for _ in range(2))
    before = steps_by_hand(hand)
    done, _ = diverge(run, looks)
    assert done.reason == f"the loss became nan at step {before + 1}"
    assert done.events["resets"] == {"fc1": 1, "fc2": 1, "fc3": 1}
    assert done.events == hand.method.events()
    for name, value in hand.model.state_dict().items():
        assert torch.equal(value, run.model.state_dict()[name])


def test_no_reset_in_the_rest_of_an_evaluation(trainer: TrainerFactory) -> None:
    """1,437 images are two batches; a layer of NaN is empty in each."""
    run = trainer("dst", method_params={"alpha": 1e-3}, fidelity="released")
    nn.init.constant_(run.model.get_parameter("fc2.weight_orig"), torch.nan)
    assert not run.evaluate(run.data.train)[1] < torch.inf
    assert run.method.events()["resets"] == {"fc1": 0, "fc2": 1, "fc3": 0}


def test_a_pass_that_finishes_is_not_gone_through_again(trainer: TrainerFactory) -> None:
    """Nor does the copy that is kept for it change a bit."""
    runs = [trainer("dst", method_params={"alpha": 1e-3}) for _ in range(2)]
    runs[1].looks_at_each_loss = False
    seen = []
    runs[1].model.register_forward_pre_hook(lambda model, _: seen.append(model.training))
    one, other = (run.run_epoch() for run in runs)
    assert one == other
    assert sum(seen) == runs[1].steps_per_epoch
    assert not runs[1].looks_at_each_loss


class Breaking(Method):
    """At the third step something becomes `value`, and then an error comes."""

    def __init__(self, run: Trainer, place: str, value: float) -> None:
        super().__init__(run.method.params, run.method.context)
        self.run, self.place, self.value = run, place, value

    def after_step(self, step: int) -> None:
        if step == 2:
            weight = self.run.model.get_parameter("fc3.bias")
            buffer: Tensor = self.run.optimizer.state[weight]["momentum_buffer"]
            places = {"parameter": weight.data, "gradient": weight.grad, "state": buffer}
            nn.init.constant_(places[self.place], self.value)
            raise ZeroDivisionError("of\nno\nnumber")


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("parameter", "a parameter was not finite"),
        ("gradient", "a gradient was not finite"),
        ("state", "the optimiser's state was not finite"),
    ],
)
def test_an_error_out_of_numbers_that_are_not_finite(
    trainer: TrainerFactory, place: str, what: str, value: float, looks: bool
) -> None:
    run = trainer()
    run.method, run.looks_at_each_loss = Breaking(run, place, value), looks
    with pytest.raises(Diverged) as caught:
        run.run_epoch()
    assert caught.value.step == 3
    assert str(caught.value) == f"{what} at step 3 (ZeroDivisionError: of no number)"


@pytest.mark.parametrize("looks", [True, False])
def test_any_other_error_stays_what_it_is(trainer: TrainerFactory, looks: bool) -> None:
    run = trainer()
    run.method, run.looks_at_each_loss = Breaking(run, "parameter", 1e30), looks
    with pytest.raises(ZeroDivisionError):
        run.run_epoch()


def test_what_is_trained_beside_the_network_counts_too(trainer: TrainerFactory) -> None:
    """Deep R's connections are a parameter of its own; DST's masked weights have gradients, and are none."""
    deep_r: Any = trainer("deep-r", density=0.1)
    dst: Any = trainer("dst", method_params={"alpha": 1e-3})
    for run in (deep_r, dst):
        assert not_finite(torch.zeros(()), run.model, run.method, run.optimizer) is None
        assert not_finite(torch.tensor(torch.nan), run.model, run.method, run.optimizer) == "the loss was not finite"
    deep_r.method.values.data[0] = torch.inf
    assert not_finite(None, deep_r.model, deep_r.method, deep_r.optimizer) == "a parameter was not finite"
    dst.method.masked["fc1"].grad = torch.full_like(dst.method.masked["fc1"], torch.nan)
    assert not_finite(None, dst.model, dst.method, dst.optimizer) == "a gradient was not finite"


def test_losses_whose_sum_is_too_large_for_float32(trainer: TrainerFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer()
    monkeypatch.setattr(run, "_step", lambda *_: torch.tensor(2.0**127))
    assert run._train(0) == 2.0**127


def test_counts_of_a_broken_network_leave_a_record(trainer: TrainerFactory) -> None:
    """Where a weight is infinite, so is what the released code would print."""
    run = trainer("dst", model="lstm-a", method_params={"alpha": 1e-3}, fidelity="released")
    for name, value in (("lstm1.input", torch.inf), ("lstm2.hidden", torch.nan)):
        nn.init.constant_(run.model.get_parameter(f"{name}.weight_orig"), value)
    done = outcome(run.config, "", "diverged", "", None, run)
    assert set(done.events["kept_as_printed"]) == {"lstm1.hidden", "lstm2.input", "lstm2.hidden"}
    assert done.events["kept_as_printed"]["lstm2.hidden"] == 0
