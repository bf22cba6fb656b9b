"""What a user's own loop may do around a method: stop, accumulate, clip, scale, schedule; and what is refused."""

from __future__ import annotations

import copy
import io
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset

import dst_repro
from dst_repro.api.samples import Samples
from dst_repro.errors import ConfigError

CPU = torch.device("cpu")
STEPS = 24
METHODS: dict[str, dict[str, Any]] = {
    "rigl": {"density": 0.2, "update_period": 4},
    "set": {"density": 0.2, "update_period": 4},
    "sparse-momentum": {"density": 0.2, "update_period": 4},
    "deep-r": {"density": 0.2, "alpha": 0.02},
    "gmp": {"density": 0.2, "update_period": 4},
    "granet": {"density": 0.2, "update_period": 4},
    "dst": {"alpha": 5e-3},
    "str": {"s_init": -5.0},
    "dns": {"c": 1.0},
    "dense": {},
}
every = pytest.mark.parametrize("method", METHODS)


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(12, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 5))


def batches(seed: int = 7, size: int = 16) -> list[tuple[Tensor, Tensor]]:
    rng = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(size, 12, generator=rng), torch.randint(5, (size,), generator=rng)) for _ in range(STEPS)
    ]  # fmt: skip


def sgd(model: nn.Module, **more: Any) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), **{"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3} | more)


def sparse_of(method: str, optimizer: torch.optim.Optimizer, model: nn.Module, **more: Any) -> dst_repro.Sparse:
    return dst_repro.sparsify(model, optimizer, method, **{"steps": STEPS} | METHODS[method] | more)


def one(sparse: dst_repro.Sparse, batch: tuple[Tensor, Tensor], **how: Any) -> bool:
    sparse.optimizer.zero_grad()
    (functional.cross_entropy(sparse.model(batch[0]), batch[1]) + sparse.penalty()).backward()
    return sparse.step(**how)


def made(method: str, **more: Any) -> dst_repro.Sparse:
    model = network()
    return sparse_of(method, sgd(model), model, **more)


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@every
def test_killed_between_steps_it_goes_on_to_the_same_bits(method: str) -> None:
    whole, killed = made(method), made(method)
    for batch in batches():
        one(whole, batch)
    for batch in batches()[:11]:
        one(killed, batch)
    stream = io.BytesIO()
    torch.save(
        {"model": killed.model.state_dict(), "optimizer": killed.optimizer.state_dict(), "sparse": killed.state_dict()},
        stream,
    )
    stream.seek(0)
    state = torch.load(stream, weights_only=True)
    resumed = made(method)
    for part, what in (("sparse", resumed), ("model", resumed.model), ("optimizer", resumed.optimizer)):
        what.load_state_dict(state[part])  # type: ignore[attr-defined]
    for batch in batches()[11:]:
        one(resumed, batch)
    assert equal(resumed.plain_state(), whole.plain_state())
    assert equal(resumed.masks(), whole.masks())
    assert str(resumed.summary()) == str(whole.summary())


def test_a_state_of_other_settings_is_refused() -> None:
    state = made("rigl").state_dict()
    with pytest.raises(ConfigError, match=r"load_state_dict: density: this state is of density 0.2, not 0.3"):
        made("rigl", density=0.3).load_state_dict(state)


@every
def test_gradients_of_parts_decide_like_those_of_the_whole_batch(method: str) -> None:
    """In float64 and without batch normalisation, whose statistics are those of a part."""

    def without_norm() -> nn.Sequential:
        found = network().double()
        found[1] = nn.Identity()
        return found

    whole_model, part_model = without_norm(), without_norm()
    whole = sparse_of(method, sgd(whole_model), whole_model)
    parts = sparse_of(method, sgd(part_model), part_model)
    for images, labels in batches():
        one(whole, (images.double(), labels))
        parts.optimizer.zero_grad()
        for x, y in zip(images.double().split(4), labels.split(4), strict=True):
            (functional.cross_entropy(part_model(x), y) / 4).backward()
        parts.step()
        assert equal(parts.masks(), whole.masks())
    for name, tensor in whole.plain_state().items():
        torch.testing.assert_close(parts.plain_state()[name], tensor)


@every
def test_a_batch_that_is_thrown_away_leaves_no_gradient(method: str) -> None:
    clean, other = made(method), made(method)
    for batch in batches()[:9]:
        one(clean, batch)
        functional.cross_entropy(other.model.eval()(batch[0] + 1), batch[1]).backward()  # its statistics stay
        other.model.train()
        one(other, batch)  # which begins with zero_grad
    assert equal(other.plain_state(), clean.plain_state())


@every
def test_the_optimiser_sees_clipped_gradients(method: str) -> None:
    """SGD without momentum and decay moves by the gradient times the learning rate: by 0.01 at most."""
    if method == "sparse-momentum":
        pytest.skip("needs momentum")
    model = network()
    sparse = sparse_of(method, sgd(model, momentum=0.0, weight_decay=0.0, lr=1.0), model)
    before = [p.detach().clone() for p in model.parameters()]
    sparse.optimizer.zero_grad()
    functional.cross_entropy(model(10 * batches()[0][0]), batches()[0][1]).backward()
    assert sparse.step(max_norm=0.01)
    seen = [*model.parameters(), *sparse._beside.parameters()]
    norm = torch.stack([p.grad.norm() for p in seen if p.grad is not None]).norm()
    moved = torch.stack([(p - b).norm() for p, b in zip(model.parameters(), before, strict=True)]).norm()
    assert moved > 0
    if method != "deep-r":  # whose connections move by the prior, too
        assert moved < 0.0101
    assert norm < 0.0101


@every
def test_an_overflow_leaves_out_the_whole_step(method: str) -> None:
    """Scales are powers of two, so that gradients are unscaled to the same bits."""
    plain, scaled = made(method), made(method)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=10_000)
    for number, batch in enumerate(batches()[:15]):
        one(plain, batch)
        if number == 6:
            before, stepped = scaled.plain_state(), scaled.steps_done
            scaled.optimizer.zero_grad()
            norms = copy.deepcopy(scaled.model[1].state_dict())  # type: ignore[index]
            loss = functional.cross_entropy(scaled.model(batch[0]), batch[1]) * 1e38
            scaler.scale(loss).backward()
            assert not scaled.step(scaler)
            scaler.update()
            scaled.model[1].load_state_dict(norms)  # type: ignore[index]
            assert equal(scaled.plain_state(), before)
            assert scaled.steps_done == stepped
            assert scaler.get_scale() == 2.0**9
        scaled.optimizer.zero_grad()
        scaler.scale(functional.cross_entropy(scaled.model(batch[0]), batch[1])).backward()
        assert scaled.step(scaler)
        scaler.update()
    assert equal(scaled.plain_state(), plain.plain_state())


