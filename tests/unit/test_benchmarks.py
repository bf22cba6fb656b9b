"""The benchmarks' own arithmetic, worked out by hand, and that they compare like with like."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmarks import check, data_path, planning, recurrent, reference, reference_lstm, result, steps
from benchmarks.__main__ import main
from benchmarks.flops import count
from benchmarks.measure import interleaved, ratios, spread, summed_up
from benchmarks.result import Result
from benchmarks.subjects import ADAM, CIFAR, MNIST, REQUIRED, build, random_data, random_images
from dst_repro.registry import methods, models
from dst_repro.seeding import generator


def test_median_and_interquartile_range_by_hand() -> None:
    found = summed_up("x", [1.0, 2.0, 4.0, 8.0, 100.0], "ms", "<= 3")
    assert (found.value, found.spread, found.met) == (4.0, 6.0, "no")  # quartiles 2 and 8
    assert spread([1.0, 2.0]) == pytest.approx(0.5)  # 1.25 and 1.75
    assert spread([1.0]) is None


def test_ratios_are_taken_within_a_round() -> None:
    assert ratios([2.0, 30.0], [1.0, 10.0]) == [2.0, 3.0]
    with pytest.raises(ValueError, match="longer"):
        ratios([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("warm_up", "order"), [(True, "abc abc bca cab abc"), (False, "abc bca cab abc")])
def test_actions_take_turns_and_the_first_round_is_not_counted(warm_up: bool, order: str) -> None:
    calls: list[str] = []

    def action(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    found = interleaved(4, {name: lambda name=name: action(name) for name in "abc"}, warm_up=warm_up)
    assert "".join(calls) == order.replace(" ", "")
    assert [len(times) for times in found.values()] == [4, 4, 4]
    assert min(min(times) for times in found.values()) == (4 if warm_up else 1)


def test_targets_are_upper_or_lower_bounds() -> None:
    assert [Result("x", v, "ratio", None, "<= 1.5").met for v in (1.5, 1.51)] == ["yes", "no"]
    assert [Result("x", v, "ratio", None, ">= 8").met for v in (8, 7.9)] == ["yes", "no"]
    assert Result("x", 1.0, "s").met == ""


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    results = [Result("step, a: b over dense", 1.25, "ratio", 0.05, "<= 1.5"), Result("start-up", 2.0, "s")]
    result.write(results, {"processor": "A: fast one", "cores": 2}, tmp_path / "new.csv")
    assert result.read(tmp_path / "new.csv") == (results, {"processor": "A: fast one", "cores": "2"})
    lines = (tmp_path / "new.csv").read_text().splitlines()
    assert lines[2:4] == ["name,value,unit,spread,target,met", '"step, a: b over dense",1.25,ratio,0.05,<= 1.5,yes']
    assert result.table(results).splitlines()[1].split()[-4:] == ["0.05", "<=", "1.5", "yes"]


@pytest.mark.parametrize(
    ("old", "new", "fails"),
    [
        (Result("x", 1.0, "ratio", 0.01), Result("x", 1.14, "ratio", 0.01), False),
        (Result("x", 1.0, "ratio", 0.01), Result("x", 1.16, "ratio", 0.01), True),
        (Result("x", 1.0, "ratio", 0.01), Result("x", 0.5, "ratio", 0.01), False),
        (Result("x", 1.0, "ratio", 0.01), Result("x", 1.5, "ratio", 0.6), False),  # lost in its spread
        (Result("x", 1.0, "ratio", 0.6), Result("x", 1.5, "ratio", 0.01), False),
        (Result("x", 1.0, "ratio"), Result("x", 1.5, "ratio"), True),
        (Result("x", 8.0, "ratio", 0.1, ">= 8"), Result("x", 6.0, "ratio", 0.1, ">= 8"), True),
        (Result("x", 8.0, "ratio", 0.1, ">= 8"), Result("x", 16.0, "ratio", 0.1, ">= 8"), False),
        (Result("x", 8.0, "ratio", 0.1), Result("y", 8.0, "ratio", 0.1), True),  # no longer measured
    ],
)
def test_a_ratio_that_got_worse_is_reported(old: Result, new: Result, fails: bool, tmp_path: Path) -> None:
    seconds = [Result("slow machine", 1.0, "s"), Result("slow machine", 50.0, "s")]
    assert len(check.worse([new, seconds[1]], [old, seconds[0]])) == int(fails)
    for name, results in (("old.csv", [old, seconds[0]]), ("new.csv", [new, seconds[1]])):
        result.write(results, {}, tmp_path / name)
    assert check.main([str(tmp_path / "new.csv"), str(tmp_path / "old.csv")]) == int(fails)


def test_the_check_refuses_what_it_can_not_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check.worse([], [Result("x", 1.0, "s")]) == ["the old measurement has no ratio to compare with"]
    (tmp_path / "a.csv").write_text("name,value\nx,1\n")
    assert check.main([str(tmp_path / "a.csv"), str(tmp_path / "a.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit):
        main(["--only", "steps", "--against", str(tmp_path / "a.csv")])


def network(slug: str) -> torch.nn.Module:
    built: torch.nn.Module = models[slug].object(MNIST, 10, models[slug].params())
    return built


def test_flops_of_lenet_300_100_by_hand() -> None:
    weights = 784 * 300 + 300 * 100 + 100 * 10
    found = count(network("lenet-300-100"), torch.rand(3, *MNIST))
    assert found.forward == 3 * 2 * weights
    assert found.backward == 3 * 2 * (2 * weights - 784 * 300)  # nothing needs the gradient of the images


def test_flops_of_convolutions_by_hand() -> None:
    found = count(network("lenet-5-caffe"), torch.rand(1, *MNIST))
    first = 24 * 24 * 20 * 25
    assert found.forward == 2 * (first + 8 * 8 * 50 * 25 * 20 + 800 * 500 + 500 * 10)
    assert found.backward == 2 * found.forward - 2 * first
    grouped = torch.nn.Conv2d(4, 6, 3, groups=2, padding=1)
    assert count(grouped, torch.rand(1, 4, 5, 5)).forward == 2 * 5 * 5 * 6 * 2 * 9


def test_every_method_but_dense_is_timed_and_the_mask_methods_have_a_target() -> None:
    for case in steps.cases(quick=True)[:3]:
        assert set(case.methods) == set(methods.discover()) - {"dense"}
        assert {case.target(m) for m in ("static", "set", "rigl", "gmp")} == {f"<= {case.masked:g}"}
        assert case.target("dst") == f"<= {case.dst:g}" != case.target("set")


def test_updates_of_a_mask_get_their_share_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of 1 s, and of 3 s with an update: 1.02 s on average with one update in a hundred."""
    case = steps.Case("lenet-300-100", MNIST, 4, 2, 3, 1.5, 1.15, frozenset({"dst", "rigl"}))
    times = {1: 3.0, steps.PERIOD: 1.0}

    def timer(trainer: object) -> object:
        method = trainer.method  # type: ignore[attr-defined]
        return lambda: 2 * times.get(getattr(method.params, "update_period", 0), 1.0)

    monkeypatch.setattr(steps, "epoch_timer", timer)
    found = steps.seconds_per_step(case, random_data(MNIST, 8))
    assert {m: statistics.median(v) for m, v in found.items()} == pytest.approx({"dense": 1, "dst": 1, "rigl": 1.02})


