"""Layer densities worked out by hand for the LeNets, and totals that are exact everywhere."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction

import pytest

from dst_repro.sparsity.distribution import counts, densities, er, erk

FC = {"fc1": (300, 784), "fc2": (100, 300), "fc3": (10, 100)}
CONV = {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "fc1": (500, 800), "fc2": (10, 500)}
OTHERS = {
    "one layer": {"a": (7, 13)},
    "tiny": {"a": (2, 3), "b": (1, 1), "c": (3, 2, 1, 1)},
    "equal": {"a": (10, 10), "b": (10, 10), "c": (10, 10)},
    "wide": {"a": (64, 3, 3, 3), "b": (512, 512, 3, 3), "c": (512, 512), "d": (10, 512)},
}
NETWORKS = {"lenet-300-100": FC, "lenet-5-caffe": CONV} | OTHERS
DENSITIES = [1.0, 0.999, 0.9, 0.5, 1 / 3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001]


def test_raw_scores() -> None:
    assert er((300, 784)) == pytest.approx(1084 / 235_200)
    assert er((50, 20, 5, 5)) == pytest.approx(70 / 1000)
    assert erk((50, 20, 5, 5)) == pytest.approx(80 / 25_000)
    assert erk((300, 784)) == er((300, 784))


@pytest.mark.parametrize(
    ("shapes", "density", "distribution", "kept"),
    [
        # 5 % of each layer
        (FC, 0.05, "uniform", {"fc1": 11_760, "fc2": 1_500, "fc3": 50}),
        # eps = 13310 / (1084 + 400 + 110): shares 9051.47, 3340.03, 918.51; the spare weight goes to .51
        (FC, 0.05, "er", {"fc1": 9_051, "fc2": 3_340, "fc3": 919}),
        # fc3 would get 1837 of its 1000 weights; eps = 25620 / 1484 for the others: 18714.34, 6905.66
        (FC, 0.1, "er", {"fc1": 18_714, "fc2": 6_906, "fc3": 1_000}),
        # conv1 would get 2766 of 500; eps = 21025 / 3560: 10335.32, 7677.67, 3012.01
        (CONV, 0.05, "er", {"conv1": 500, "conv2": 10_335, "fc1": 7_678, "fc2": 3_012}),
        # the kernel counts: eps = 21525 / 1921 would give fc2 5715 of 5000; then 16525 / 1411: 363.06, 936.92, 15225.02
        (CONV, 0.05, "erk", {"conv1": 363, "conv2": 937, "fc1": 15_225, "fc2": 5_000}),
    ],
)
def test_hand_worked_counts(shapes: dict, density: float, distribution: str, kept: dict[str, int]) -> None:
    assert counts(shapes, density, distribution) == kept


def test_layer_that_would_exceed_one_is_dense_and_the_others_keep_their_proportions() -> None:
    found = densities(FC, 0.1, "er")
    assert found["fc3"] == 1.0
    assert found["fc1"] / found["fc2"] == pytest.approx((1084 / 235_200) / (400 / 30_000))
    assert sum(p * math.prod(FC[name]) for name, p in found.items()) == pytest.approx(26_620)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("distribution", ["uniform", "er", "erk"])
def test_totals_are_exact_and_no_layer_is_overfull(network: str, distribution: str) -> None:
    shapes = NETWORKS[network]
    total = sum(map(math.prod, shapes.values()))
    for density in DENSITIES:
        kept = counts(shapes, density, distribution)
        assert sum(kept.values()) == round(density * total)
        shares = densities(shapes, density, distribution)
        for name, shape in shapes.items():
            assert 0 <= kept[name] <= math.prod(shape)
            assert abs(kept[name] - shares[name] * math.prod(shape)) < 1 + 1e-6


@pytest.mark.parametrize(
    ("shapes", "density", "distribution", "room", "kept"),
    [
        # half of 200: a takes 2, b the other 98
        ({"a": (10, 10), "b": (10, 10)}, 0.5, "uniform", {"a": 2, "b": 100}, {"a": 2, "b": 98}),
        # 7.511 of 14 are 8: all of b's room
        ({"a": (1, 1), "b": (13, 1)}, 0.5365, "uniform", {"a": 0, "b": 8}, {"a": 0, "b": 8}),
        # 26620: fc3 takes 700; 25920 * 1084 / 1484 and * 400 / 1484: 18933.48, 6986.52
        (FC, 0.1, "er", {"fc1": 20_000, "fc2": 30_000, "fc3": 700}, {"fc1": 18_933, "fc2": 6_987, "fc3": 700}),
        # fc1 takes 15000 and fc3 1000, which leaves 10620 to fc2
        (FC, 0.1, "er", {"fc3": 1_000, "fc2": 30_000, "fc1": 15_000}, {"fc1": 15_000, "fc2": 10_620, "fc3": 1_000}),
        # rounding alone: 2.5 and 7.5 of 10, where a has room for 2
        ({"a": (5, 1), "b": (15, 1)}, 0.5, "uniform", {"a": 2, "b": 15}, {"a": 2, "b": 8}),
        # 0.5, 0.5 and 1 of 2
        ({"a": (1, 1), "b": (1, 1), "c": (2, 1)}, 0.5, "uniform", {"a": 0, "b": 1, "c": 2}, {"a": 0, "b": 1, "c": 1}),
    ],
)
def test_what_a_layer_has_no_room_for_goes_to_the_others(
    shapes: dict, density: float, distribution: str, room: dict[str, int], kept: dict[str, int]
) -> None:
    assert counts(shapes, density, distribution, room=room) == kept


def test_too_little_room_is_an_error() -> None:
    with pytest.raises(ValueError, match="100 weights do not fit where there is room for 99"):
        counts({"a": (10, 10), "b": (10, 10)}, 0.5, "uniform", room={"a": 0, "b": 99})


def exact_shares(shapes: dict, density: float, distribution: str) -> dict[str, Fraction]:
    """Real-valued shares in fractions: full layers are taken out one at a time, the fullest first."""
    size = {name: Fraction(math.prod(shape)) for name, shape in shapes.items()}
    weight = {
        name: {
            "uniform": size[name],
            "er": (shape[0] + shape[1]) * size[name] / (shape[0] * shape[1]),
            "erk": Fraction(sum(shape)),
        }[distribution]
        for name, shape in shapes.items()
    }
    shares, left, free = {}, Fraction(density) * sum(size.values()), list(shapes)
    while free:
        whole = sum(weight[name] for name in free)
        fullest = max(free, key=lambda name: weight[name] / size[name])
        if left * weight[fullest] <= size[fullest] * whole:
            return shares | {name: left * weight[name] / whole for name in free}
        shares[fullest] = size[fullest]
        left -= size[fullest]
        free.remove(fullest)
    return shares


def test_without_room_they_are_the_largest_remainders_of_exact_shares() -> None:
    rng, clear = random.Random(0), 0
    for _ in range(1500):
        shapes = {
            str(i): tuple(rng.choice([1, 2, 3, 5, rng.randint(1, 600)]) for _ in range(rng.choice([2, 4])))
            for i in range(rng.randint(1, 7))
        }
        density = rng.choice([1.0, 0.5, 0.1, rng.uniform(0.001, 1), rng.uniform(1e-4, 0.02)])
        distribution = rng.choice(["uniform", "er", "erk"])
        shares = exact_shares(shapes, density, distribution)
        found = {name: math.floor(share + Fraction(1, 10**8)) for name, share in shares.items()}
        remainders = {name: shares[name] - found[name] for name in shapes}
        missing = round(density * sum(map(math.prod, shapes.values()))) - sum(found.values())
        ranked = sorted(shapes, key=lambda name: -remainders[name])
        if 0 < missing < len(ranked):
            last, next_ = (remainders[name] for name in ranked[missing - 1 : missing + 1])
            if last - next_ < 1e-6:
                continue  # a tie, which the last bits of float64 may decide
        clear += 1
        for name in ranked[:missing]:
            found[name] += 1
        assert counts(shapes, density, distribution) == found
        sizes = {name: math.prod(shape) for name, shape in shapes.items()}
        assert counts(shapes, density, distribution, room=sizes) == found
        assert counts(shapes, density, distribution, room=found) == found
    assert clear > 1000


@pytest.mark.parametrize("distribution", ["uniform", "er", "erk"])
def test_denser_network_never_has_a_sparser_layer(distribution: str) -> None:
    for sparse, dense in itertools.pairwise(sorted(DENSITIES)):
        low, high = densities(CONV, sparse, distribution), densities(CONV, dense, distribution)
        assert all(low[name] <= high[name] + 1e-12 for name in CONV)


@pytest.mark.parametrize("density", [0.0, -0.1, 1.01])
def test_density_outside_the_range_is_refused(density: float) -> None:
    with pytest.raises(ValueError, match="density must be in"):
        densities(FC, density, "erk")
