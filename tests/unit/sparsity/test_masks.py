"""Masks: exact counts, the right positions, one hash."""

from __future__ import annotations

import pytest
import torch

from dst_repro.seeding import generator
from dst_repro.sparsity.masks import highest, lowest, random_among, random_mask, sha256

SCORE = torch.tensor([[5.0, 1.0, 3.0], [2.0, 4.0, 0.0]])
AMONG = torch.tensor([[True, True, True], [True, False, False]])


@pytest.mark.parametrize("kept", [0, 1, 7, 59, 60])
@pytest.mark.parametrize("shape", [(6, 10), (3, 4, 5, 1)])
def test_random_mask_is_exact_and_seeded(shape: tuple[int, ...], kept: int) -> None:
    def draw(seed: int) -> torch.Tensor:
        return random_mask(torch.Size(shape), kept, generator(seed, "test"))

    assert int(draw(0).sum()) == kept
    assert draw(0).shape == shape
    assert torch.equal(draw(0), draw(0))
    assert torch.equal(draw(0), draw(1)) == (kept in (0, 60))


def test_random_mask_prefers_no_position() -> None:
    total = sum(random_mask(torch.Size((4, 5)), 5, generator(seed, "test")).int() for seed in range(2000))
    # each of 20 positions: mean 500, standard deviation sqrt(2000 * 1/4 * 3/4) = 19.4
    assert int((total - 500).abs().max()) < 5 * 19.4


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [
        (0, [], []),
        (1, [(0, 1)], [(0, 0)]),
        (2, [(0, 1), (1, 0)], [(0, 0), (0, 2)]),
        (4, [(0, 0), (0, 1), (0, 2), (1, 0)], [(0, 0), (0, 1), (0, 2), (1, 0)]),
        (9, [(0, 0), (0, 1), (0, 2), (1, 0)], [(0, 0), (0, 1), (0, 2), (1, 0)]),
    ],
)
def test_extremes_among_candidates(n: int, low: list, high: list) -> None:
    assert list(map(tuple, lowest(SCORE, AMONG, n).nonzero().tolist())) == low
    assert list(map(tuple, highest(SCORE, AMONG, n).nonzero().tolist())) == high


def test_ties_do_not_change_the_count() -> None:
    flat = torch.zeros(4, 5)
    assert int(lowest(flat, flat == 0, 7).sum()) == int(highest(flat, flat == 0, 7).sum()) == 7


def test_memory_format_does_not_move_positions() -> None:
    score = torch.rand(3, 4, 2, 2, generator=generator(0, "test"))
    among = score > 0.2
    turned = score.to(memory_format=torch.channels_last)
    assert torch.equal(lowest(score, among, 9), lowest(turned, among, 9))
    assert torch.equal(lowest(score, among, 9), lowest(turned, among.to(memory_format=torch.channels_last), 9))
    assert sha256({"a": among}) == sha256({"a": among.to(memory_format=torch.channels_last)})


def test_random_among_stays_among() -> None:
    drawn = [random_among(AMONG, 2, generator(seed, "test")) for seed in range(40)]
    assert all(int(mask.sum()) == 2 and not bool((mask & ~AMONG).any()) for mask in drawn)
    assert bool((sum(mask.int() for mask in drawn) > 0)[AMONG].all())


def test_hash_tells_masks_layers_and_names_apart() -> None:
    full, empty = torch.ones(2, 2, dtype=torch.bool), torch.zeros(2, 2, dtype=torch.bool)
    hashes = [sha256({"a": full, "b": empty}), sha256({"a": empty, "b": full}), sha256({"a": full, "c": empty})]
    assert len(set(hashes)) == 3
    assert sha256({"b": empty, "a": full}) == hashes[0]
