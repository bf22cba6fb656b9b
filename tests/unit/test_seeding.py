"""Streams of randomness: pinned, independent of each other and of the method."""

from __future__ import annotations

import hashlib
import itertools

import pytest
import torch

from dst_repro.seeding import derive, generator
from tests.conftest import TrainerFactory


def test_derivation_is_pinned() -> None:
    """A published record is reproduced only as long as this holds."""
    digest = hashlib.sha256(b"3/order/7").digest()
    assert derive(3, "order", 7) == int.from_bytes(digest[:8], "big") // 2
    assert [derive(0), derive(0, "split"), derive(1, "masks", "initial", "fc1")] == [
        3456079177858693020,
        3769940940748469125,
        4788381490191476870,
    ]


def test_streams_differ() -> None:
    streams = [("split",), ("order", 0), ("order", 1), ("order", 11), ("masks", "grow", 1, "fc1"), ("initialisation",)]
    seeds = [derive(seed, *stream) for seed in range(3) for stream in streams]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_generators_repeat_and_leave_the_global_one_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again = (torch.rand(4, generator=generator(1, "order", 2)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("method", ["static", "set", "rigl", "gmp", "dst"])
def test_methods_start_from_the_same_weights(trainer: TrainerFactory, method: str) -> None:
    fields = {"method_params": {"alpha": 1e-3}} if method == "dst" else {"density": 0.2}
    fields |= {"method_params": {"update_period": 5}} if method == "rigl" else {}
    dense, other = trainer("dense", seed=4), trainer(method, seed=4, **fields)
    for name, mask in other.method.masks().items():
        weight = other.model.get_submodule(name)
        sparse = weight.weight_orig if method == "dst" else weight.weight
        assert torch.equal(dense.model.get_submodule(name).weight[mask], sparse[mask])
        assert torch.equal(dense.model.get_submodule(name).bias, weight.bias)


def test_methods_see_the_same_batches(trainer: TrainerFactory) -> None:
    batches = []
    for method, fields in (("dense", {}), ("dst", {"method_params": {"alpha": 1e-3}}), ("set", {"density": 0.1})):
        run, seen = trainer(method, seed=2, **fields), []
        run.model.register_forward_pre_hook(lambda _, args, seen=seen: seen.append(args[0]))
        run._train(0)
        batches.append(torch.cat(seen))
    assert all(torch.equal(a, b) for a, b in itertools.pairwise(batches))
    run, seen = trainer("dense", seed=3), []
    run.model.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    run._train(0)
    assert not torch.equal(torch.cat(seen), batches[0])
    assert torch.equal(torch.cat(seen).sum(0), batches[0].sum(0))  # the same images, each once, in another order


def test_static_and_dynamic_methods_share_the_first_mask(trainer: TrainerFactory) -> None:
    params = {"method_params": {"distribution": "erk"}, "density": 0.1, "seed": 1}
    static, moving, other = (
        trainer("static", **params),
        trainer("set", **params),
        trainer("set", **params | {"seed": 2}),
    )
    for name, mask in static.method.masks().items():
        assert torch.equal(mask, moving.method.masks()[name])
    assert any(not torch.equal(mask, other.method.masks()[name]) for name, mask in static.method.masks().items())