def test_what_is_unscaled_already_is_refused() -> None:
    sparse, scaler = made("rigl"), torch.amp.GradScaler("cpu")
    scaler.scale(functional.cross_entropy(sparse.model(batches()[0][0]), batches()[0][1])).backward()
    scaler.unscale_(sparse.optimizer)
    with pytest.raises(ConfigError, match=r"clip with `max_norm`"):
        sparse.step(scaler)


def two_groups(model: nn.Sequential) -> torch.optim.SGD:
    first, second = list(model[:2].parameters()), list(model[2:].parameters())
    return torch.optim.SGD(
        [{"params": first, "lr": 0.01, "weight_decay": 0.0, "name": "first"}, {"params": second}],
        lr=0.1, momentum=0.9, weight_decay=1e-2,
    )  # fmt: skip


@pytest.mark.parametrize("method", ["dst", "str"])
def test_thresholds_follow_the_group_of_their_layer(method: str) -> None:
    model = network()
    optimizer = two_groups(model)
    sparse = sparse_of(method, optimizer, model)
    assert [len(group["params"]) for group in optimizer.param_groups] == [4, 2]
    groups = sparse._beside.optimizer.param_groups
    assert [(g["lr"], g["weight_decay"]) for g in groups] == [(0.01, 0.0), (0.1, 0.0 if method == "dst" else 1e-2)]
    optimizer.param_groups[0]["lr"] = 0.5
    one(sparse, batches()[0])
    assert [g["lr"] for g in groups] == [0.5, 0.1]


