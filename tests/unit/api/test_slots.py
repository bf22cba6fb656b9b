"""Weights that are no layer's of their own are masked as others are: attention, Conv1d, Conv3d, what `also` names."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import dst_repro
from dst_repro.errors import ConfigError
from dst_repro.export.speed import flops
from dst_repro.methods.base import maskable
from dst_repro.models.slots import close, multiplying, open_parameters
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
    masks = sparse.masks()
    dense, kept = flops(sparse.plain_model().eval(), masks, batches()[0][0])
    positions = dict.fromkeys(SHAPES, 8) | {"head": 1, "scale": 0}
    saved = sum(2 * positions[name] * int((~mask).sum()) for name, mask in masks.items())
    assert dense - kept == saved


def two() -> nn.Module:
    """An owner of two matrices."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p, self.q = nn.Parameter(torch.randn(3, 4)), nn.Parameter(torch.randn(5, 3))
            self.fc = nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.fc(functional.linear(functional.linear(x, self.p), self.q))
            return found

    torch.manual_seed(0)
    return Two()


def test_copies_are_opened_and_closed_by_themselves() -> None:
    model, x = two(), torch.randn(6, 4)
    expected = model(x)
    first = open_parameters(model, ["p"])
    copied = copy.deepcopy(model)
    both = first | open_parameters(copied, ["q"])
    copied.get_submodule("masked_p").weight.data.zero_()  # type: ignore[operator, union-attr]
    assert torch.equal(model(x), expected)
    assert not torch.equal(copied(x), expected)
    close(copied, both)
    assert torch.equal(copied(x), copied.fc(torch.zeros(6, 5)))  # type: ignore[operator]
    assert torch.equal(model(x), expected)
    model.fc.weight.requires_grad = False  # type: ignore[union-attr]
    with pytest.raises(ConfigError, match="does not train"):
        dst_repro.sparsify(model, sgd(model), "rigl", 0.5, steps=STEPS, update_period=4, also=["q"])
    assert torch.equal(model(x), expected)
    close(model, first)
    assert list(model.state_dict()) == ["p", "q", "fc.weight", "fc.bias"]
    assert torch.equal(model(x), expected)


def test_an_opened_network_is_pickled_and_its_weights_are_assigned() -> None:
    model, x = mixed(), batches()[0][0]
    open_parameters(model)
    again = pickle.loads(pickle.dumps(model))
    assert torch.equal(again.eval()(x), model.eval()(x))
    again.row.weight = nn.Parameter(torch.zeros(6, 2, 3))
    assert not bool(again.row.masked_weight.weight.any())
    assert [name for name, _ in again.row.named_parameters()] == ["bias", "masked_weight.weight"]
    assert not torch.equal(again(x), model(x))


@pytest.mark.parametrize("when", ["after-masking", "before-masking"])
def test_initial_weights_in_slots_are_scaled(when: str) -> None:
    tricks = {"rescaled-init": {"iterations": 3, "when": when}}
    sparse = made("static", tricks=tricks)
    before = made("static").plain_state()
    scales = {layer: value for name, layer, value in sparse.tricks.started() if name == "initial_scale"}
    assert {f"{layer}.weight" for layer in sparse._opened} <= set(scales)
    after = sparse.plain_state()
    scale = scales["encoder.self_attn.masked_in_proj_weight.weight"]
    assert scale != 1
    torch.testing.assert_close(
        after["encoder.self_attn.in_proj_weight"], scale * before["encoder.self_attn.in_proj_weight"]
    )
    train(sparse, batches()[:3])


