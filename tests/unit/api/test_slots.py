"""Weights that are no layer's of their own are masked as others are: attention, Conv1d, Conv3d, what `also` names."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import dst_repro
from dst_repro.errors import ConfigError
from dst_repro.models.slots import multiplying, open_parameters
from tests.unit.api.test_sparse import METHODS, STEPS, equal, every, sgd

ALSO = ["scale"]
SHAPES = {
    "scale": (4, 6),
    "volume.weight": (4, 1, 2, 2, 2),
    "row.weight": (6, 2, 3),
    "encoder.self_attn.in_proj_weight": (18, 6),
    "encoder.self_attn.out_proj": (6, 6),
    "encoder.linear1": (10, 6),
    "encoder.linear2": (6, 10),
    "cross.q_proj_weight": (6, 6),
    "cross.k_proj_weight": (6, 4),
    "cross.v_proj_weight": (6, 4),
    "cross.out_proj": (6, 6),
    "head": (3, 6),
}


class Mixed(nn.Module):
    """Every kind of weight that no layer of two-dimensional images has."""

    def __init__(self) -> None:
        super().__init__()
        self.volume = nn.Conv3d(2, 4, 2, groups=2)
        self.row = nn.Conv1d(4, 6, 3, padding=1, groups=2)
        self.encoder = nn.TransformerEncoderLayer(6, 2, 10, dropout=0.0, batch_first=True)
        self.cross = nn.MultiheadAttention(6, 3, kdim=4, vdim=4, batch_first=True)
        self.scale = nn.Parameter(torch.randn(4, 6))
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        volume = self.volume(x).flatten(2)
        tokens = self.encoder(self.row(volume).transpose(1, 2))
        tokens, _ = self.cross(tokens, volume.transpose(1, 2), volume.transpose(1, 2))
        found: Tensor = self.head((tokens + volume.transpose(1, 2) @ self.scale).mean(1))
        return found


def mixed(seed: int = 0) -> Mixed:
    torch.manual_seed(seed)
    return Mixed()


def batches() -> list[tuple[Tensor, Tensor]]:
    rng = torch.Generator().manual_seed(7)
    return [
        (torch.randn(8, 2, 3, 3, 3, generator=rng), torch.randint(3, (8,), generator=rng)) for _ in range(STEPS)
    ]  # fmt: skip


def made(method: str, **more: Any) -> dst_repro.Sparse:
    model = mixed()
    given = {"steps": STEPS, "data": batches(), "also": ALSO} | METHODS.get(method, {"density": 0.2}) | more
    return dst_repro.sparsify(model, sgd(model, lr=0.02), method, **given)


def train(sparse: dst_repro.Sparse, pairs: list[tuple[Tensor, Tensor]]) -> None:
    for x, y in pairs:
        sparse.optimizer.zero_grad()
        (functional.cross_entropy(sparse.model(x), y) + sparse.penalty()).backward()
        sparse.step()


ALL = [*METHODS, "static", "snip", "grasp", "synflow", "dsr", "mest"]


@pytest.mark.parametrize("method", ALL)
def test_every_method_masks_them_and_the_network_computes_with_the_masked(method: str) -> None:
    sparse = made(method, **({"update_period": 4, "density": 0.2} if method in ("dsr", "mest") else {}))
    train(sparse, batches())
    masks, state = sparse.masks(), sparse.plain_state()
    assert {name: tuple(mask.shape) for name, mask in masks.items()} == SHAPES
    assert list(sparse.summary().unmasked) == []
    if sparse.settings.density is not None:
        assert sum(int(mask.sum()) for mask in masks.values()) == round(0.2 * sum(m.numel() for m in masks.values()))
    plain = mixed(seed=3)
    plain.load_state_dict(state)  # by the names that it has itself
    for name, mask in masks.items():
        assert not bool(state[name if name in state else f"{name}.weight"][~mask].any())
    x = batches()[0][0]
    logits = sparse.model.eval()(x)
    torch.testing.assert_close(plain.eval()(x), logits, rtol=1e-5, atol=1e-6)
    with torch.no_grad():  # attention has a kernel of its own for this
        torch.testing.assert_close(sparse.model(x), logits, rtol=1e-5, atol=1e-6)
    assert any(not bool(mask.all()) for mask in masks.values()) == (method != "dense")


@every
def test_killed_between_steps_it_goes_on_to_the_same_bits(method: str) -> None:
    whole, killed, resumed = made(method), made(method), made(method)
    train(whole, batches())
    train(killed, batches()[:11])
    stream = io.BytesIO()
    torch.save([killed.state_dict(), killed.model.state_dict(), killed.optimizer.state_dict()], stream)
    stream.seek(0)
    for what, state in zip((resumed, resumed.model, resumed.optimizer), torch.load(stream), strict=True):
        what.load_state_dict(state)  # type: ignore[attr-defined]
    train(resumed, batches()[11:])
    assert equal(resumed.plain_state(), whole.plain_state())
    assert equal(resumed.masks(), whole.masks())


def test_a_dense_training_is_the_one_without() -> None:
    """Parameters stay the same objects, so that the optimiser of before goes on with them."""
    plain = mixed()
    optimizer = sgd(plain, lr=0.02)
    for x, y in batches():
        optimizer.zero_grad()
        functional.cross_entropy(plain(x), y).backward()
        optimizer.step()
    sparse = made("dense")
    train(sparse, batches())
    assert equal(sparse.plain_state(), dict(plain.state_dict()))


def test_a_refusal_leaves_the_network_as_it_was() -> None:
    model = mixed()
    before, kinds = copy.deepcopy(dict(model.state_dict())), [type(module) for module in model.modules()]
    model.head.weight.requires_grad = False
    for method in ("rigl", "dst"):
        with pytest.raises(ConfigError, match="'head' is masked, but the optimiser does not train"):
            dst_repro.sparsify(model, sgd(model), method, steps=STEPS, also=ALSO, **METHODS[method])
    assert equal(dict(model.state_dict()), before)
    assert list(model.state_dict()) == list(before)
    assert [type(module) for module in model.modules()] == kinds


def test_what_multiplies_is_found_unless_its_module_says_no() -> None:
    model = mixed()
    model.cross.maskable = False  # type: ignore[assignment]
    assert multiplying(model) == ["volume.weight", "row.weight", "encoder.self_attn.in_proj_weight"]
    opened = open_parameters(model)
    assert opened["row.masked_weight"] == "row.weight"
    assert multiplying(model) == []


def test_it_is_exported_by_its_own_names(tmp_path: Path) -> None:
    """FLOPs by hand: 8 positions of a volume, 8 tokens."""
    sparse = made("static")
    train(sparse, batches()[:2])
    sparse.export(tmp_path, batches()[0][0])
    from dst_repro.export.speed import flops

    masks = sparse.masks()
    dense, kept = flops(sparse.plain_model().eval(), masks, batches()[0][0])
    positions = dict.fromkeys(SHAPES, 8) | {"head": 1, "scale": 0}
    saved = sum(2 * positions[name] * int((~mask).sum()) for name, mask in masks.items())
    assert dense - kept == saved
