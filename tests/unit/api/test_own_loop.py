"""A loop of one's own that does by hand what the suite's does gives the same bits, whatever method and trick."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dst_repro
from dst_repro.data.base import Data
from dst_repro.plan.config import RunConfig
from dst_repro.registry import methods, tricks
from dst_repro.seeding import derive
from dst_repro.training.evaluation import evaluate
from dst_repro.training.loop import Trainer
from dst_repro.training.network import initialised
from tests.conftest import RunFactory, TrainerFactory
from tests.contract.test_methods import one_each

EPOCHS = 2
CPU = torch.device("cpu")


def samples(digits: Data) -> list[tuple[Tensor, Tensor]]:
    """All training images as one batch."""
    return list(digits.batches(digits.train, len(digits.train)))


def optimizer_of(run: RunConfig, model: nn.Module) -> torch.optim.Optimizer:
    kind = torch.optim.SGD if run.optimizer == "sgd" else torch.optim.Adam
    more = {"momentum": 0.9} if run.optimizer == "sgd" else {}
    return kind(model.parameters(), run.learning_rate, weight_decay=run.weight_decay, fused=True, **more)


def sparse_of(run: RunConfig, digits: Data, model: nn.Module, optimizer: torch.optim.Optimizer) -> dst_repro.Sparse:
    epoch = math.ceil(len(digits.train) / run.batch_size)
    return dst_repro.sparsify(
        model,
        optimizer,
        run.method,
        run.density,
        steps=run.epochs * epoch,
        data=samples(digits),
        steps_per_epoch=epoch,
        tricks=run.tricks,
        fidelity=run.fidelity,
        seed=run.seed,
        **run.method_params,
    )


def by_hand(run: RunConfig, digits: Data, sparse: dst_repro.Sparse, epochs: range, see: Callable[[], None]) -> None:
    model, optimizer = sparse.model, sparse.optimizer
    for epoch in epochs:
        torch.manual_seed(derive(run.seed, "layers", epoch))
        model.train()
        for images, labels in digits.train_batches(run.batch_size, run.seed, epoch):
            optimizer.zero_grad()
            loss = sparse.loss(model(images), labels) + sparse.penalty()
            loss.backward()
            assert sparse.step()
            see()
        evaluate(model, digits, digits.test, CPU, "float32")


def own(run: RunConfig, digits: Data) -> dst_repro.Sparse:
    model = initialised(run, digits, None)
    return sparse_of(run, digits, model, optimizer_of(run, model))


def of_the_suite(trainer: Trainer) -> list[dict[str, Tensor]]:
    """The masks after each step."""
    seen: list[dict[str, Tensor]] = []
    step = trainer._step

    def watched(*args: Any) -> Tensor:
        loss = step(*args)
        seen.append({name: mask.clone() for name, mask in trainer.method.masks().items()})
        return loss

    trainer._step = watched  # type: ignore[method-assign]
    for _ in range(trainer.config.epochs):
        trainer.run_epoch()
    return seen


def assert_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def without_parents() -> list[Any]:
    return [case for case in one_each() if "mask_from" not in case.values[0]]


ADAM = {"optimizer": "adam", "learning_rate": 1e-3, "weight_decay": 1e-4}
TRICKS = [{slug: {"iterations": 3} if slug == "rescaled-init" else {}} for slug in sorted(tricks.discover())]


def same(fields: dict[str, Any], trainer: TrainerFactory, tiny: RunFactory, digits: Data) -> None:
    fields = {"epochs": EPOCHS, "weight_decay": 1e-4} | fields
    run = tiny(**fields)
    suite = trainer(**fields)
    masks = of_the_suite(suite)
    sparse, seen = own(run, digits), []
    by_hand(run, digits, sparse, range(EPOCHS), lambda: seen.append(sparse.masks()))
    assert len(seen) == len(masks) == EPOCHS * suite.steps_per_epoch
    for ours, theirs in zip(seen, masks, strict=True):
        assert_equal(ours, theirs)
    assert_equal(sparse.plain_state(), suite.method.network(suite.model))
    assert sparse.method.events() == suite.method.events()


@pytest.mark.parametrize("more", [{}, ADAM | {"fidelity": "released"}], ids=["sgd", "released-adam"])
@pytest.mark.parametrize("fields", without_parents())
def test_every_method_gives_the_same_masks_and_weights(
    trainer: TrainerFactory, tiny: RunFactory, digits: Data, fields: dict[str, Any], more: dict[str, Any]
) -> None:
    same(fields | more, trainer, tiny, digits)


RIGL = {"method": "rigl", "density": 0.1, "method_params": {"update_period": 5}}
DST = {"method": "dst", "method_params": {"alpha": 1e-3}}
CONV = {"model": "resnet-8", "model_params": {"width": 0.5}}


@pytest.mark.parametrize("fields", [RIGL, DST], ids=["rigl", "dst"])
@pytest.mark.parametrize("chosen", TRICKS, ids=lambda chosen: next(iter(chosen)))
def test_every_trick_gives_the_same_masks_and_weights(
    trainer: TrainerFactory, tiny: RunFactory, digits: Data, fields: dict[str, Any], chosen: dict[str, Any]
) -> None:
    same(fields | {"tricks": chosen} | (CONV if "ghost-skips" in chosen else {}), trainer, tiny, digits)


def test_what_needs_another_run_is_refused_in_one_line() -> None:
    refused = {case.values[0]["method"] for case in one_each()} - {
        case.values[0]["method"] for case in without_parents()
    }
    assert refused == {"given-mask", "imp"}
    for method in refused:
        model = nn.Linear(4, 2)
        with pytest.raises(dst_repro.errors.ConfigError, match="from another run, which only a suite has"):
            dst_repro.sparsify(model, torch.optim.SGD(model.parameters(), 0.1), method, 0.5, steps=10)


def test_no_method_has_a_parameter_by_the_name_of_an_argument() -> None:
    arguments = {name for name in inspect.signature(dst_repro.sparsify).parameters if name != "params"}
    for slug, entry in methods.discover().items():
        assert not arguments & entry.params.model_fields.keys(), slug
