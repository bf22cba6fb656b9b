"""RigL and SET on tensors small enough to work out by hand, and what holds for every update of a real training."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dst_repro.data.base import Data
from dst_repro.errors import ConfigError
from dst_repro.training.optimisation import build_optimizer
from tests.conftest import MethodFactory, RunFactory, TrainerFactory

#         active: weights 1 to 6 in size; inactive: the four zeros at the end
WEIGHT = [[6.0, -1.0, 3.0, -2.0, 5.0], [-4.0, 0.0, 0.0, 0.0, 0.0]]
GRADIENT = [[9.0, 0.5, 9.0, 3.0, 9.0], [9.0, -4.0, 1.0, 2.0, -0.1]]
ACTIVE = 6


def one_layer(build: MethodFactory, tiny: RunFactory, method: str, **fields: Any) -> tuple[Any, nn.Linear, Any]:
    """A 5-to-2 layer as above, momentum 7 on active weights, and its SGD."""
    model = nn.Sequential(nn.Linear(5, 2, bias=False))
    fields = {"density": 0.6, "method_params": {"update_period": 10, "decay": "constant", "prune_rate": 0.34}} | fields
    made = build(model, method, **fields)
    optimizer = build_optimizer(tiny(method, **fields), made.param_groups(model, 0.0))
    weight = model[0].weight
    with torch.no_grad():
        weight.copy_(torch.tensor(WEIGHT))
    made.bind(optimizer)
    weight.grad = torch.zeros_like(weight)
    optimizer.step()  # creates the momentum buffer
    optimizer.state[weight]["momentum_buffer"].fill_(7.0)
    made.set_masks({"0": torch.tensor(WEIGHT) != 0})
    weight.grad = torch.tensor(GRADIENT)
    return made, model[0], optimizer


def momentum(optimizer: Any, layer: nn.Linear) -> Tensor:
    return optimizer.state[layer.weight]["momentum_buffer"]


def test_rigl_update_by_hand(build: MethodFactory, tiny: RunFactory) -> None:
    """int(0.34 * 6) = 2: drops -1 and -2. Gradients of the inactive are 4, 1, 2, 0.1 and, just dropped, 0.5 and 3:
    the two largest are 4 at (1, 1) and 3 at (0, 3), where -2 goes on as if it had never gone."""
    for fidelity in ("paper", "released"):
        method, layer, optimizer = one_layer(build, tiny, "rigl", fidelity=fidelity)
        assert method.after_backward(10) is True
        assert layer.weight.tolist() == [[6, 0, 3, -2, 5], [-4, 0, 0, 0, 0]]
        assert method.masks()["0"].int().tolist() == [[1, 0, 1, 1, 1], [1, 1, 0, 0, 0]]
        assert momentum(optimizer, layer).tolist() == [[7, 0, 7, 7, 7], [7, 0, 0, 0, 0]]


def test_regrown_weights_start_at_zero_where_that_is_asked_for(build: MethodFactory, tiny: RunFactory) -> None:
    for fidelity in ("paper", "released"):
        method, layer, optimizer = one_layer(build, tiny, "rigl", fidelity=fidelity, **with_params(regrown="zero"))
        assert method.after_backward(10) is True
        assert layer.weight.tolist() == [[6, 0, 3, 0, 5], [-4, 0, 0, 0, 0]]
        assert method.masks()["0"].int().tolist() == [[1, 0, 1, 1, 1], [1, 1, 0, 0, 0]]
        assert momentum(optimizer, layer).tolist() == [[7, 0, 7, 0, 7], [7, 0, 0, 0, 0]]


@pytest.mark.parametrize("fidelity", ["paper", "released"])
@pytest.mark.parametrize(
    ("method", "goes_on"),
    [
        ("rigl", True),
        ("itop-set", True),
        ("itop-rigl", True),
        ("granet", True),
        ("sparse-momentum", True),
        ("drop-and-grow", True),
        ("set", False),
        ("mest", False),
        ("dsr", False),
    ],
)
def test_what_becomes_of_the_regrown_is_as_in_each_authors_code(
    build: MethodFactory, method: str, goes_on: bool, fidelity: str
) -> None:
    """Of 10 weights one is missing and all nine are dropped, so that at least eight of them come back at once: with
    their values, or from zero."""
    model = nn.Sequential(nn.Linear(5, 2, bias=False))
    params: dict[str, Any] = {"update_period": 10, "prune_rate": 1.0, "decay": "constant", "grow": "gradient"}
    params |= {"granet": {"initial_density": 0.9}, "dsr": {"threshold": 100.0}, "mest": {"decay": "stages"}}.get(
        method, {}
    )
    made: Any = build(model, method, density=0.9, fidelity=fidelity, method_params=params)
    full = torch.ones(2, 5, dtype=torch.bool)
    full[1, 4] = False
    made.set_masks({"0": full})
    weight = model[0].weight
    with torch.no_grad():
        weight.copy_(torch.tensor([[6.0, 1.0, 3.0, 2.0, 5.0], [4.0, 7.0, 8.0, 9.0, 0.0]]))
    weight.grad = torch.ones(2, 5)
    made.share = lambda name, kept, step: 1.0
    made.update(10)
    back = made.masks()["0"] & full
    assert int(back.sum()) >= 8
    moved = int((weight[back] == 0).sum())
    kept = 1 if method == "dsr" else 0  # of an emptied layer
    assert moved == (0 if goes_on else int(back.sum()) - kept)


def test_released_rigl_drops_with_noise_of_1e_5(build: MethodFactory, tiny: RunFactory) -> None:
    """Weights that differ by far less than the noise: which of them go is drawn, always as many."""
    model = nn.Sequential(nn.Linear(200, 2, bias=False))
    fields = {"density": 0.9975, **with_params(prune_rate=0.5)}
    dropped = []
    for fidelity in ("paper", "released"):
        method = build(model, "rigl", fidelity=fidelity, **fields)
        with torch.no_grad():
            model[0].weight.copy_(torch.arange(400).view(2, 200) * 1e-9 + 1.0).mul_(method.masks()["0"])
        dropped.append(method.drop(0.5, 10)["0"])
    assert [int(d.sum()) for d in dropped] == [199, 199]
    assert 50 < int((dropped[0] & dropped[1]).sum()) < 150


def with_params(**params: Any) -> dict[str, Any]:
    return {"method_params": {"update_period": 10, "decay": "constant", "prune_rate": 0.34} | params}


def test_update_before_the_step_lets_it_move_what_was_grown(build: MethodFactory, tiny: RunFactory) -> None:
    """The masks are those of the update by hand, and the step that follows has the gradient of them all."""
    method, layer, optimizer = one_layer(build, tiny, "rigl", **with_params(timing="before-step"))
    assert method.after_backward(8) is False
    layer.weight.grad = torch.tensor(GRADIENT)
    assert method.after_backward(9) is False
    assert method.masks()["0"].int().tolist() == [[1, 0, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert layer.weight.tolist() == [[6, 0, 3, -2, 5], [-4, 0, 0, 0, 0]]
    assert layer.weight.grad.tolist() == [[9, 0, 9, 3, 9], [9, -4, 0, 0, 0]]
    before = method.masks()["0"]
    method.after_step(9)
    assert method.masks()["0"] is before
    assert momentum(optimizer, layer).tolist() == [[7, 0, 7, 7, 7], [7, 0, 0, 0, 0]]


def test_update_after_the_step_reads_the_gradient_as_it_was(build: MethodFactory, tiny: RunFactory) -> None:
    """The step sees the masked gradient, growth the dense one; the weights are those after the step."""
    method, layer, _ = one_layer(build, tiny, "rigl", **with_params(timing="after-step"))
    assert method.after_backward(9) is False
    assert layer.weight.grad.tolist() == [[9, 0.5, 9, 3, 9], [9, 0, 0, 0, 0]]
    assert layer.weight.tolist() == WEIGHT
    method.after_step(9)
    assert layer.weight.tolist() == [[6, 0, 3, -2, 5], [-4, 0, 0, 0, 0]]
    assert method.masks()["0"].int().tolist() == [[1, 0, 1, 1, 1], [1, 1, 0, 0, 0]]


def test_dense_momentum_is_left_alone_and_weights_are_masked(build: MethodFactory, tiny: RunFactory) -> None:
    method, layer, optimizer = one_layer(build, tiny, "rigl", **with_params(momentum="dense"))
    momentum(optimizer, layer).fill_(7.0)
    assert method.after_backward(9) is False
    assert layer.weight.grad.tolist() == torch.tensor(GRADIENT).tolist()
    optimizer.step()
    method.after_step(9)
    assert layer.weight[1].tolist()[1:] == [0, 0, 0, 0]
    buffer = momentum(optimizer, layer).clone()
    assert float(buffer[1, 1:].abs().min()) > 0
    layer.weight.grad = torch.tensor(GRADIENT)
    assert method.after_backward(10) is True
    assert torch.equal(momentum(optimizer, layer), buffer)


def two_layers(build: MethodFactory, **params: Any) -> Any:
    """Layers "0" with weights 1 to 4 and "1" with 10, 20 and two zeros; random growth."""
    model = nn.Sequential(nn.Linear(2, 4, bias=False), nn.Linear(4, 1, bias=False))
    fields = {"drop": "magnitude", "decay": "constant", "update_period": 10} | params
    method = build(model, "set", density=0.5, method_params=fields)
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0], [0.0, 0.0]]))
        model[1].weight.copy_(torch.tensor([[10.0, 20.0, 0.0, 0.0]]))
    method.set_masks({str(i): model[i].weight != 0 for i in (0, 1)})
    return method


def test_a_score_of_ones_own(build: MethodFactory, tiny: RunFactory) -> None:
    """|w| + |g|, with the gradient as it was before the step: 15, 1 + 9, 12, 2, 14 and 4. The two lowest: -2 and -4."""
    method, layer, _ = one_layer(build, tiny, "rigl", **with_params(timing="after-step"))
    method.drop_score = lambda name, step: method.modules[name].weight.abs() + method.gradient(name).abs()
    layer.weight.grad[0, 1] = 9.0
    layer.weight.grad[0, 3] = layer.weight.grad[1, 0] = 0.0
    method.after_backward(9)
    method.after_step(9)
    assert (~method.masks()["0"] & (torch.tensor(WEIGHT) != 0)).nonzero().tolist() == [[0, 3], [1, 0]]


@pytest.mark.parametrize(
    ("params", "dropped"),
    [
        ({"scope": "layer"}, {"0": 2, "1": 1}),  # half of 4, half of 2
        ({"scope": "global"}, {"0": 3, "1": 0}),  # the three smallest of all are 1, 2 and 3
    ],
)
def test_scope_says_which_weights_compete(build: MethodFactory, params: dict[str, Any], dropped: dict) -> None:
    method = two_layers(build, **params)
    assert {name: int(mask.sum()) for name, mask in method.drop(0.5, 10).items()} == dropped
    before = method.layers()
    method.update(10)
    assert method.layers() == before  # each layer regrows its own


def test_redistribution_by_survivors(build: MethodFactory) -> None:
    """The three smallest go; 1 and 2 are left in the layers, so that of 3 they regrow 1 and 2."""
    method = two_layers(build, scope="global", prune_rate=0.5, redistribution="survivors")
    method.update(10)
    assert {name: layer.kept for name, layer in method.layers().items()} == {"0": 2, "1": 4}


def test_dense_layers_take_part_where_they_can_give_weights_away(build: MethodFactory) -> None:
    for redistribution, kept in (("none", 4), ("survivors", 3)):
        method = two_layers(build, prune_rate=0.5, redistribution=redistribution)
        with torch.no_grad():
            method.modules["1"].weight.copy_(torch.tensor([[10.0, 20.0, 30.0, 40.0]]))
        method.set_masks(method.masks() | {"1": torch.ones(1, 4, dtype=torch.bool)})
        method._masks["0"][0, 0] = False  # 3 and 4 weights; int(1.5) + 2 are dropped, 2 and 2 left, 2 and 1 come back
        assert ("1" in method.drop(0.5, 10)) == (redistribution != "none")
        method.update(10)
        assert sum(layer.kept for layer in method.layers().values()) == 7
        assert method.layers()["1"].kept == kept


def test_between_updates_gradients_of_pruned_weights_are_masked(build: MethodFactory, tiny: RunFactory) -> None:
    method, layer, _ = one_layer(build, tiny, "rigl")
    assert method.after_backward(11) is False
    assert layer.weight.grad.tolist() == [[9, 0.5, 9, 3, 9], [9, 0, 0, 0, 0]]
    assert layer.weight.tolist() == WEIGHT


def test_set_drops_each_sign_by_its_own_count(build: MethodFactory, tiny: RunFactory) -> None:
    """Positive 6, 3, 5: int(0.34 * 3) = 1, the 3 goes. Negative -1, -2, -4: the -1 goes."""
    method, layer, _ = one_layer(build, tiny, "set")
    dropped = method.drop(0.34, 10)["0"]
    assert dropped.nonzero().tolist() == [[0, 1], [0, 2]]
    before = layer.weight.detach().clone()
    method.after_step(9)
    mask = method.masks()["0"]
    assert int(mask.sum()) == ACTIVE
    stayed = (before != 0) & ~dropped
    assert bool(mask[stayed].all())
    assert torch.equal(layer.weight.detach(), before * stayed)


def test_set_counts_are_of_signs_not_of_all(build: MethodFactory, tiny: RunFactory) -> None:
    """Five positive and one negative weight at 0.34: int(1.7) = 1 and int(0.34) = 0."""
    method, layer, _ = one_layer(build, tiny, "set")
    with torch.no_grad():
        layer.weight.abs_()[0, 1].neg_()
    assert method.drop(0.34, 10)["0"].nonzero().tolist() == [[0, 3]]


def test_set_draws_connections_of_zero_weight_anew(build: MethodFactory, tiny: RunFactory) -> None:
    method, layer, _ = one_layer(build, tiny, "set")
    with torch.no_grad():
        layer.weight[0, 0] = 0.0  # positive: 3 and 5, int(0.68) = 0
    assert method.drop(0.34, 10)["0"].nonzero().tolist() == [[0, 0], [0, 1]]


def test_set_grows_uniformly_where_nothing_is(build: MethodFactory, tiny: RunFactory) -> None:
    grown = torch.zeros(2, 5)
    for seed in range(60):
        method, _, _ = one_layer(build, tiny, "set", seed=seed)
        stays = method.masks()["0"] & ~method.drop(0.34, 10)["0"]
        method.after_step(9)
        grown += method.masks()["0"] & ~stays
    assert grown.sum() == 120
    # six inactive places share 120: 20 each, standard deviation sqrt(60 * 1/3 * 2/3) = 3.7
    assert bool(((grown > 5) == torch.tensor([[0, 1, 1, 0, 0], [0, 1, 1, 1, 1]], dtype=torch.bool)).all())


@pytest.mark.parametrize(
    ("fidelity", "left"), [("paper", [[7, 0, 0, 7, 7], [7, 0, 0, 0, 0]]), ("released", [[0] * 5] * 2)]
)
def test_momentum_after_set(build: MethodFactory, tiny: RunFactory, fidelity: str, left: list) -> None:
    method, layer, optimizer = one_layer(build, tiny, "set", fidelity=fidelity)
    method.after_step(9)
    assert momentum(optimizer, layer).tolist() == left


def due(method: Any, steps: int) -> list[int]:
    return [done for done in range(steps + 1) if method.due(done)]


@pytest.mark.parametrize(
    ("method", "params", "expected"),
    [
        ("rigl", {"update_period": 10}, [10, 20, 30, 40, 50, 60, 70]),  # T_end = 75
        ("rigl", {"update_period": 25}, [25, 50]),  # t < T_end: not 75
        ("rigl", {"update_period": 30, "update_end": 0.58}, [30]),
        ("rigl", {"update_period": 57, "update_end": 0.58}, [57]),  # T_end is 58, though 0.58 * 100 is 57.99...
        ("set", {}, [20, 40, 60, 80]),  # every epoch but the last
        ("set", {"update_period": "epoch", "update_end": 0.5}, [20, 40]),
        ("set", {"update_period": 50}, [50]),
    ],
)
def test_update_steps(build: MethodFactory, method: str, params: dict[str, Any], expected: list[int]) -> None:
    """100 steps in 5 epochs."""
    made = build(nn.Linear(4, 4), method, steps=100, epochs=5, density=0.5, method_params=params)
    assert due(made, 100) == expected


def test_prune_rate_falls_to_zero_at_the_end_of_the_updates(build: MethodFactory) -> None:
    rigl = build(nn.Linear(4, 4), "rigl", steps=100, density=0.5, method_params={"update_period": 10})
    assert rigl.rate(0) == pytest.approx(0.3)
    assert rigl.rate(25) == pytest.approx(0.225)  # 0.15 * (1 + cos(pi / 3))
    assert rigl.rate(75) == pytest.approx(0.0)
    assert build(nn.Linear(4, 4), "set", steps=100, epochs=2, density=0.5).rate(60) == 0.3


STATIC = [
    ("rigl", {}, {}, 100, "the period is 100 of 100 steps, and updates end at step 75"),
    (
        "rigl",
        {"update_period": 30, "update_end": 0.3},
        {},
        100,
        "the period is 30 of 100 steps, and updates end at step 30",
    ),
    ("itop-set", {}, {}, 1500, "the period is 1500 of 1500 steps, and updates end at step 1500"),
    ("itop-rigl", {}, {"fidelity": "released"}, 3999, "the period is 4000 of 3999 steps, and updates end at step 3999"),
    ("set", {}, {}, 23, "the period is 23 of 23 steps, and updates end at step 23"),  # one epoch
    ("sparse-momentum", {}, {"fidelity": "released"}, 23, "the period is 23 of 23 steps, and updates end at step 23"),
    ("mest", {}, {"epochs": 5}, 50, "the period is 50 of 50 steps, and updates end at step 50"),
    ("granet", {}, {}, 999, "the period is 1000 of 999 steps, and updates end at step 999"),
    ("drop-and-grow", {}, {}, 800, "the period is 800 of 800 steps, and updates end at step 800"),
    # doubled thrice from the start: every 80 steps, and the end is at 76
    (
        "dsr",
        {"update_period": 10, "doublings": [0.0, 0.0, 0.0]},
        {},
        80,
        "the period is 10 of 80 steps, and updates end at step 76; it doubles at 0, 0, 0",
    ),
    # the only update would take the place of a step after the last one
    ("itop-set", {"update_period": 50, "timing": "instead-of-step"}, {"fidelity": "released"}, 50, "of 50 steps"),
    # the only update comes before the training begins
    ("rigl", {"update_period": 40}, {"epochs": 2, "begin_at": {"step": 41}}, 100, "the period is 40 of 100 steps"),
]


@pytest.mark.parametrize(("method", "params", "fields", "steps", "message"), STATIC)
def test_a_training_without_an_update_is_refused(
    build: MethodFactory, method: str, params: dict[str, Any], fields: dict[str, Any], steps: int, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build(nn.Linear(4, 4), method, steps=steps, density=0.5, method_params=params, **fields)
    assert str(caught.value).startswith("method_params.update_period: leaves no update: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("method", "params", "fields", "steps"),
    [
        ("rigl", {}, {}, 136),  # 0.75 * 136 = 102
        ("itop-set", {}, {}, 1501),
        ("itop-set", {}, {"fidelity": "released"}, 1500),  # after the last step
        ("set", {}, {"epochs": 2}, 46),
        ("dsr", {"update_period": 10, "doublings": [0.0, 0.0, 0.0]}, {}, 90),  # 0.95 * 90 = 85
        ("rigl", {"update_period": 40}, {"epochs": 2, "begin_at": {"step": 40}}, 100),  # at step 40, in its place
        ("rigl", {"update_period": 40, "timing": "after-step"}, {"epochs": 2, "begin_at": {"step": 39}}, 100),
    ],
)
def test_one_update_is_enough(
    build: MethodFactory, method: str, params: dict[str, Any], fields: dict[str, Any], steps: int
) -> None:
    made: Any = build(nn.Linear(4, 4), method, steps=steps, density=0.5, method_params=params, **fields)
    assert len(list(made.updates())) == 1


@pytest.mark.parametrize("params", [{"grow": "momentum"}, {"redistribution": "momentum"}])
def test_a_momentum_that_is_not_there_yet_is_not_read(build: MethodFactory, params: dict[str, Any]) -> None:
    """Before the first step, in whatever way an update comes to be there; later, and after it, momentum is there."""
    first = "method_params.update_period: the first update comes before the first step, when there is no momentum: "
    for settings, refused in (
        ({"timing": "before-step", "update_period": 1}, True),
        ({"timing": "before-step", "update_period": 2}, False),
        ({"timing": "after-step", "update_period": 1}, False),
        ({"timing": "instead-of-step", "update_period": 1}, False),
        ({"timing": "instead-of-step", "update_period": 40, "begin_at": {"step": 40}}, True),
        ({"timing": "before-step", "update_period": 40, "begin_at": {"step": 39}}, True),
        ({"timing": "before-step", "update_period": 40, "begin_at": {"step": 38}}, False),
    ):
        fields: dict[str, Any] = {"begin_at": settings.pop("begin_at")} if "begin_at" in settings else {}
        given = settings | params | {"momentum": "dense"}
        with pytest.raises(ConfigError, match=first) if refused else contextlib.nullcontext():
            build(nn.Linear(4, 4), "rigl", epochs=2, density=0.5, method_params=given, **fields)


@pytest.mark.parametrize("method", ["rigl", "set"])
def test_dense_layers_stay_as_they_are(build: MethodFactory, tiny: RunFactory, method: str) -> None:
    made, layer, _ = one_layer(build, tiny, method)
    made.set_masks({"0": torch.ones(2, 5, dtype=torch.bool)})
    before = layer.weight.detach().clone()
    made.update(10)
    assert torch.equal(layer.weight.detach(), before)
    assert bool(made.masks()["0"].all())


CASES = [(m, d, o) for m in ("rigl", "set") for d in (0.5, 0.1, 0.02) for o in ("sgd", "nesterov", "adam")]


@pytest.mark.parametrize(("method", "density", "optimizer"), CASES)
def test_training_keeps_counts_and_zeros(
    trainer: TrainerFactory, digits: Data, method: str, density: float, optimizer: str
) -> None:
    """30 steps with an update every 5: after each step pruned weights and their optimiser state are exactly zero."""
    kind = {"optimizer": "adam", "learning_rate": 1e-3} if optimizer == "adam" else {}
    more = {"optimizer_params": {"nesterov": True}} if optimizer == "nesterov" else {}
    run = trainer(method, density=density, weight_decay=1e-3, method_params={"update_period": 5}, **kind, **more)
    start = run.method.layers()
    weights = {name: module.weight for name, module in run.method.modules.items()}
    changed = 0
    for step, batch in enumerate(itertools.islice(digits.train_batches(40, 0, 0), 30)):
        before = {name: mask.clone() for name, mask in run.method.masks().items()}
        values = {name: weight.detach().clone() for name, weight in weights.items()}
        run._step(step, *batch)
        for name, mask in run.method.masks().items():
            assert bool((weights[name][~mask] == 0).all())
            for state in run.optimizer.state[weights[name]].values():
                if isinstance(state, Tensor) and state.shape == mask.shape:
                    assert bool((state[~mask] == 0).all())
            fresh = mask & ~before[name]
            changed += int(fresh.sum())
            if method == "rigl" and fresh.any():  # the update took the place of the weight step
                stayed = mask & (values[name] != 0) & (weights[name] != 0)
                assert torch.equal(weights[name][stayed], values[name][stayed])
            if fresh.any():
                assert bool((weights[name][fresh] == 0).all())
        assert run.method.layers() == start
    assert changed > 0


def test_dense_gradient_is_visible_when_growth_reads_it(trainer: TrainerFactory, digits: Data) -> None:
    """RigL's update at step 5 sees gradients of pruned weights, also of those that never had one."""
    run = trainer("rigl", density=0.1, method_params={"update_period": 5})
    seen = []
    grow = run.method.grow

    def spy(name: str, free: Tensor, n: int, step: int) -> Tensor:
        seen.append(float(run.method.gradient(name)[~run.method.masks()[name]].abs().sum()))
        return grow(name, free, n, step)

    run.method.grow = spy
    for step, batch in enumerate(itertools.islice(digits.train_batches(64, 0, 0), 6)):
        run._step(step, *batch)
    assert len(seen) >= 2
    assert min(seen) > 0