def test_one_parameter_for_all_layers_needs_equal_groups() -> None:
    model = network()
    with pytest.raises(ConfigError, match=r"^sparsify: optimizer: deep-r trains all masked layers as one"):
        sparse_of("deep-r", two_groups(model), model)


SCHEDULERS = {
    "step": lambda o: torch.optim.lr_scheduler.StepLR(o, 5),
    "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS),
    "lambda": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda n: 0.9**n),
    "one-cycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, [0.1] * len(o.param_groups), STEPS),
}


@pytest.mark.parametrize("schedule", SCHEDULERS)
@every
def test_a_scheduler_made_before_or_after_gives_the_same_bits(method: str, schedule: str) -> None:
    found = []
    for before in (True, False):
        model = network()
        optimizer = sgd(model)
        make = SCHEDULERS[schedule]
        scheduler = make(optimizer) if before else None
        sparse = sparse_of(method, optimizer, model, tricks={"label-smoothing": {}}, data=batches())
        scheduler = scheduler or make(optimizer)
        for batch in batches()[:12]:
            one(sparse, batch)
            scheduler.step()
        assert all(g["lr"] == optimizer.param_groups[0]["lr"] for g in optimizer.param_groups)
        found.append(sparse.plain_state())
    assert equal(*found)


@every
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.NAdam])
def test_other_optimisers_train(method: str, kind: Any) -> None:
    model = network()
    sparse = sparse_of(method, kind(model.parameters(), lr=1e-2), model)
    pairs = batches()[:1] * STEPS
    first = float(functional.cross_entropy(model(pairs[0][0]), pairs[0][1]).detach())
    for batch in pairs:
        one(sparse, batch)
    assert float(functional.cross_entropy(model(pairs[0][0]), pairs[0][1]).detach()) < first


@every
def test_what_comes_out_loads_into_an_untouched_copy(method: str) -> None:
    sparse = made(method)
    for batch in batches():
        one(sparse, batch)
    copy_, state = network(seed=3), sparse.plain_state()
    copy_.load_state_dict(state)
    for name, mask in sparse.masks().items():
        assert not bool(state[f"{name}.weight"][~mask].any())
    x = batches()[0][0]
    with torch.no_grad():
        logits = sparse.model.eval()(x)
        assert torch.equal(copy_.eval()(x), logits)
        assert torch.equal(sparse.plain_model().eval()(x), logits)
    assert isinstance(sparse.plain_model()[0].weight, nn.Parameter)  # type: ignore[index]


def test_momentum_from_before_moves_no_pruned_weight() -> None:
    model = network()
    optimizer = sgd(model)
    for images, labels in batches()[:3]:
        optimizer.zero_grad()
        functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    sparse = dst_repro.sparsify(model, optimizer, "static", 0.2, steps=STEPS)
    one(sparse, batches()[3])
    assert all(not bool(model.get_submodule(n).weight[~mask].any()) for n, mask in sparse.masks().items())  # type: ignore[operator, index]