def test_random_images_are_of_the_right_shape_and_always_the_same() -> None:
    one, other = random_images(CIFAR, 5), random_images(CIFAR, 5)
    assert one.images.shape == (5, *CIFAR)
    assert one.images.dtype == torch.uint8
    assert torch.equal(one.images, other.images)
    assert random_data(CIFAR, 5).train.sha256() == one.sha256()


@pytest.mark.parametrize("threshold", [0.0, 0.02, 5.0])
def test_the_reference_is_our_dst_in_another_spelling(threshold: float) -> None:
    """Thresholds at 0, among the weights, and above all of them, where the first step resets every layer."""
    batch, n = 16, 5
    data = random_data(MNIST, n * batch)
    ours = build("lenet-300-100", "dst", data, batch, epochs=1)
    theirs = reference.Training(reference.LeNet(), REQUIRED)
    pairs = [(getattr(ours.model, name), getattr(theirs.model, name)) for name in ("fc1", "fc2", "fc3")]
    with torch.no_grad():
        for our, their in pairs:
            our.threshold.fill_(threshold)
            their.weight.copy_(our.weight_orig)
            their.bias.copy_(our.bias)
            their.threshold.copy_(our.threshold)
    before = pairs[0][0].weight_orig.detach().clone()
    order = torch.randperm(n * batch, generator=generator(0, "order", 0)).tolist()
    images = random_images(MNIST, n * batch)
    theirs.epoch(reference.loader(images.images.squeeze(1), images.labels, batch, order))
    ours.run_epoch()
    for our, their in pairs:
        torch.testing.assert_close(their.weight, our.weight_orig, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(their.bias, our.bias, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(their.threshold, our.threshold, rtol=1e-4, atol=1e-6)
        assert torch.equal(their.mask() > 0, our.weight_orig.abs() >= our.threshold.view(-1, 1))
        assert float(our.threshold.detach().abs().max()) > 1e-4
    assert not torch.allclose(before, pairs[0][0].weight_orig, atol=1e-4)
    resets = ours.method.events()["resets"].values()
    assert all(n > 0 for n in resets) == (threshold == 5.0)


def gate_by_gate(our: torch.nn.Module, their: reference_lstm.Cell) -> Iterator[tuple[Tensor, Tensor]]:
    """A layer of ours beside the reference's: weights, thresholds, biases."""
    for name, matrices in (("input", their.from_input), ("hidden", their.from_hidden)):
        for key, value in (("weight_orig", "weight"), ("threshold", "threshold")):
            ours = our.get_parameter(f"{name}.{key}").detach().chunk(4)
            yield from zip(ours, [m.get_parameter(value).detach() for m in matrices.values()], strict=True)
    biases = [their.bias[gate].detach() for gate in reference_lstm.GATES]
    yield from zip(our.get_parameter("input.bias").detach().chunk(4), biases, strict=True)


@pytest.mark.parametrize("threshold", [0.0, 0.02])
def test_the_lstm_of_the_reference_is_ours_in_another_spelling(threshold: float) -> None:
    batch, n = 10, 4
    data = random_data(MNIST, n * batch)
    ours, theirs = build("lstm-a", "dst", data, batch, epochs=1), recurrent.training()
    assert [ours.config.optimizer, ours.config.learning_rate] == list(ADAM.values())
    model = theirs.model
    assert isinstance(model, reference_lstm.LSTM)
    pairs = [
        *gate_by_gate(ours.model.get_submodule("lstm1"), model.layer1),
        *gate_by_gate(ours.model.get_submodule("lstm2"), model.layer2),
        (ours.model.get_parameter("fc.weight").detach(), model.fc.weight.detach()),
        (ours.model.get_parameter("fc.bias").detach(), model.fc.bias.detach()),
    ]
    for layer in ours.method.modules.values():
        layer.get_parameter("threshold").detach().fill_(threshold)
    for our, their in pairs:
        their.copy_(our)
    before = [their.clone() for _, their in pairs]
    theirs.epoch(data.train_batches(batch, seed=0, epoch=0))
    ours.run_epoch()
    for start, (our, their) in zip(before, pairs, strict=True):
        assert 0.5 * n * 0.001 < float((their - start).abs().max()) < 1.5 * n * 0.001
        torch.testing.assert_close(our, their, rtol=0, atol=1e-5)


def test_flops_of_the_lstm_by_hand() -> None:
    found = count(network("lstm-a"), torch.rand(3, *MNIST))
    first, others, last = 512 * 28, 512 * 128 * 3, 128 * 10
    assert found.forward == 3 * 2 * (28 * (first + others) + last)
    assert found.backward == 3 * 2 * (28 * (first + 2 * others) + 2 * last)


def test_the_parts_of_an_epoch_add_up() -> None:
    found = data_path.shares([4.0, 10.0], [3.0, 5.0], [1.0, 4.0])
    assert found == {"loader": [25.0, 40.0], "masks": [25.0, 50.0], "rest": [50.0, 10.0]}


def test_the_parts_of_an_epoch_are_trainings_on_all_images() -> None:
    """Batches seen by each: two full ones and one of the two images left."""
    data, images = random_data(MNIST, 130), random_images(MNIST, 130)
    for actions in (data_path.ours(data), data_path.theirs(images)):
        assert list(actions) == ["dst", "dense", "loader"]
        assert all(action() > 0 for action in actions.values())


def test_trainings_are_as_long_as_the_papers() -> None:
    for n, batch in ((10, 5), (640, 64)):
        config = build("lenet-300-100", "dst", random_data(MNIST, n), batch).config
        assert 18_760 <= config.epochs * n / batch < 18_780
    assert build("lenet-300-100", "dst", random_data(MNIST, 10), 5, epochs=3).config.epochs == 3


def test_generated_runs_are_planned_and_their_records_read(tmp_path: Path) -> None:
    assert planning.time_plan(80, tmp_path / "plan") > 0
    assert planning.time_aggregate(3, tmp_path / "aggregate") > 0
    assert len(list((tmp_path / "aggregate/results/runs").iterdir())) == 3
