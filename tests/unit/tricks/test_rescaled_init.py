"""What the plug-in does with the scales that `gradinit` learns: of which network, and to which weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dst_repro.data.base import Data
from dst_repro.tricks.rescaled_init import RescaledInit
from tests.conftest import TrainerFactory

NEEDED: dict[str, dict[str, Any]] = {"dst": {"alpha": 1e-3}, "rigl": {"update_period": 5}, "dns": {"c": 0.5}}
FEW: dict[str, Any] = {"iterations": 8}


def trick(trainer: TrainerFactory, method: str, density: float | None = None, **params: Any) -> tuple[Any, Any, Any]:
    """(the run with the trick, the same without, the trick)"""
    fields = {} if density is None else {"density": density}
    if method in NEEDED:
        fields |= {"method_params": NEEDED[method]}
    made = trainer(method, tricks={"rescaled-init": FEW | params}, **fields)
    found = made.tricks._tricks["rescaled-init"]
    assert isinstance(found, RescaledInit)
    return made, trainer(method, **fields), found


@pytest.mark.parametrize(("method", "density"), [("dense", None), ("static", 0.1), ("snip", 0.1), ("dst", None),
                                                 ("str", None), ("dns", None), ("rigl", 0.1)])  # fmt: skip
def test_every_weight_is_its_first_one_times_the_scale_of_its_tensor(
    trainer: TrainerFactory, method: str, density: float | None
) -> None:
    made, plain, found = trick(trainer, method, density)
    assert set(found.scales) == {f"fc{n}.{kind}" for n in (1, 2, 3) for kind in ("weight", "bias")}
    assert len(set(found.scales.values())) > 3
    before = dict(plain.model.named_parameters())
    for name, now in made.model.named_parameters():
        scale = found.scales.get(name.removesuffix("_orig"), 1.0)
        assert torch.equal(now, before[name] * scale), name
    for name, mask in plain.method.masks().items():
        assert torch.equal(mask, made.method.masks()[name])


def test_before_masking_the_scales_are_those_of_the_dense_network(trainer: TrainerFactory) -> None:
    _, _, dense = trick(trainer, "dense", when="before-masking")
    _, _, sparse = trick(trainer, "static", 0.1, when="before-masking")
    _, _, after = trick(trainer, "static", 0.1)
    _, _, again = trick(trainer, "dense")
    assert sparse.scales == dense.scales == again.scales
    assert sparse.scales != after.scales


def test_gradients_of_pruned_weights_count_only_where_asked(trainer: TrainerFactory) -> None:
    _, _, masked = trick(trainer, "static", 0.1)
    _, _, every = trick(trainer, "static", 0.1, gradients="all")
    assert masked.scales != every.scales
    _, _, one = trick(trainer, "dense")
    _, _, other = trick(trainer, "dense", gradients="all")
    assert one.scales == other.scales  # nothing is pruned


def test_soft_neurons_are_there_when_scales_are_learnt(trainer: TrainerFactory) -> None:
    both = trainer("static", density=0.1, tricks={"rescaled-init": FEW, "soft-neurons": {"beta": 1.0}})
    _, _, alone = trick(trainer, "static", 0.1)
    assert both.tricks._tricks["rescaled-init"].scales != alone.scales


def test_scales_are_in_the_history_and_batches_are_not_those_of_training(trainer: TrainerFactory, digits: Data) -> None:
    made, plain, found = trick(trainer, "static", 0.1)
    rows = {row[2]: row[4] for row in made.history.rows if row[3] == "initial_scale"}
    assert rows == found.scales
    images, _ = next(found._batches())
    first, _ = next(digits.train_batches(made.config.batch_size, made.config.seed, 0))
    assert not torch.equal(images, first)
    assert torch.equal(images, next(found._batches())[0])
    assert plain.tricks.values(plain.method) == {}