def test_operations_of_keys_are_those_of_their_tokens() -> None:
    """One query on seven keys; a layer that nobody calls has none, whatever its neighbours do."""

    class Cross(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cross = nn.MultiheadAttention(4, 2, kdim=6, vdim=6, batch_first=True)
            self.unused = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.cross(x[:, :1, :4], value=x, key=x)[0]
            return found

    torch.manual_seed(0)
    network, x = Cross().eval(), torch.randn(2, 7, 6)
    expected = {"q_proj_weight": 1 * 16, "k_proj_weight": 7 * 24, "v_proj_weight": 7 * 24, "out_proj": 16}
    for name, products in expected.items():
        shape = (4, 4) if name in ("q_proj_weight", "out_proj") else (4, 6)
        dense, kept = flops(network, {f"cross.{name}": torch.zeros(shape, dtype=torch.bool)}, x)
        assert dense - kept == 2 * products, name
    dense, kept = flops(network, {"unused": torch.zeros(4, 4, dtype=torch.bool)}, x)
    assert dense == kept


def test_attention_that_is_not_to_be_masked_stays_dense_whole() -> None:
    model = mixed()
    model.cross.maskable = False  # type: ignore[assignment]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sparse = dst_repro.sparsify(model, sgd(model), "static", 0.5, steps=STEPS, also=ALSO)
    assert not any(name.startswith("cross") for name in sparse.masks())


def test_only_what_can_be_masked_is_advised() -> None:
    model = nn.ModuleDict({"rnn": nn.LSTM(3, 3), "words": nn.Embedding(5, 3), "fc": nn.Linear(3, 2)})
    with pytest.warns(
        UserWarning, match=r"rnn.weight_hh_l0, words.weight; the density .*; `also` masks words.weight, too$"
    ):
        dst_repro.sparsify(model, sgd(model), "static", 0.5, steps=STEPS)


REFUSED: dict[str, tuple[Any, list[str], str]] = {
    "tied": (lambda: nn.ModuleList([row := nn.Conv1d(2, 2, 1), sharing(row)]), [], "model: '0.weight' shares its"),
    "bias": (lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True), ["bias_k"], "also: 'bias_k' is a bias"),
    "sparse": (lambda: nn.ModuleList([nn.Embedding(4, 2, sparse=True), nn.Linear(2, 2)]), ["0.weight"],
               "also: '0.weight' has sparse gradients"),
    "computed": (lambda: nn.Sequential(nn.utils.weight_norm(nn.Linear(3, 3))), [], "model: the weight of '0' is"),
}  # fmt: skip


def sharing(row: nn.Conv1d) -> nn.Conv1d:
    other = nn.Conv1d(2, 2, 1)
    other.weight = row.weight
    return other


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm`:FutureWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_is_refused_in_one_line(case: str) -> None:
    build, also, message = REFUSED[case]
    model = build()
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(ConfigError) as caught:
        dst_repro.sparsify(model, sgd(model), "static", 0.5, steps=STEPS, also=also)
    assert str(caught.value).startswith(f"sparsify: {message}")
    assert [type(module) for module in model.modules()] == kinds


@pytest.mark.parametrize("method", ["snip", "gmp", "static"])
def test_convolutions_of_every_dimension_are_convolutions(method: str) -> None:
    """What prunes convolutions alone prunes those of one and three dimensions, too, and no weight of attention."""
    sparse = made(method, layers="convolutions", density=0.5)
    train(sparse, batches())
    dense = {name for name, mask in sparse.masks().items() if bool(mask.all())}
    assert set(SHAPES) - dense == {"volume.weight", "row.weight"}


def test_as_released_grasp_draws_no_convolution_anew() -> None:
    """Its authors draw those of linear layers anew before they score: of all zeros here the convolutions stay so."""
    sparse = made("grasp", density=0.5, fidelity="released")
    network = mixed()
    open_parameters(network, [*multiplying(network), *ALSO])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    method: Any = sparse.method
    scored = {name: bool(layer.weight.any()) for name, layer in maskable(method.scored_network(network)).items()}
    drawn = {sparse._opened.get(name, name) for name, found in scored.items() if found}
    assert set(SHAPES) - drawn == {"volume.weight", "row.weight"}