def test_the_summary_says_what_is_not_masked() -> None:
    class Embedded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(10, 8)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.conv = nn.Conv1d(8, 4, 3)
            self.dense = nn.Linear(4, 4)
            self.dense.maskable = False
            self.head = nn.Linear(4, 5)

        def forward(self, tokens: Tensor) -> Tensor:
            x = self.embedding(tokens)
            x, _ = self.attention(x, x, x)
            x = self.conv(x.transpose(1, 2)).amax(2)
            found: Tensor = self.head(self.dense(x))
            return found

    model = Embedded()
    with pytest.warns(UserWarning, match=r"no method masks embedding.weight; the density") as caught:
        sparse = dst_repro.sparsify(
            model,
            sgd(model),
            "rigl",
            0.25,
            steps=STEPS,
            update_period=4,
            data=[(torch.ones(4, 6).long(), torch.zeros(4).long())],
        )
    assert len(caught) == 1
    assert caught[0].filename == __file__
    summary = sparse.summary()
    assert sorted(summary.layers) == ["attention.in_proj_weight", "attention.out_proj", "conv.weight", "head"]
    assert list(summary.unmasked) == ["embedding.weight", "dense.weight"]
    numel, others = 8 * 8 + 4 * 5 + 3 * 8 * 8 + 8 * 4 * 3, 10 * 8 + 4 * 4
    assert summary.density == sparse.density == round(0.25 * numel) / numel
    assert summary.density_of_all_weights == (round(0.25 * numel) + others) / (numel + others)
    assert "in_proj_weight" in str(summary)
    assert "of all weights" in str(summary)
    for _ in range(STEPS):
        one(sparse, (torch.randint(10, (8, 6)), torch.randint(5, (8,))))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error")
        made("rigl")


def tied() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(12, 12), nn.Linear(12, 12))
    model[1].weight = model[0].weight
    return model


def frozen() -> nn.Sequential:
    model = network()
    model[3].weight.requires_grad = False
    return model


def stream() -> Iterator[tuple[Tensor, Tensor]]:
    yield from batches()


GROWN_BY_MOMENTUM = {"method": "sparse-momentum", "density": 0.5, "update_period": 4}
REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "density": (network, {"method": "rigl"}, "density: method 'rigl' needs a density"),
    "no density": (network, {"method": "dense", "density": 0.5}, "density: method 'dense' takes no density"),
    "method": (network, {"method": "rig", "density": 0.5}, "method: unknown method 'rig'; did you mean 'rigl'"),
    "parameter": (network, {"method": "rigl", "density": 0.5, "update_perod": 3}, "update_perod: unknown key; did you"),
    "update": (network, {"method": "rigl", "density": 0.5}, "update_period: leaves no update"),
    "a layer": (lambda: nn.Linear(12, 3), {"method": "static", "density": 0.5}, "model: is a single layer; put it"),
    "trick": (network, {"method": "dense", "tricks": {"soft": {}}}, "tricks.soft: unknown trick"),
    "epoch": (network, {"method": "set", "density": 0.5}, "steps_per_epoch: method 'set' acts once an epoch"),
    "tricks": (network, {"method": "dense", "tricks": ["soft-neurons"]}, "tricks: Input should be a valid dictionary"),
    "required": (network, {"method": "dst"}, "'alpha' is a required property (method 'dst')"),
    "no loader": (network, {"method": "snip", "density": 0.5, "data": 5}, "data: must be a loader, an iterable or a"),
    "no samples": (network, {"method": "snip", "density": 0.5, "data": []}, "data: gives no samples"),
    "steps": (network, {"method": "dense", "steps": 0}, "steps: Input should be greater than or equal to 1, not 0"),
    "data": (network, {"method": "snip", "density": 0.5}, "data: this method or trick (snip) looks at"),
    "iterator": (network, {"method": "snip", "density": 0.5, "data": stream()}, "data: is an iterator"),
    "pairs": (network, {"method": "snip", "density": 0.5, "data": [3]}, "data: must give pairs of tensors"),
    "momentum": (network, GROWN_BY_MOMENTUM | {"optimizer": torch.optim.Adagrad},
                 "optimizer: sparse-momentum needs one with momentum"),
    "no momentum": (network, GROWN_BY_MOMENTUM | {"optimizer": torch.optim.SGD},
                    "optimizer: sparse-momentum needs one with momentum"),
    "lbfgs": (network, {"method": "dense", "optimizer": torch.optim.LBFGS}, "optimizer: LBFGS computes gradients"),
    "tied": (tied, {"method": "dense"}, "model: '0' shares its weight with '1.weight'; `maskable = False`"),
    "frozen": (frozen, {"method": "dense"}, "model: '3' is masked, but the optimiser does not train its weight"),
    "nothing": (lambda: nn.Sequential(nn.Embedding(3, 3)), {"method": "dense"}, "model: has no convolution, linear"),
    "also nothing": (network, {"method": "dense", "also": ["4.weight"]}, "also: the network has no parameter"),
    "also masked": (network, {"method": "dense", "also": ["0.weight"]}, "also: '0.weight' is the weight of a"),
    "also a bias": (network, {"method": "dense", "also": ["0.bias"]}, "also: '0.bias' is a bias or a scale"),
    "also a word": (network, {"method": "dense", "also": "0.bias"}, "also: Input should be a valid tuple"),
    "recurrent": (lambda: nn.LSTM(3, 3), {"method": "dense", "also": ["weight_hh_l0"]}, "also: 'weight_hh_l0': LSTM"),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(3)), {"method": "dense"}, "model: '0.weight' has no values yet"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_is_refused_in_one_line(case: str) -> None:
    build, arguments, message = REFUSED[case]
    model = build()
    kind = arguments.get("optimizer", torch.optim.Adam)
    given = {"steps": STEPS} | {key: value for key, value in arguments.items() if key != "optimizer"}
    before = copy.deepcopy(model.state_dict()) if case != "lazy" else {}
    with pytest.raises(ConfigError) as caught:
        dst_repro.sparsify(model, kind(model.parameters(), lr=0.1), **given)
    assert str(caught.value).startswith(f"sparsify: {message}")
    assert len(str(caught.value).splitlines()) == 1
    assert case == "lazy" or equal(dict(model.state_dict()), dict(before))


