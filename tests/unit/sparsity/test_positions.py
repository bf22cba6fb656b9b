"""Positions: read, written and drawn, whatever the memory format."""

from __future__ import annotations

import pytest
import torch

from dst_repro.seeding import generator
from dst_repro.sparsity.positions import draw_free, put, take


@pytest.mark.parametrize("format_", [torch.contiguous_format, torch.channels_last])
def test_positions_count_row_by_row(format_: torch.memory_format) -> None:
    tensor = torch.arange(120.0).view(2, 3, 4, 5).contiguous(memory_format=format_)
    where = torch.tensor([7, 0, 119, 60])
    assert take(tensor, where).tolist() == [7, 0, 119, 60]
    put(tensor, where, torch.tensor([-1.0, -2, -3, -4]))
    expected = torch.arange(120.0)
    expected[where] = torch.tensor([-1.0, -2, -3, -4])
    assert torch.equal(tensor.flatten(), expected)
    assert tensor.is_contiguous(memory_format=format_)


def test_draws_are_free_inside_their_range_and_distinct() -> None:
    mask = torch.rand(1000, generator=generator(0, "test")) < 0.3
    first, second = range(400), range(400, 1000)
    for seed in range(50):
        drawn = draw_free(mask, [first, second, second, first, first], generator(seed, "draw"))
        assert len(set(drawn)) == 5
        assert [at in first for at in drawn] == [True, False, False, True, True]
        assert not bool(mask[drawn].any())
    one, same = (draw_free(mask, [first, second], generator(3, "draw")) for _ in range(2))
    assert one == same


@pytest.mark.parametrize("busy", [0.0, 0.5, 0.96])
def test_every_free_position_is_as_likely(busy: float) -> None:
    """Three of the free positions of 50, 1500 times; at 0.96 just two are free."""
    mask = torch.zeros(50, dtype=torch.bool)
    mask[: int(50 * busy)] = True
    counts = torch.zeros(50)
    for seed in range(1500):
        drawn = torch.tensor(draw_free(mask, 3 * [range(50)], generator(seed, "draw")))
        counts[drawn[drawn >= 0]] += 1
    free = 50 - int(50 * busy)
    share = min(1.0, 3 / free)
    assert not bool(counts[mask].any())
    deviation = (1500 * share * (1 - share)) ** 0.5
    assert float((counts[~mask] - 1500 * share).abs().max()) <= 4.5 * deviation


def test_where_none_is_left() -> None:
    mask = torch.ones(20, dtype=torch.bool)
    mask[[3, 15]] = False
    drawn = draw_free(mask, [range(10), range(10), range(10, 20)], generator(0, "draw"))
    assert sorted(drawn[:2]) == [-1, 3]
    assert drawn[2] == 15