@pytest.mark.parametrize("method", ["dst", "set"])
def test_a_network_is_made_sparse_once(method: str) -> None:
    sparse = made(method)
    with pytest.raises(ConfigError, match="model: has a method already"):
        dst_repro.sparsify(sparse.model, sparse.optimizer, "rigl", 0.5, steps=STEPS)


def test_samples_are_had_by_number_where_the_loader_leaves_none_out() -> None:
    inputs, labels = torch.arange(20.0).view(10, 2), torch.arange(10)
    data = TensorDataset(inputs, labels)
    order = torch.tensor([7, 2, 9])
    held_out = DataLoader(data, 4, sampler=SubsetRandomSampler([1, 3]))
    sources = [
        DataLoader(data, 4, shuffle=True),
        DataLoader(data, 4),
        list(DataLoader(data, 4)),
        lambda: DataLoader(data, 4),
    ]
    state = torch.random.get_rng_state()
    for source in sources:
        samples = Samples(source, CPU, 0)
        assert len(samples) == 10
        assert samples.shape == (2,)
        ((x, y),) = samples.batches(5, order)
        assert torch.equal(x, inputs[order])
        assert y.tolist() == order.tolist()
        assert [len(y) for _, y in samples.batches(4)] == [4, 4, 2]
    part = Samples(held_out, CPU, 0)
    assert sorted(int(label) for _, labels in part.batches(4) for label in labels) == [1, 3]
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("method", ["snip", "grasp", "synflow", "taylor"])
def test_scores_come_of_a_loader(method: str) -> None:
    rng = torch.Generator().manual_seed(1)
    loader = DataLoader(TensorDataset(torch.randn(200, 12, generator=rng), torch.arange(200) % 5), 16, shuffle=True)
    masks = []
    for _ in range(2):
        model = network()
        before = torch.random.get_rng_state()
        sparse = dst_repro.sparsify(model, sgd(model), method, 0.2, steps=STEPS, data=loader)
        assert torch.equal(torch.random.get_rng_state(), before)
        assert sparse.summary().kept == round(0.2 * 340)
        masks.append(sparse.masks())
    assert equal(*masks)


def test_the_package_names_the_api_without_torch() -> None:
    code = "import sys, dst_repro; assert 'torch' not in sys.modules; dst_repro.sparsify; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="has no attribute 'sparsity_'"):
        dst_repro.sparsity_  # noqa: B018
